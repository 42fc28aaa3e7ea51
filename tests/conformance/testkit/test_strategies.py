"""What examples are drawn from, where it is more than a strategy of Hypothesis."""

from resultspec_conformance.testkit.strategies import boundaries


def test_sizes_at_which_limits_lie_are_found() -> None:
    """The ends of the range, and what is beside powers of two and of ten."""
    assert boundaries(2, 20) == [2, 3, 4, 5, 7, 8, 9, 10, 11, 15, 16, 17, 19, 20]
    assert {155, 154, 127, 128, 129, 99, 100, 101} <= set(boundaries(2, 155))
    assert boundaries(5, 5) == [5]
