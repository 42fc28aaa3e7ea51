"""The theory of states: the reference decides as the table of the specification says."""

import pytest

from resultspec import STATES
from resultspec_reference import states
from resultspec_reference.state_guard import Guard

EVERY = (*STATES.named, *STATES.reserved, "PROGRESS", "success")


def test_the_sets_are_those_of_the_specification() -> None:
    """READY, EXCEPTION and PROPAGATE are taken from the data; UNREADY holds named states only."""
    assert {"SUCCESS", "FAILURE", "REVOKED"} == states.READY_STATES
    assert {"FAILURE", "RETRY", "REVOKED"} == states.EXCEPTION_STATES
    assert {"FAILURE", "REVOKED"} == states.PROPAGATE_STATES
    assert {"PENDING", "RECEIVED", "STARTED", "RETRY"} == states.UNREADY_STATES


@pytest.mark.parametrize("arrives", EVERY)
def test_success_is_final_and_nothing_else_is(arrives: str) -> None:
    """SUCCESS is never replaced; with `latest` everything else is."""
    assert not states.replaces("SUCCESS", arrives)
    assert all(states.replaces(there, arrives) for there in (None, *EVERY) if there != "SUCCESS")


def test_a_late_unready_state_follows_the_declared_choice() -> None:
    """`ready-sticky` keeps FAILURE from an unready state, and not from a ready one."""
    assert states.replaces("FAILURE", "STARTED", "latest")
    assert not states.replaces("FAILURE", "STARTED", "ready-sticky")
    assert states.replaces("FAILURE", "REVOKED", "ready-sticky")


@pytest.mark.parametrize("state", EVERY)
def test_ready_is_membership_in_ready(state: str) -> None:
    """A custom state is not ready, and neither is `success`."""
    assert states.is_ready(state) == (state in {"SUCCESS", "FAILURE", "REVOKED"})


@pytest.mark.parametrize(
    ("state", "error"), [("", ValueError), ("x" * 51, ValueError), (None, TypeError), (b"S", TypeError)]
)
def test_an_invalid_state_is_refused(state: object, error: type[Exception]) -> None:
    """A state is text of 1 to 50 characters."""
    with pytest.raises(error):
        states.check_state(state)


def test_a_state_becomes_plain_text() -> None:
    """A subclass of str is stored as the text that it is."""

    class Fancy(str):
        pass

    assert type(states.check_state(Fancy("PROGRESS"))) is str
    assert states.check_state("x" * 50) == "x" * 50


def test_the_guard_lists_what_a_store_must_not_replace_by_itself() -> None:
    """With `latest` that is SUCCESS alone; with `ready-sticky` an unready state stops at every ready one."""
    assert Guard("FAILURE", "latest", bytes.decode).kept == {"SUCCESS"}
    assert Guard("STARTED", "ready-sticky", bytes.decode).kept == {"SUCCESS", "FAILURE", "REVOKED"}


def test_the_guard_lets_replace_what_cannot_be_read() -> None:
    """An entry without a state that one can read is replaced (VALUE-7)."""
    assert Guard("STARTED", "latest", lambda _: None).allows(b"garbage")
    assert not Guard("SUCCESS", "latest", bytes.decode).allows(b"SUCCESS")
