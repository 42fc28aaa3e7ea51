"""Trying again, by the retry policy."""

import itertools

import pytest

from resultspec_reference.base import BaseBackend
from resultspec_reference.errors import OperationalError
from resultspec_reference.retry import pauses, with_retries


def test_the_default_policy_pauses_a_second_at_most() -> None:
    """Twenty retries, the first at once."""
    found = list(pauses(BaseBackend.retry_policy))
    assert found == [0, *[1] * 19]


def test_none_is_without_end_and_zero_is_never() -> None:
    """max_retries counts retries, not attempts."""
    policy = dict(BaseBackend.retry_policy)
    assert len(list(itertools.islice(pauses({**policy, "max_retries": None}), 1000))) == 1000
    assert list(pauses({**policy, "max_retries": 0})) == []


@pytest.mark.parametrize(("permanent", "attempts"), [(False, 4), (True, 1)])
def test_the_last_error_is_raised(permanent: bool, attempts: int) -> None:
    """A permanent one at once, another after all retries."""
    made: list[int] = []

    def fail() -> None:
        made.append(1)
        raise OperationalError("gone", permanent=permanent)

    with pytest.raises(OperationalError):
        with_retries(fail, {**BaseBackend.retry_policy, "max_retries": 3}, sleep=lambda _: None)
    assert len(made) == attempts


def test_a_success_ends_the_retries() -> None:
    """What the action returns is returned."""
    outcomes: list[int | None] = [None, None, 7]

    def act() -> int:
        found = outcomes.pop(0)
        if found is None:
            raise OperationalError("gone")
        return found

    assert with_retries(act, BaseBackend.retry_policy, sleep=lambda _: None) == 7
