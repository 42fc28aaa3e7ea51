"""Checks of chapter 9: waiting for one task."""

import itertools
import time

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import results_for
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    ENDLESS_TIMEOUTS,
    IMMEDIATE_TIMEOUTS,
    LONG_TIMEOUTS,
    begin_wait,
    expected_outcome,
    expected_outcome_of,
    final_outcome,
    in_progress,
    plain,
    require_outcome,
    require_result,
    require_within,
    result_in,
    seconds,
    tagged,
    timed_out,
)
from resultspec_conformance.wire.values import ExceptionData, Value

READY = sorted(STATES.sets["READY"])
UNREADY = ["PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED", "IGNORED", "PROGRESS", "success", "Failure", "READY"]
SHORT = 0.2
"""The same for a task that is ready before the wait: a waiter reads before it gives up, however late it is."""


# -- outcomes ------------------------------------------------------------------------------------


@check(
    "WAIT-1",
    given={
        "entry": st.sampled_from(READY).flatmap(
            lambda state: st.fixed_dictionaries({"state": st.just(state), "result": results_for(state)})
        )
    },
    effort=0.3,
)
def ready_before_the_wait(ctx: Context, entry: dict[str, Value]) -> None:
    """A wait for a task that is ready ends with what is stored: the value returned, the exception raised."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    writer.store(task_id, entry["result"], entry["state"])
    read = expected_outcome_of(writer.meta(task_id))
    ended = waiter.perform("wait_for", task_id=task_id, timeout=SHORT)
    require_outcome(ctx, "WAIT-1", ended, expected_outcome(**entry), read)


ODD_RESULTS: list[Value] = [None, False, 0, "", [], {}, "SUCCESS"]


@check(
    "WAIT-1",
    cases=[
        *({"state": "SUCCESS", "result": result} for result in ODD_RESULTS),
        {"state": "FAILURE", "result": ExceptionData("TimeoutError", "builtins", ("the task's own",))},
        {"state": "FAILURE", "result": ExceptionData("KeyError", "builtins", ())},
        {"state": "REVOKED", "result": ExceptionData("RuntimeError", "builtins", ("revoked",))},
    ],
)
def odd_result_ends_the_wait(ctx: Context, state: str, result: Value) -> None:
    """A wait ends also with a value that is false, and with an exception that looks like its own."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    writer.store(task_id, result, state)
    read = expected_outcome_of(writer.meta(task_id))
    ended = waiter.perform("wait_for", task_id=task_id, timeout=SHORT)
    require_outcome(ctx, "WAIT-1", ended, expected_outcome(state, result), read)


@check("WAIT-1", cases=[{"there": there, "state": state} for there in (None, "STARTED") for state in READY])
def ready_during_the_wait(ctx: Context, there: str | None, state: str) -> None:
    """A wait ends with what is stored while it waits, whether something was there before or nothing."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    if there is not None:
        writer.store(task_id, result_in(there, 1), there)
    wait = begin_wait(ctx, waiter, task_id, AMPLE_TIMEOUT)
    in_progress(ctx, task_id, wait)
    if wait.ended:
        ctx.require(
            "WAIT-1", False, got=ctx.describe(final_outcome(wait.operation())), allowed="the wait goes on until then"
        )
    writer.store(task_id, result_in(state, 2), state)
    ended = wait.operation()
    expected = expected_outcome(state, result_in(state, 2))
    require_outcome(ctx, "WAIT-1", ended, expected, expected_outcome_of(writer.meta(task_id)))


def _require_read_as(client: Client, task_id: str, state: str) -> None:
    """Raise Unobserved if a task that was stored in a state is not read in it: waits do not matter then."""
    if client.member(task_id, "status").value != state:
        raise Unobserved(f"a task in the state {state} is not read in it (STATE-1)")


@check("WAIT-2", "WAIT-4", cases=[{"state": state} for state in UNREADY])
def unready_state_does_not_end_the_wait(ctx: Context, state: str) -> None:
    """A wait for a task in an unready state times out."""
    client, task_id = ctx.client("waiter"), ctx.new_id()
    client.store(task_id, result_in(state), state)
    _require_read_as(client, task_id, state)
    outcome = client.attempt("wait_for", task_id=task_id, timeout=0.02, interval=0.005)
    ctx.require("WAIT-2", outcome.kind != "ok", got=ctx.describe(outcome), allowed=f"{state} does not end a wait")
    ctx.require("WAIT-4", outcome.error == "TimeoutError", got=ctx.describe(outcome), allowed="TimeoutError")


@check("WAIT-2", cases=[{"states": UNREADY}])
def unready_states_come_during_the_wait(ctx: Context, states: list[str]) -> None:
    """A wait sees one unready state after the other and goes on, until SUCCESS ends it."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    wait = begin_wait(ctx, waiter, task_id, AMPLE_TIMEOUT)
    in_progress(ctx, task_id, wait)
    for number, state in enumerate(states):
        writer.store(task_id, result_in(state, number), state)
        time.sleep(0.01)
        if wait.ended:
            _require_read_as(writer, task_id, state)
            got = f"it ended after {state}: {ctx.describe(final_outcome(wait.operation()))}"
            ctx.require("WAIT-2", False, got=got, allowed="the wait goes on")
    writer.store(task_id, "done")
    require_result(ctx, "WAIT-2", wait.operation(), "done", writer.meta(task_id)["result"])


