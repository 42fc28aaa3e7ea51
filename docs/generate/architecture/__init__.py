"""The pictures of `docs/architecture.md`, from the imports, the state table and the transition tables."""
