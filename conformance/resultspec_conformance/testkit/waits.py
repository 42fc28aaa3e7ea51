"""Waits in the background of a check: starting them, seeing them in progress, and judging their recorded times."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.subject.probe_protocols import WireProbe
from resultspec_conformance.testkit.context import Context, Stopwatch
from resultspec_conformance.wire.values import ExceptionData, Value, encode, same, show

TIMING_ATTEMPTS = 4
"""The number of attempts to keep an upper bound: a defect misses it every time, a busy machine does not."""

MOST_TIMING_ATTEMPTS = 8
"""The number of attempts to keep an upper bound with those that decide nothing, because the machine was late."""

LATENESS_FACTOR = 4.0
"""The lateness of a control sleeper is added to an upper bound so many times."""

AMPLE_TIMEOUT = 10.0
"""A timeout in seconds that a wait or a join should not reach, however busy the machine is."""

SHORT_PATIENCE = 0.1
"""Seconds during which subscriptions are looked for where the wait itself does not last much longer."""

SETTLE_SECONDS = 0.02
"""Seconds after which a wait counts as in progress if the store does not show subscriptions."""


def notifies(ctx: Context) -> bool:
    """Whether the subject publishes on channels that the suite can observe."""
    return "notify" in ctx.capabilities.provided and isinstance(ctx.session.subject.probe, WireProbe)


@dataclass(frozen=True)
class BackgroundWait:
    """A wait that runs in its own thread."""

    began: Event
    future: "Future[Operation]"

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.future.done()

    def operation(self, timeout: float = 60.0) -> Operation:
        """Return the record of the wait once it has ended. Raises Python's TimeoutError after `timeout` seconds."""
        return self.future.result(timeout)


def begin(ctx: Context, client: Client, op: str, **args: Value) -> BackgroundWait:
    """Start an operation that waits, in its own thread. One connection serves one call at a time."""
    began = Event()

    def run() -> Operation:
        began.set()
        return client.perform(op, **args)

    return BackgroundWait(began, ctx.background(run))


def begin_wait(ctx: Context, client: Client, task_id: str, timeout: Value, **options: Value) -> BackgroundWait:
    """Start a wait for one task."""
    return begin(ctx, client, "wait_for", task_id=task_id, timeout=timeout, **options)


def in_progress(
    ctx: Context, task_id: str, *waits: BackgroundWait, subscriptions: int | None = None, patience: float = 0.3
) -> None:
    """Return when the waits are waiting for a change, as far as the suite can see that.

    If channels can be observed, that is when as many subscriptions exist as waits, or as `subscriptions` says. They
    are looked for during `patience` seconds: a wait that polls has none.
    """
    for wait in waits:
        wait.began.wait(5.0)
    expected = len(waits) if subscriptions is None else subscriptions
    if not notifies(ctx) or not ctx.eventually(lambda: subscribed(ctx, task_id) >= expected, patience):
        time.sleep(SETTLE_SECONDS + 3 * ctx.session.rtt)


def subscribed(ctx: Context, task_id: str) -> int:
    """Return the number of subscriptions to the channel of a task."""
    return ctx.wire.subscribers(ctx.task_key(task_id))


def seconds(operation: Operation) -> float:
    """Return the duration of an operation."""
    return (operation.end or operation.start) - operation.start


EARLY = 0.9
"""A wait that ends in TimeoutError after less than this share of its timeout has given up before its deadline."""


def final_outcome(operation: Operation) -> Outcome:
    """Return the outcome of an operation that has ended. Raises RuntimeError if it has not."""
    if operation.outcome is None:
        raise RuntimeError(f"{operation.op} by client {operation.client} is still running")
    return operation.outcome


def timed_out(operation: Operation) -> bool:
    """Whether a wait ended in TimeoutError."""
    return final_outcome(operation).error == "TimeoutError"


def limit(ctx: Context, bound: float, watch: Stopwatch) -> float:
    """Return an upper bound with its tolerance: the grace, and the measured lateness of this machine."""
    return bound + ctx.grace + LATENESS_FACTOR * watch.lateness


def expected_outcome(state: str, result: Value) -> dict[str, Value]:
    """Return the outcome of a wait for a task in a ready state with this result."""
    return {"raised" if state in STATES.sets["PROPAGATE"] else "returned": result}


