"""The table of states: total, and such as its requirements say."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultspec import REQUIREMENTS, STATES

CUSTOM = "PROGRESS"
KNOWN = [*STATES.named, *STATES.reserved, CUSTOM]
THERE = [None, *KNOWN]
CHOICES = sorted(STATES.choices["late_unready"])
PAIRS = list(itertools.product(THERE, KNOWN))

states = st.one_of(st.sampled_from(KNOWN), st.text(min_size=1, max_size=50))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(("there", "arrives"), PAIRS)
def test_every_pair_has_an_action_and_a_requirement(there: str | None, arrives: str, choice: str) -> None:
    """The table is total, and each pair falls to a requirement of the chapter on states."""
    assert STATES.decide(there, arrives, late_unready=choice) in {"replace", "keep"}
    assert REQUIREMENTS[STATES.requirement(there, arrives)].chapter == "3-states"


@given(there=st.none() | states, arrives=states, choice=st.sampled_from(CHOICES))
def test_decisions_over_all_texts(there: str | None, arrives: str, choice: str) -> None:
    """What the sentences say, written once more without the table (STATE-3 to STATE-7)."""
    decided = STATES.decide(there, arrives, late_unready=choice)
    ready = {"SUCCESS", "FAILURE", "REVOKED"}
    if there == "SUCCESS":
        expected = "keep"
    elif there in ready and arrives not in ready:
        expected = "replace" if choice == "latest" else "keep"
    else:
        expected = "replace"
    assert decided == expected


@given(states)
def test_success_is_kept(arrives: str) -> None:
    """Nothing replaces SUCCESS, another SUCCESS included, under either choice."""
    assert {STATES.decide("SUCCESS", arrives, late_unready=choice) for choice in CHOICES} == {"keep"}
    assert STATES.requirement("SUCCESS", arrives) == "STATE-3"


@given(states)
def test_ready_is_membership(state: str) -> None:
    """A state is ready if it is one of three, whatever else it is."""
    assert STATES.is_ready(state) == (state in {"SUCCESS", "FAILURE", "REVOKED"})


@pytest.mark.parametrize("name", ["absent", "custom", "success", "Failure", "SUCCESS ", "*"])
def test_names_of_rows_are_custom_states(name: str) -> None:
    """A task may be in a state that is called as a row of the table is; case and blanks count."""
    assert STATES.row(name) == "custom"
    assert STATES.decide("SUCCESS", name) == "keep"
    assert STATES.decide(name, "PENDING") == "replace"


def test_no_entry_is_the_row_absent() -> None:
    """Where nothing is stored, everything is accepted."""
    assert STATES.row(None) == "absent"
    assert {STATES.decide(None, arrives) for arrives in KNOWN} == {"replace"}


def test_an_unknown_choice_is_an_error() -> None:
    """A choice that the specification does not name is not taken for another."""
    with pytest.raises(KeyError):
        STATES.decide("FAILURE", "STARTED", late_unready="newest")


def test_the_sets_are_consistent() -> None:
    """READY and UNREADY have no state in common; what propagates is ready and an exception."""
    assert not STATES.sets["READY"] & STATES.sets["UNREADY"]
    assert STATES.sets["PROPAGATE"] == STATES.sets["READY"] & STATES.sets["EXCEPTION"]
    assert STATES.sets["ALL"] == set(STATES.named)
    assert STATES.initial in STATES.sets["UNREADY"]
