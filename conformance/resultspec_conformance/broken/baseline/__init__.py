"""The small correct backend that every broken one differs from, one module for each class of the specification."""