# -- the timeout ---------------------------------------------------------------------------------


def _run_out(ctx: Context, client: Client, task_id: str, timeout: float, **options: Value) -> float:
    """Wait for a task that is not ready; require TimeoutError, and not too early. Return the seconds it took."""
    operation = client.perform("wait_for", task_id=task_id, timeout=timeout, **options)
    outcome = final_outcome(operation)
    ctx.require("WAIT-2", outcome.kind != "ok", got=ctx.describe(outcome), allowed="TimeoutError")
    ctx.require("WAIT-4", timed_out(operation), got=ctx.describe(outcome), allowed="TimeoutError")
    took = seconds(operation)
    soonest = timeout - ctx.capabilities.time_resolution
    ctx.require("WAIT-3", took >= soonest, got=f"TimeoutError after {took:.4f} s", allowed=f"at least {timeout} s")
    return took


@check(
    "WAIT-4", "WAIT-3", "WAIT-2",
    cases=[
        {"timeout": 0.1, "options": {}, "there": None},
        {"timeout": 0.1, "options": {"interval": 0.02}, "there": "STARTED"},
        {"timeout": 0.05, "options": {"interval": 0}, "there": None},
        {"timeout": 0.1, "options": {"interval": 0.03}, "there": "RETRY"},
        {"timeout": 0.1, "options": {"interval": 0.9}, "there": None},
        {"timeout": 0.05, "options": {"interval": 3600}, "there": "PROGRESS"},
        {"timeout": 0.001, "options": {"interval": 0}, "there": None},
    ],
    blame_hang="WAIT-4",
)  # fmt: skip
def wait_runs_out_of_time(ctx: Context, timeout: float, options: dict[str, Value], there: str | None) -> None:
    """A wait for a task that does not become ready ends at its timeout, whatever the interval is."""
    client, task_id = ctx.client("waiter"), ctx.new_id()
    if there is not None:
        client.store(task_id, result_in(there), there)
    require_within(ctx, "WAIT-4", timeout, lambda: _run_out(ctx, client, task_id, timeout, **options))


@check("WAIT-15", cases=[{"timeout": 0.1, "ready": ready} for ready in (True, False)], blame_hang="WAIT-15")
def interval_none_is_the_default(ctx: Context, timeout: float, ready: bool) -> None:
    """A wait with the interval None ends as one without it does."""
    client, task_id = ctx.client("waiter"), ctx.new_id()
    if ready:
        ctx.client("writer").store(task_id, "done")
    outcome = client.attempt("wait_for", task_id=task_id, timeout=timeout, interval=None)
    holds = outcome.value == {"returned": "done"} if ready else outcome.error == "TimeoutError"
    ctx.require("WAIT-15", holds, got=ctx.describe(outcome), allowed="the value" if ready else "TimeoutError")