def expected_outcome_of(meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return the outcome of a wait for a task with this meta."""
    return expected_outcome(meta["status"], meta["result"])


def require_outcome(ctx: Context, requirement: str, operation: Operation, *accepted: Mapping[str, Value]) -> None:
    """Require that a wait ended with one of the outcomes: the stored one, or the one that a reader gets."""
    outcome = final_outcome(operation)
    holds = outcome.kind == "ok" and any(same(outcome.value, one) for one in accepted)
    ctx.require(requirement, holds, got=ctx.describe(outcome), allowed=f"the wait ends with {show(accepted[0])}")


def require_result(ctx: Context, requirement: str, operation: Operation, *accepted: Value) -> None:
    """Require that a wait ended with one of these results, returned or raised, which WAIT-1 decides."""
    outcome = final_outcome(operation)
    ends = [{way: result} for way in ("returned", "raised") for result in accepted]
    holds = outcome.kind == "ok" and any(same(outcome.value, end) for end in ends)
    allowed = f"the wait ends with {show(accepted[0])}"
    ctx.require(requirement, holds, got=ctx.describe(outcome), allowed=allowed)


def require_within(
    ctx: Context, requirement: str, bound: float, attempt: Callable[[], float], what: str = "it took"
) -> None:
    """Require that one of several attempts takes no longer than a bound.

    An attempt that ends in time acquits. One that is late only as the machine was decides nothing, and another is made.
    `attempt` returns its duration in seconds, and requires everything else itself; `what` says which time that is.
    """
    took: list[float] = []
    late: list[float] = []
    in_time = allowed = bound + ctx.grace
    while len(took) < MOST_TIMING_ATTEMPTS and len(late) < TIMING_ATTEMPTS:
        with ctx.stopwatch() as watch:
            took.append(attempt())
        if took[-1] <= in_time:
            break
        excused = limit(ctx, bound, watch)
        if took[-1] > excused:
            late.append(took[-1])
            allowed = max(allowed, excused)
    ctx.require(
        requirement,
        len(late) < TIMING_ATTEMPTS,
        got=f"{what} {min(took):.3f} s in the best of {len(took)} attempts",
        allowed=f"{bound:g} s, and {allowed - bound:.3f} s of tolerance",
    )


MISSED_WAKE_UP_SECONDS = 0.5
"""Seconds beyond the wake-up bound after which a single late waiter was certainly not woken."""


def require_woken(ctx: Context, requirement: str, lags: Sequence[float], watch: Stopwatch) -> None:
    """Require that no waiter was certainly late, and that at most one was late at all."""
    bound = limit(ctx, ctx.capabilities.wake_up, watch)
    late = [lag for lag in lags if lag > bound]
    holds = len(late) < 2 and all(lag < bound + MISSED_WAKE_UP_SECONDS for lag in late)
    ctx.require(
        requirement,
        holds,
        got=f"{len(late)} of {len(lags)} waits ended late, by {max(late, default=0.0):.3f} s after the store",
        allowed=f"within {ctx.capabilities.wake_up} s, and {bound - ctx.capabilities.wake_up:.3f} s of tolerance",
    )


def generous_timeout(ctx: Context) -> float:
    """Return a timeout in seconds that is longer than a wake-up with all tolerances."""
    return ctx.capabilities.wake_up + ctx.grace + 2 * MISSED_WAKE_UP_SECONDS


@contextmanager
def eager_switching() -> Iterator[None]:
    """Let Python switch threads often: a store in memory finishes its work between two ordinary switches."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def failure(number: int) -> ExceptionData:
    """Return an exception of a class that every reader has, identified by a number."""
    return ExceptionData("ValueError", "builtins", (f"failed in run {number}", number))


def result_in(state: str, number: int = 1) -> Value:
    """Return a result for a state, which is an exception if the state needs one, identified by a number."""
    return failure(number) if state in STATES.sets["EXCEPTION"] else {"run": number}


IMMEDIATE_TIMEOUTS: list[Value] = [0, 0.0, -1, -0.001, -1e300, float("-inf"), -(10**30)]
"""Timeouts with which a wait or a join reads once and does not wait."""

YEAR = 365 * 24 * 3600
LONG_TIMEOUTS: list[Value] = [None, YEAR, 100 * YEAR]
"""Timeouts that no wait or join reaches."""

ENDLESS_TIMEOUTS: list[Value] = [10_000_000_000, 1e300, float("inf"), 10**30, 10**400]
"""Timeouts beyond what an operating system waits at a time."""


def plain(values: list[Value]) -> list[Value]:
    """Return the values that are plain JSON, which every driver accepts."""
    return [value for value in values if not isinstance(encode(value), dict)]


def tagged(values: list[Value]) -> list[Value]:
    """Return the other values."""
    return [value for value in values if isinstance(encode(value), dict)]


POLLED_LAG_SECONDS = 0.05
"""Seconds of lag after which a waiter in a race was not woken by the store, but found the result by polling."""


def require_woken_in_a_race(
    ctx: Context,
    requirement: str,
    offsets: Sequence[float],
    race: Callable[[float], tuple[Operation, Operation, float]],
) -> None:
    """Require that a store is seen promptly even if it happens while a wait is starting.

    `offsets` are in units of the round trip, or of half a millisecond if that is longer. `race` stores the given number
    of seconds after the start, and returns the wait, the store, and the lag of the wait in seconds.
    """
    unit = max(ctx.session.rtt, 0.0005)
    lags: list[float] = []
    raced = 0
    with ctx.stopwatch() as watch, eager_switching():
        for offset in offsets:
            wait, store, lag = race(offset * unit)
            lags.append(lag)
            raced += overlap(wait, store)
            if lag > POLLED_LAG_SECONDS:
                break
    if not raced:
        raise Unobserved("no store arrived while a wait was starting")
    require_woken(ctx, requirement, lags, watch)


def overlap(wait: Operation, store: Operation) -> bool:
    """Whether a store happened while a wait was running."""
    return (wait.end or wait.start) > store.start and (store.end or store.start) > wait.start
