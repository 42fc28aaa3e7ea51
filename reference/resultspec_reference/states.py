"""The theory of states: what a store does when an entry arrives.

A task has at most one entry. The entry is in one *state*, a text. Seven states are named by the protocol, and any other
text of 1 to 50 characters is a custom state; names are compared as they are, so `success` is custom.

One set matters to readers: READY = {SUCCESS, FAILURE, REVOKED}. A task is ready if its state is in READY.
Membership in the set of unready states never decides anything, because custom states are in neither
set. EXCEPTION = {RETRY, FAILURE, REVOKED} are the states whose result is an exception. PENDING is the
state of a task without an entry; an entry may also be in PENDING, and then its state does not show that it exists.

Writers know nothing of each other: a worker may die, its task may be delivered again, and a late duplicate
may arrive at any time. So the store alone decides, by the stored state and the arriving state:

* nothing stored, or an unready state: the arriving entry replaces it. Progress is reported by storing again.
* FAILURE or REVOKED stored: a ready state replaces it, since the task may have been run again. An unready
  state is the start of a new run or a stale message, and a store cannot know which; a store declares its
  choice `late_unready`. This implementation replaces (`latest`).
* SUCCESS stored: the arriving entry is dropped without a trace and without an error. A reader
  may have acted on the stored one.

An entry is replaced as a whole; nothing of the earlier state remains. `forget` removes the entry and with it the memory
of SUCCESS: there are no tombstones.

The table itself is data of the specification (`states.json`). An entry that cannot be decoded has no
known state, and is replaced like an absent one (VALUE-7).
"""

from typing import Literal

from resultspec import STATES

PENDING = "PENDING"
RECEIVED = "RECEIVED"
STARTED = "STARTED"
RETRY = "RETRY"
FAILURE = "FAILURE"
REVOKED = "REVOKED"
SUCCESS = "SUCCESS"

READY_STATES: frozenset[str] = STATES.sets["READY"]
EXCEPTION_STATES: frozenset[str] = STATES.sets["EXCEPTION"]
PROPAGATE_STATES: frozenset[str] = STATES.sets["PROPAGATE"]
UNREADY_STATES: frozenset[str] = STATES.sets["ALL"] - READY_STATES
"""The named states that are not ready: for display, and never for a decision."""

LateUnready = Literal["latest", "ready-sticky"]

LATE_UNREADY: LateUnready = "latest"
"""The choice of this implementation for an unready state that arrives after FAILURE or REVOKED (STATE-7)."""


def check_state(state: object) -> str:
    """Return the state as plain text.

    Raises TypeError if it is not text, ValueError if its length is not 1 to 50. Rules: STATE-1, STATE-2.
    """
    if not isinstance(state, str):
        raise TypeError(f"a state must be text, not {type(state).__name__}")
    if not 1 <= len(state) <= STATES.custom_max_length:
        raise ValueError(f"a state must have 1 to {STATES.custom_max_length} characters, this one has {len(state)}")
    return str.__str__(state)


def replaces(stored: str | None, arrives: str, late_unready: LateUnready = LATE_UNREADY) -> bool:
    """Whether an arriving state replaces the stored one, which is None for an absent or unreadable entry.

    Rules: STATE-3 to STATE-7.
    """
    return STATES.decide(stored, arrives, late_unready=late_unready) == "replace"


def is_ready(state: str) -> bool:
    """Whether a task in this state is ready."""
    return state in READY_STATES
