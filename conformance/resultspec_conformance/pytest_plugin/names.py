"""The names of the suite's tests under pytest."""

from typing import Final

VERDICT: Final = "verdict"
"""The name of the last test, which asserts that nothing was left untested."""

PARAMETER: Final = "resultspec_check"
"""The parameter of the test function that `conformance_tests` returns: the name of a check."""
