"""Result backends over real stores, built on the reference, and the adapters that put them under test."""
