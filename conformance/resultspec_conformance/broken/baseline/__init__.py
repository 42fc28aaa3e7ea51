"""The small correct backend that every broken one differs from, a module for each subject of the specification."""
