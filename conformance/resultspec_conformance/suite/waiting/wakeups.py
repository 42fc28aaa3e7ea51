"""Checks of chapter 9: what wakes a waiter, and what must not disturb it."""

import math
import time
from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    EARLY,
    SHORT_PATIENCE,
    BackgroundWait,
    begin_wait,
    failure,
    final_outcome,
    generous_timeout,
    in_progress,
    require_result,
    require_within,
    require_woken,
    require_woken_in_a_race,
    seconds,
    subscribed,
    timed_out,
)
from resultspec_conformance.wire.values import Value

INTERVAL = 0.05
"""The interval in seconds where a waiter that polls should not be late for having been given none."""

OUTCOMES: list[dict[str, Value]] = [
    {"state": "SUCCESS", "result": {"run": 1}},
    {"state": "FAILURE", "result": failure(1)},
]


# -- without a notification ----------------------------------------------------------------------


def _write_behind(ctx: Context, task_id: str, payload: bytes) -> float:
    """Write stored bytes by the probe, and return when that was done, in seconds of the history."""
    ctx.plant(task_id, payload)
    return time.monotonic() - ctx.history.origin


@check(
    "WAIT-8",
    cases=[{**outcome, "at": at} for outcome, at in zip(OUTCOMES, (0.7, 0.1), strict=True)],
    blame_hang="WAIT-8",
)
def stored_without_a_notification(ctx: Context, state: str, result: Value, at: float, timeout: float = 0.3) -> None:
    """A waiter ends with an outcome that was stored without a notification, by its deadline at the latest."""
    writer, waiter = ctx.client("writer"), ctx.client("waiter")

    def attempt() -> float:
        task_id = ctx.new_id()
        writer.store(task_id, result, state)
        read, payload = writer.meta(task_id)["result"], ctx.probe.read(task_id)
        ctx.remove(writer, task_id)
        if payload is None:
            raise Unobserved("the probe does not find what was stored")
        began = time.monotonic()
        wait = begin_wait(ctx, waiter, task_id, timeout, interval=INTERVAL)
        in_progress(ctx, task_id, wait, patience=SHORT_PATIENCE)
        # where no subscription shows that the wait is in progress, a part of its time is over by now
        time.sleep(max(0.0, began + at * timeout - time.monotonic()))
        written = _write_behind(ctx, task_id, payload)
        operation = wait.operation()
        if written > operation.start + timeout:
            raise Unobserved("this machine was too slow to write before the deadline")
        if timed_out(operation) and seconds(operation) < EARLY * timeout:
            raise Unobserved("the wait gave up before its deadline (WAIT-3)")
        require_result(ctx, "WAIT-8", operation, result, read)
        return seconds(operation)

    try:
        require_within(ctx, "WAIT-8", timeout, attempt)
    except Violation:
        # one that is late where nothing is stored is late here, too: that is for WAIT-4 to say
        with ctx.off_the_record():
            late = _seconds_of_a_wait(ctx, timeout)
        if late <= timeout + ctx.grace:
            raise
        require_within(ctx, "WAIT-8", late, attempt)


# -- the wake-up bound ---------------------------------------------------------------------------


def _lag(wait: Operation, store: Operation) -> float:
    """Return the seconds from the acknowledgement of a store to the end of a wait; infinite if it never saw it."""
    if final_outcome(wait).kind != "ok" or wait.end is None or store.end is None:
        return math.inf
    return wait.end - max(store.end, wait.start)


def _store_now(writer: Client, task_id: str, state: str = "SUCCESS", result: Value = "done") -> Operation:
    return writer.perform("store_result", task_id=task_id, result=result, state=state)


