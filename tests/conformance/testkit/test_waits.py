"""How waits are judged: bounds that noise does not break, and outcomes by what was stored."""

import time
from collections.abc import Iterator

import pytest

from resultspec_conformance.broken import VARIATIONS, open_specimen
from resultspec_conformance.subject.findings import Violation
from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.testkit import waits
from resultspec_conformance.testkit.context import Context, Session
from resultspec_conformance.testkit.waits import (
    MOST_TIMING_ATTEMPTS,
    TIMING_ATTEMPTS,
    begin_wait,
    expected_outcome,
    expected_outcome_of,
    final_outcome,
    in_progress,
    require_outcome,
    require_result,
    require_within,
    seconds,
    subscribed,
    timed_out,
)
from resultspec_conformance.wire.values import ExceptionData


@pytest.fixture(name="ctx")
def make_context() -> Iterator[Context]:
    """Return one example of a check of WAIT-1, with the small correct backend."""
    session = Session(open_specimen(VARIATIONS["no-op"]), "test")
    ctx = Context(session, "WAIT-1")
    yield ctx
    ctx.close()
    session.close()


def _wait(outcome: Outcome | None) -> Operation:
    return Operation("a", "wait_for", {"task_id": "t"}, start=1.0, end=1.25, outcome=outcome)


def test_one_attempt_in_time_is_enough(ctx: Context) -> None:
    """A bound that is missed because the machine was busy is tried again, and no further than needed."""
    took = iter([9.0, 9.0, 0.1, 9.0])
    require_within(ctx, "WAIT-4", 0.1, lambda: next(took))
    assert next(took) == 9.0
    assert ctx.exercised == {"WAIT-4"}


def test_bound_that_is_always_missed_is_a_violation(ctx: Context) -> None:
    """A defect occurs every time: the best attempt is reported."""
    took = iter([9.0, 7.5, 8.0, 9.0, 0.0])
    with pytest.raises(Violation, match="WAIT-4") as caught:
        require_within(ctx, "WAIT-4", 0.1, lambda: next(took))
    assert f"7.500 s in the best of {TIMING_ATTEMPTS}" in caught.value.got
    assert next(took) == 0.0


def _late_machine(monkeypatch: pytest.MonkeyPatch, *lateness: float) -> None:
    """Let the stopwatch find the machine late by so many seconds, attempt by attempt."""
    found = iter(lateness)
    monkeypatch.setattr(waits, "limit", lambda ctx, bound, watch: bound + ctx.grace + next(found))


def test_an_attempt_that_is_late_as_the_machine_was_decides_nothing(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine must not hide a defect that shows whenever it is quiet."""
    _late_machine(monkeypatch, 10.0, *[0.0] * 10)
    took = iter([9.0] * 5)
    with pytest.raises(Violation, match="WAIT-4"):
        require_within(ctx, "WAIT-4", 0.1, lambda: next(took))
    assert next(took, None) is None


def test_a_machine_that_is_always_late_accuses_nobody(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is tried."""
    _late_machine(monkeypatch, *[10.0] * MOST_TIMING_ATTEMPTS)
    require_within(ctx, "WAIT-4", 0.1, lambda: 9.0)
    assert ctx.exercised == {"WAIT-4"}


def test_grace_is_part_of_a_bound(ctx: Context) -> None:
    """What ends within the grace after a bound is in time."""
    require_within(ctx, "WAIT-4", 0.1, lambda: 0.1 + ctx.grace)
    assert ctx.exercised == {"WAIT-4"}


def test_outcome_follows_from_the_state(ctx: Context) -> None:
    """The value of a SUCCESS is returned, the exception of a FAILURE is raised, and one is not taken for the other."""
    error = ExceptionData("ValueError", "builtins", ("boom",))
    assert expected_outcome("SUCCESS", 1) == {"returned": 1}
    assert expected_outcome_of({"status": "REVOKED", "result": error}) == {"raised": error}
    require_outcome(ctx, "WAIT-1", _wait(Outcome("ok", {"raised": error})), {"raised": error})
    with pytest.raises(Violation, match="WAIT-1"):
        require_outcome(ctx, "WAIT-1", _wait(Outcome("ok", {"returned": error})), {"raised": error})
    with pytest.raises(Violation, match="WAIT-1"):
        require_outcome(ctx, "WAIT-1", _wait(Outcome.of_error("TimeoutError", "")), {"returned": 1})


def test_result_counts_however_it_came(ctx: Context) -> None:
    """Where another sentence is tested, it is the result that has to be right, and an error never is."""
    for way in ("returned", "raised"):
        require_result(ctx, "WAIT-8", _wait(Outcome("ok", {way: 1})), 2, 1)
    for outcome in (Outcome("ok", {"returned": 3}), Outcome.of_error("TimeoutError", "")):
        with pytest.raises(Violation, match="WAIT-8"):
            require_result(ctx, "WAIT-8", _wait(outcome), 2, 1)


def test_times_are_those_of_the_record() -> None:
    """How long a wait took, and how it ended, is what was recorded; a running one has no end."""
    assert seconds(_wait(Outcome("ok"))) == 0.25
    assert timed_out(_wait(Outcome.of_error("TimeoutError", "")))
    assert not timed_out(_wait(Outcome.of_error("ValueError", "")))
    with pytest.raises(RuntimeError, match="still running"):
        final_outcome(_wait(None))


def test_wait_is_in_progress_once_it_has_subscribed(ctx: Context) -> None:
    """A wait in the background is in progress when its subscription is there, and over when it has ended."""
    task_id = ctx.new_id()
    assert ctx.task_key(task_id) == f"celery-task-meta-{task_id}"
    wait = begin_wait(ctx, ctx.client("waiter"), task_id, 30.0)
    in_progress(ctx, task_id, wait)
    assert subscribed(ctx, task_id) == 1
    assert not wait.ended
    began = time.monotonic()
    ctx.client("writer").store(task_id, "done")
    assert final_outcome(wait.operation()).value == {"returned": "done"}
    assert time.monotonic() - began < 15.0
    assert wait.ended
