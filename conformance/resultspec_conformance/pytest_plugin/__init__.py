"""The suite under pytest: the plugin, and the tests that `conformance_tests` makes."""