@check("WAIT-9", cases=[{"waiters": 4}])
def store_wakes_the_waiter(ctx: Context, waiters: int) -> None:
    """A waiter ends soon after the store of its result was acknowledged."""
    writer, ids = ctx.client("writer"), [ctx.new_id() for _ in range(waiters)]
    # opened beforehand: a client can be a process, which takes its time to start
    clients = [ctx.client(f"waiter-{number}") for number in range(waiters)]
    for client, task_id in zip(clients, ids, strict=True):
        # one that is still starting would look for the first time when the result is there, and need no waking
        client.meta(task_id)
    with ctx.stopwatch() as watch:
        waits = [
            begin_wait(ctx, client, task_id, generous_timeout(ctx) + waiters * 0.3)
            for client, task_id in zip(clients, ids, strict=True)
        ]
        for task_id, wait in zip(ids, waits, strict=True):
            in_progress(ctx, task_id, wait)
        stores = [_store_now(writer, task_id) for task_id in ids]
        lags = [_lag(wait.operation(), store) for wait, store in zip(waits, stores, strict=True)]
    require_woken(ctx, "WAIT-9", lags, watch)


def _race(ctx: Context, offset: float) -> tuple[Operation, Operation, float]:
    """Begin a wait and store the result so many seconds later; return the wait, the store, and the lag."""
    writer, waiter, task_id = ctx.client("writer"), ctx.client("waiter"), ctx.new_id()
    running = begin_wait(ctx, waiter, task_id, generous_timeout(ctx))
    running.began.wait(5.0)
    time.sleep(offset)
    store = _store_now(writer, task_id)
    wait = running.operation()
    return wait, store, _lag(wait, store)


_offsets = st.one_of(st.floats(0.0, 1.0), st.floats(0.0, 8.0))


@check("WAIT-9", given={"offsets": st.lists(_offsets, min_size=30, max_size=30)}, effort=0.05)
def store_races_the_start_of_the_wait(ctx: Context, offsets: list[float]) -> None:
    """A result that is stored just as the wait begins wakes the waiter like any other."""
    require_woken_in_a_race(ctx, "WAIT-9", offsets, partial(_race, ctx))


# -- several waiters -----------------------------------------------------------------------------


@check("WAIT-10", "WAIT-9", cases=OUTCOMES)
def every_waiter_ends(ctx: Context, state: str, result: Value) -> None:
    """Waiters in several clients all end with the one outcome, and none is late because another was woken."""
    writer, waiters = ctx.client("writer"), [ctx.client(f"waiter-{number}") for number in range(4)]

    def attempt() -> list[float]:
        task_id = ctx.new_id()
        waits = [begin_wait(ctx, waiter, task_id, generous_timeout(ctx)) for waiter in waiters]
        in_progress(ctx, task_id, *waits)
        store = _store_now(writer, task_id, state, result)
        ended = [wait.operation() for wait in waits]
        read = writer.meta(task_id)["result"]
        for operation in ended:
            require_result(ctx, "WAIT-10", operation, result, read)
        return [_lag(operation, store) for operation in ended]

    def spread() -> float:
        lags = attempt()
        return max(lags) - min(lags)

    bound = ctx.capabilities.wake_up
    require_within(ctx, "WAIT-10", bound, spread, "from the end of the first waiter to that of the last it took")
    require_within(
        ctx, "WAIT-9", bound, lambda: min(attempt()), "from the store to the end of the first waiter it took"
    )


@check("WAIT-11", needs=["overlap"], cases=[{"stayers": 1}, {"stayers": 3}])
def neighbour_of_a_wait_that_gave_up_goes_on(ctx: Context, stayers: int) -> None:
    """After one wait of a client ran out of time, others of the same client on the same id still end in time.

    In time is as soon as a waiter of another client that had no such neighbour, and the wake-up bound.
    """
    writer, client, alone = ctx.client("writer"), ctx.client("shared"), ctx.client("alone")

    def attempt() -> float:
        task_id, other_id = ctx.new_id(), ctx.new_id()
        staying = [begin_wait(ctx, client, task_id, generous_timeout(ctx)) for _ in range(stayers)]
        control = begin_wait(ctx, alone, other_id, generous_timeout(ctx))
        leaving = begin_wait(ctx, client, task_id, 0.03)
        in_progress(ctx, task_id, leaving, *staying, subscriptions=1)
        in_progress(ctx, other_id, control)
        if not timed_out(leaving.operation()):
            raise Unobserved("the wait that should have timed out did not")
        store, undisturbed = _store_now(writer, task_id), _store_now(writer, other_id)
        ended = [wait.operation() for wait in staying]
        read = writer.meta(task_id)["result"]
        for operation in ended:
            require_result(ctx, "WAIT-11", operation, "done", read)
        return max(_lag(operation, store) for operation in ended) - _lag(control.operation(), undisturbed)

    require_within(ctx, "WAIT-11", ctx.capabilities.wake_up, attempt)


