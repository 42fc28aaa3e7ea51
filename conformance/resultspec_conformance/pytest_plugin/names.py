"""The names and marks of the suite's tests under pytest."""

from typing import Final

VERDICT: Final = "verdict"
"""The name of the last test, which asserts that nothing was left untested."""

MARK: Final = "resultspec"
"""The mark of all tests of the suite. `resultspec_CLASS` is that of a class, that of a requirement is its id."""

PARAMETER: Final = "resultspec_check"
"""The parameter of the test function that `conformance_tests` returns: the name of a check."""
