"""What is stored under an id: metas, groups, exceptions and values, as maps and as bytes."""
