"""The suite judged by backends of known guilt, and the matrix of requirements, checks and broken backends."""