# -- subscriptions and connections ---------------------------------------------------------------


def _end_by_store(ctx: Context, task_id: str, wait: BackgroundWait) -> None:
    ctx.client("writer").store(task_id, "done")
    wait.operation()


def _end_by_timeout(ctx: Context, task_id: str, wait: BackgroundWait) -> None:  # noqa: ARG001 - its time is short
    wait.operation()


ENDINGS: dict[str, tuple[float, Callable[[Context, str, BackgroundWait], None]]] = {
    "outcome": (3.0, _end_by_store),
    "timeout": (0.1, _end_by_timeout),
}


@check("WAIT-12", needs=["wire"])
def wait_with_an_outcome_leaves_no_subscription(ctx: Context) -> None:
    """No subscription is left of a wait that has ended with an outcome."""
    _leave(ctx, "WAIT-12", "outcome")


@check("WAIT-18", needs=["wire"])
def wait_without_an_outcome_leaves_no_subscription(ctx: Context) -> None:
    """No subscription is left of a wait that has ended in TimeoutError, at the latest once its task is ready."""
    _leave(ctx, "WAIT-18", "timeout")


def _leave(ctx: Context, requirement: str, by: str) -> None:
    timeout, end = ENDINGS[by]
    waiter, task_id = ctx.client("waiter"), ctx.new_id()
    wait = begin_wait(ctx, waiter, task_id, timeout)
    during = ctx.eventually(lambda: wait.ended or subscribed(ctx, task_id) > 0) and subscribed(ctx, task_id)
    end(ctx, task_id, wait)
    _require_unsubscribed(ctx, requirement, waiter, task_id, bool(during))


def _require_unsubscribed(ctx: Context, requirement: str, waiter: Client, task_id: str, was_there: bool) -> None:
    if not was_there:
        raise Unobserved("no subscription was seen during the wait")
    gone = ctx.eventually(lambda: subscribed(ctx, task_id) == 0)
    if not gone and requirement == "WAIT-18":
        # kept for the next wait, perhaps: that one ends it
        ctx.client("writer").store(task_id, "done")
        waiter.perform("wait_for", task_id=task_id, timeout=1.0)
        gone = ctx.eventually(lambda: subscribed(ctx, task_id) == 0)
    left = subscribed(ctx, task_id)
    ctx.require(requirement, gone, got=f"{left} subscriptions 2 s after the wait", allowed="none")


@check("WAIT-18", needs=["wire", "in-process"])
def interrupted_wait_leaves_no_subscription(ctx: Context) -> None:
    """No subscription is left of a wait that was ended by what `on_interval` raised."""
    client, task_id = ctx.client("waiter"), ctx.new_id()
    seen: list[int] = []

    def interrupt() -> None:
        seen.append(subscribed(ctx, task_id))
        raise _Interrupt

    _wait_calling(ctx, client, interrupt, task_id=task_id, timeout=AMPLE_TIMEOUT)
    _require_unsubscribed(ctx, "WAIT-18", client, task_id, any(seen))


@check(
    "WAIT-13",
    needs=["cut"],
    cases=[{"cuts": 1, "stores": True}, {"cuts": 3, "stores": True}, {"cuts": 1, "stores": False}],
    blame_hang="WAIT-13",
)
def waiter_survives_cut_connections(ctx: Context, cuts: int, stores: bool) -> None:
    """A waiter whose connections are cut still ends with what is stored after that, or in TimeoutError in time."""
    timeout = 5.0 if stores else 0.3
    # one that is late without a cut is as late with it: that is for WAIT-4 to say
    bound = timeout if stores else max(timeout, _seconds_of_a_wait(ctx, timeout))

    def attempt() -> float:
        task_id, waiter = ctx.new_id(), ctx.fresh_client("waiter")
        wait = begin_wait(ctx, waiter, task_id, timeout, interval=INTERVAL)
        for _ in range(cuts):
            in_progress(ctx, task_id, wait)
            _cut(ctx)
        if stores:
            writer = ctx.fresh_client("writer")
            store, operation = _store_now(writer, task_id), wait.operation()
            if (store.end or store.start) > operation.start + timeout:
                raise Unobserved("this machine was too slow to store before the deadline")
            require_result(ctx, "WAIT-13", operation, "done", writer.meta(task_id)["result"])
        return _require_not_early(ctx, wait.operation(), timeout)

    require_within(ctx, "WAIT-13", bound, attempt)