@check("WAIT-3", "WAIT-4", "WAIT-2", cases=[{"timeout": 0.2, "pause": 0.015}], blame_hang="WAIT-4")
def progress_changes_no_deadline(ctx: Context, timeout: float, pause: float) -> None:
    """A task that reports progress all the time ends a wait neither earlier nor later."""
    writer, waiter = ctx.client("writer"), ctx.client("waiter")

    def attempt() -> float:
        task_id = ctx.new_id()
        wait = ctx.background(lambda: _run_out(ctx, waiter, task_id, timeout))
        # long enough that a wait that restarts at every message stands out on a loaded machine
        until = time.monotonic() + timeout + 2 * ctx.grace + 1.0
        for step in itertools.count():
            if wait.done() or time.monotonic() >= until:
                break
            # each another one: what is stored twice may pass for no change
            writer.store(task_id, step, "PROGRESS")
            time.sleep(pause)
        return wait.result(60.0)

    require_within(ctx, "WAIT-4", timeout, attempt)


def _look(ctx: Context, timeout: Value) -> None:
    writer, waiter = ctx.client("writer"), ctx.client("waiter")
    for state in ("SUCCESS", "FAILURE"):
        ready = ctx.new_id()
        # an earlier look may not stand for this one
        waiter.perform("wait_for", task_id=ready, timeout=timeout)
        writer.store(ready, result_in(state), state)
        ended = waiter.perform("wait_for", task_id=ready, timeout=timeout)
        require_result(ctx, "WAIT-5", ended, result_in(state), writer.meta(ready)["result"])
    unready = ctx.new_id()
    writer.store(unready, "running", "STARTED")

    def attempt() -> float:
        operation = waiter.perform("wait_for", task_id=unready, timeout=timeout)
        ctx.require("WAIT-5", timed_out(operation), got=ctx.describe(final_outcome(operation)), allowed="TimeoutError")
        return seconds(operation)

    require_within(ctx, "WAIT-5", 0.0, attempt)


@check("WAIT-5", cases=[{"timeout": timeout} for timeout in plain(IMMEDIATE_TIMEOUTS)], blame_hang="WAIT-5")
def timeout_of_zero_is_a_look(ctx: Context, timeout: Value) -> None:
    """A wait with a timeout of 0 or less reads once: it ends with the outcome of a ready task, or at once."""
    _look(ctx, timeout)


@check(
    "WAIT-5",
    cases=[{"timeout": timeout} for timeout in tagged(IMMEDIATE_TIMEOUTS)],
    needs=["tagged"],
    blame_hang="WAIT-5",
)
def very_negative_timeout_is_a_look(ctx: Context, timeout: Value) -> None:
    """A wait with a timeout of minus infinity, or of less than any float's precision, reads once."""
    _look(ctx, timeout)


@check("WAIT-19", cases=[{"timeout": timeout} for timeout in (1e-9, 1e-6, 1e-4)], blame_hang="WAIT-19")
def late_answer_is_an_answer(ctx: Context, timeout: float) -> None:
    """A wait whose deadline has passed before the store can have answered ends with what the answer says."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    writer.store(task_id, "done")
    ended = waiter.perform("wait_for", task_id=task_id, timeout=timeout)
    require_result(ctx, "WAIT-19", ended, "done", writer.meta(task_id)["result"])


def _be_patient(ctx: Context, requirement: str, timeout: Value) -> None:
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    # a wait that nothing could end is not begun
    writer.store(ctx.new_id(), "at first")
    wait = begin_wait(ctx, waiter, task_id, timeout)
    in_progress(ctx, task_id, wait)
    time.sleep(0.02)
    if wait.ended:
        got = ctx.describe(final_outcome(wait.operation()))
        ctx.require(requirement, False, got=got, allowed="the wait goes on until the task is ready")
    writer.store(task_id, "at last")
    require_result(ctx, requirement, wait.operation(), "at last", writer.meta(task_id)["result"])


@check("WAIT-6", cases=[{"timeout": timeout} for timeout in LONG_TIMEOUTS])
def long_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A wait without a timeout, or with one of years, ends when the task becomes ready."""
    _be_patient(ctx, "WAIT-6", timeout)


