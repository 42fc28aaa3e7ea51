"""The search for an order that explains a history, against trying every order there is."""

import itertools
import time
from collections.abc import Sequence
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.testkit.linearizability import Step, explain, steps_of
from resultspec_conformance.testkit.task_model import Write, after_store, complaint, expected_result


def explained_by(order: Sequence[Step], late_unready: str | None) -> bool:
    """Whether an order respects the times of its steps and returns what was read."""
    for place, step in enumerate(order):
        if any(later.end < step.start for later in order[place + 1 :]):
            return False
    possible: frozenset[Write | None] = frozenset({None})
    for step in order:
        if step.kind == "forget":
            possible = frozenset({None})
        elif step.write is not None:
            possible = frozenset(after for there in possible for after in after_store(there, step.write, late_unready))
        else:
            possible = frozenset(there for there in possible if complaint(there, step.meta) is None)
        if not possible:
            return False
    return True


def brute_force(steps: Sequence[Step], late_unready: str | None) -> bool:
    """Whether any order of the certain steps and some of the uncertain ones explains the history."""
    certain = [step for step in steps if step.certain]
    uncertain = [step for step in steps if not step.certain]
    for count in range(len(uncertain) + 1):
        for chosen in itertools.combinations(uncertain, count):
            for order in itertools.permutations([*certain, *chosen]):
                if explained_by(order, late_unready):
                    return True
    return False


STATES = ["STARTED", "FAILURE", "SUCCESS"]


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Draw up to six steps with overlapping times; reads return one of the writes, or nothing."""
    count = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from(["store", "read", "forget"]), min_size=count, max_size=count))
    states = draw(st.lists(st.sampled_from(STATES), min_size=count, max_size=count))
    writes = [Write(n, state, n) for n, (kind, state) in enumerate(zip(kinds, states, strict=True)) if kind == "store"]
    steps: list[Step] = []
    for number, kind in enumerate(kinds):
        start = draw(st.integers(0, 8))
        end = start + draw(st.integers(0, 4)) + 0.5
        if kind == "store":
            certain = draw(st.booleans()) or draw(st.booleans())
            write = next(one for one in writes if one.number == number)
            steps.append(Step("store", start, end if certain else inf, write=write, certain=certain))
        elif kind == "forget":
            steps.append(Step("forget", start, end))
        else:
            seen = draw(st.sampled_from([None, *writes]))
            steps.append(Step("read", start, end, meta=_meta(seen)))
    return steps


def _meta(write: Write | None) -> dict[str, object]:
    if write is None:
        return {"status": "PENDING", "result": None}
    return {"status": write.state, "result": expected_result(write)}


@settings(max_examples=300, deadline=None)
@given(steps=histories(), late_unready=st.sampled_from([None, "latest", "ready-sticky"]))
def test_the_search_agrees_with_trying_every_order(steps: list[Step], late_unready: str | None) -> None:
    """The search finds an order if and only if there is one, and the order that it finds is one."""
    found = explain(steps, late_unready)
    assert (found is not None) == brute_force(steps, late_unready)
    if found is not None:
        assert explained_by(found, late_unready)


def test_a_read_may_not_forget_what_was_acknowledged() -> None:
    """A read that begins after a SUCCESS was acknowledged cannot return what was there before."""
    stored = Operation("a", "store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}, 0.0, 1.0, Outcome("ok"))
    stale = Operation(
        "b", "get_task_meta", {"task_id": "t"}, 2.0, 3.0, Outcome("ok", {"status": "PENDING", "result": None})
    )
    overlapping = Operation("b", "get_task_meta", {"task_id": "t"}, 0.5, 3.0, stale.outcome)
    assert explain(steps_of([stored, stale]), "latest") is None
    assert explain(steps_of([stored, overlapping]), "latest") is not None


def test_a_refused_store_is_not_a_step_and_a_lost_reply_may_be_one() -> None:
    """`fail` had certainly no effect; `info` may have had one, at any time after its start."""
    refused = Operation(
        "a",
        "store_result",
        {"task_id": "t", "result": 1, "state": "SUCCESS"},
        0,
        1,
        Outcome("fail", error="ValueError"),
    )
    lost = Operation(
        "a", "store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}, 0, 1, Outcome("info", error="Unknown")
    )
    read = Operation(
        "b", "get_task_meta", {"task_id": "t"}, 5.0, 6.0, Outcome("ok", {"status": "SUCCESS", "result": 1})
    )
    assert explain(steps_of([refused, read]), "latest") is None
    assert explain(steps_of([lost, read]), "latest") is not None


def test_long_histories_are_searched_in_reasonable_time() -> None:
    """Two hundred operations of four clients, without an explanation, are not tried in every order."""
    steps = [
        Step("store", start=n, end=n + 3.5, write=Write(n, "STARTED", n)) if n % 3 == 0
        else Step("read", start=n, end=n + 3.5, meta=_meta(Write(n - n % 3, "STARTED", n - n % 3)))
        for n in range(200)
    ]  # fmt: skip
    steps.append(Step("read", start=300, end=301, meta=_meta(Write(0, "STARTED", 0))))
    began = time.monotonic()
    assert explain(steps, "latest") is None
    assert time.monotonic() - began < 30