def _seconds_of_a_wait(ctx: Context, timeout: float) -> float:
    """Return how long a wait for a task that is not ready takes."""
    return seconds(begin_wait(ctx, ctx.fresh_client("waiter"), ctx.new_id(), timeout, interval=INTERVAL).operation())


def _cut(ctx: Context) -> None:
    count = ctx.cut_connections()
    ctx.history.note(SUITE, "probe.cut_connections", {}, count)
    if not count:
        raise Unobserved("the probe found no connection of the subject to cut")


def _require_not_early(ctx: Context, operation: Operation, timeout: float) -> float:
    """Require that a wait without an outcome ended in TimeoutError, and that the cut is not what ended it.

    Returns the seconds it took. How exactly a timeout is kept is for WAIT-3 to say.
    """
    took, outcome = seconds(operation), final_outcome(operation)
    if outcome.kind != "ok":
        got = f"{ctx.describe(outcome)} after {took:.3f} s"
        holds = timed_out(operation) and took >= timeout / 2
        ctx.require("WAIT-13", holds, got=got, allowed=f"the outcome, or TimeoutError after {timeout} s")
    return took


# -- on_interval ---------------------------------------------------------------------------------


class _Interrupt(Exception):
    """What `on_interval` raises in a check."""


def _wait_calling(
    ctx: Context, client: Client, on_interval: Callable[[], None], **args: Value
) -> tuple[Operation, BaseException | None]:
    """Wait by the method of a Python object, and return the record with what it raised."""
    backend = ctx.backend(client)
    raised: list[BaseException] = []

    def perform() -> Outcome:
        try:
            backend.wait_for(**args, on_interval=on_interval)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is an outcome
            raised.append(error)
            return ctx.python(client).outcome_of(error)
        return Outcome("ok")

    return client.record("wait_for", args, perform), next(iter(raised), None)


@check(
    "WAIT-14",
    cases=[{"timeout": timeout, "interval": interval} for timeout in (0.1, 1e-6) for interval in (0.02, 5)],
    blame_hang="WAIT-14",
)
def on_interval_is_called(ctx: Context, timeout: float, interval: float | None) -> None:
    """Before TimeoutError `on_interval` is called at least once, however short the timeout and long the interval."""
    calls: list[float] = []
    args = {"task_id": ctx.new_id(), "timeout": timeout, "interval": interval}
    operation, _ = _wait_calling(ctx, ctx.client("waiter"), lambda: calls.append(time.monotonic()), **args)
    ctx.history.note(SUITE, "on_interval", {"calls": len(calls)})
    if not timed_out(operation):
        raise Unobserved("the wait did not end in TimeoutError")
    ctx.require("WAIT-14", bool(calls), got="TimeoutError without a call of on_interval", allowed="at least one call")


@check("WAIT-14", cases=[{"interval": interval} for interval in (0.02, 5)], blame_hang="WAIT-14")
def what_on_interval_raises_ends_the_wait(ctx: Context, interval: float | None) -> None:
    """What `on_interval` raises ends the wait at once and reaches the caller as it is."""
    error = _Interrupt("raised by on_interval")
    args = {"task_id": ctx.new_id(), "timeout": 0.1, "interval": interval}

    def interrupt() -> None:
        raise error

    operation, raised = _wait_calling(ctx, ctx.client("waiter"), interrupt, **args)
    ctx.require(
        "WAIT-14", raised is error, got=ctx.describe(final_outcome(operation)), allowed="what on_interval raised"
    )
