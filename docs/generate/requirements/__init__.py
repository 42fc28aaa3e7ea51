"""The pages of the requirements: one for each, and the lists of them."""
