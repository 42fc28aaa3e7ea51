"""The self-test of the suite, and the matrix of requirements, checks and broken backends."""