@check("WAIT-16", cases=[{"timeout": timeout} for timeout in plain(ENDLESS_TIMEOUTS)])
def very_long_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A wait with a timeout of centuries ends when the task becomes ready."""
    _be_patient(ctx, "WAIT-16", timeout)


@check("WAIT-16", cases=[{"timeout": timeout} for timeout in tagged(ENDLESS_TIMEOUTS)], needs=["tagged"])
def endless_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A wait with an infinite timeout, or one beyond every clock, ends when the task becomes ready."""
    _be_patient(ctx, "WAIT-16", timeout)


WRONG_TIMEOUTS: list[Value] = ["1", "", [1], {"seconds": 1}]
NEGATIVE_INTERVALS: list[Value] = [-1, -0.001, -1e300]
WRONG: list[dict[str, Value]] = [
    *({"timeout": timeout} for timeout in WRONG_TIMEOUTS),
    *({"timeout": 0.02, "interval": interval} for interval in NEGATIVE_INTERVALS),
]
WRONG_BEYOND_JSON: list[dict[str, Value]] = [
    {"timeout": float("nan")},
    {"timeout": b"1"},
    {"timeout": 0.02, "interval": float("-inf")},
]


def _ends(ctx: Context, options: dict[str, Value]) -> None:
    """Require that a wait with wrong arguments ends, whether the task is ready or not."""
    client, ready, unknown = ctx.client("waiter"), ctx.new_id(), ctx.new_id()
    client.store(ready, "done")
    for task_id in (unknown, ready):
        outcome = client.attempt("wait_for", task_id=task_id, **options)
        holds = outcome.raised or (task_id == ready and outcome.value == {"returned": "done"})
        allowed = "the outcome, or an error" if task_id == ready else "an error: the task is not ready"
        ctx.require("WAIT-7", holds, got=ctx.describe(outcome), allowed=allowed)


def _refused(ctx: Context, options: dict[str, Value]) -> None:
    """Require that a wait with wrong arguments is refused, even for a task that is ready."""
    client, ready = ctx.client("waiter"), ctx.new_id()
    client.store(ready, "done")
    outcome = client.attempt("wait_for", task_id=ready, **options)
    ctx.require_refused("WAIT-17", outcome, "ValueError", "TypeError")


@check("WAIT-7", cases=[{"options": options} for options in WRONG], blame_hang="WAIT-7")
def wait_with_a_wrong_argument_ends(ctx: Context, options: dict[str, Value]) -> None:
    """A wait with a timeout that is not a number, or with a negative interval, ends."""
    _ends(ctx, options)


@check("WAIT-7", cases=[{"options": options} for options in WRONG_BEYOND_JSON], needs=["tagged"], blame_hang="WAIT-7")
def wait_with_an_argument_beyond_json_ends(ctx: Context, options: dict[str, Value]) -> None:
    """A wait with a timeout that is NaN or bytes, or with an interval of minus infinity, ends."""
    _ends(ctx, options)


@check("WAIT-17", cases=[{"options": options} for options in WRONG], blame_hang="WAIT-7")
def wrong_argument_is_refused(ctx: Context, options: dict[str, Value]) -> None:
    """A timeout that is not a number and a negative interval are refused, even if the task is ready."""
    _refused(ctx, options)


@check("WAIT-17", cases=[{"options": options} for options in WRONG_BEYOND_JSON], needs=["tagged"], blame_hang="WAIT-7")
def argument_beyond_json_is_refused(ctx: Context, options: dict[str, Value]) -> None:
    """A timeout that is NaN or bytes, and an interval of minus infinity, are refused, also where the task is ready."""
    _refused(ctx, options)
