"""Waits that run beside a check: how they are begun, seen to be in progress, and judged by their recorded times."""

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
"""How often a bound from above may be missed before it counts: a defect is there every time, a busy machine is not."""

LATENESS_FACTOR = 4.0
"""How many times the lateness of a control sleeper is added to a bound from above."""

AMPLE_TIMEOUT = 10.0
"""The timeout in seconds of a wait or a join that is not expected to run out of it, however busy the machine is."""

SETTLE_SECONDS = 0.02
"""Seconds after which a wait counts as in progress where the store cannot tell."""

TASK_KEY_PREFIX = "celery-task-meta-"


def task_key(ctx: Context, task_id: str) -> str:
    """Return the key of a task of clients without a prefix of their own, and the name of its channel (KEY-1)."""
    return f"{ctx.capabilities.prefix}{TASK_KEY_PREFIX}{task_id}"


def notifies(ctx: Context) -> bool:
    """Whether the subject publishes on channels that the suite can look at."""
    return "notify" in ctx.capabilities.provided and isinstance(ctx.session.subject.probe, WireProbe)


@dataclass(frozen=True)
class BackgroundWait:
    """A wait that was begun in a thread of its own."""

    began: Event
    future: "Future[Operation]"

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.future.done()

    def operation(self, timeout: float = 60.0) -> Operation:
        """Return the record of the wait once it is over. Raises TimeoutError of Python after some seconds."""
        return self.future.result(timeout)


def begin(ctx: Context, client: Client, op: str, **args: Value) -> BackgroundWait:
    """Begin an operation that waits in a thread of its own. One connection serves one call at a time."""
    began = Event()

    def run() -> Operation:
        began.set()
        return client.perform(op, **args)

    return BackgroundWait(began, ctx.background(run))


def begin_wait(ctx: Context, client: Client, task_id: str, timeout: Value, **options: Value) -> BackgroundWait:
    """Begin a wait for one task."""
    return begin(ctx, client, "wait_for", task_id=task_id, timeout=timeout, **options)


def in_progress(ctx: Context, task_id: str, *waits: BackgroundWait, subscriptions: int | None = None) -> None:
    """Return when the waits have got as far as to wait for a change, as well as this can be seen.

    Where channels can be seen that is when there are as many `subscriptions` as waits, or as given.
    """
    for wait in waits:
        wait.began.wait(5.0)
    expected = len(waits) if subscriptions is None else subscriptions
    if not notifies(ctx) or not ctx.eventually(lambda: subscribed(ctx, task_id) >= expected, 0.3):
        time.sleep(SETTLE_SECONDS + 3 * ctx.session.rtt)


def subscribed(ctx: Context, task_id: str) -> int:
    """Return how many subscriptions to the channel of a task there are."""
    return ctx.wire.subscribers(task_key(ctx, task_id))


def seconds(operation: Operation) -> float:
    """Return how long an operation took."""
    return (operation.end or operation.start) - operation.start


def final_outcome(operation: Operation) -> Outcome:
    """Return the outcome of an operation that is over. Raises RuntimeError for one that is not."""
    if operation.outcome is None:
        raise RuntimeError(f"{operation.op} by client {operation.client} is still running")
    return operation.outcome


def timed_out(operation: Operation) -> bool:
    """Whether a wait ended in TimeoutError."""
    return final_outcome(operation).error == "TimeoutError"


def limit(ctx: Context, bound: float, watch: Stopwatch) -> float:
    """Return how long something may take that is bounded from above: with the grace, and what this machine was late."""
    return bound + ctx.grace + LATENESS_FACTOR * watch.lateness


def expected_outcome(state: str, result: Value) -> dict[str, Value]:
    """Return the outcome of a wait for a task in a ready state with this result."""
    return {"raised" if state in STATES.sets["PROPAGATE"] else "returned": result}


def expected_outcome_of(meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return the outcome of a wait for a task of which a reader gets this meta."""
    return expected_outcome(meta["status"], meta["result"])


def require_outcome(ctx: Context, requirement: str, operation: Operation, *accepted: Mapping[str, Value]) -> None:
    """Require that a wait ended with one of the outcomes: what was stored, or what a reader gets of it."""
    outcome = final_outcome(operation)
    holds = outcome.kind == "ok" and any(same(outcome.value, one) for one in accepted)
    ctx.require(requirement, holds, got=ctx.describe(outcome), allowed=f"the wait ends with {show(accepted[0])}")


def require_result(ctx: Context, requirement: str, operation: Operation, *accepted: Value) -> None:
    """Require that a wait ended with one of these results; whether returned or raised is for WAIT-1 to say."""
    outcome = final_outcome(operation)
    ends = [{way: result} for way in ("returned", "raised") for result in accepted]
    holds = outcome.kind == "ok" and any(same(outcome.value, end) for end in ends)
    allowed = f"the wait ends with {show(accepted[0])}"
    ctx.require(requirement, holds, got=ctx.describe(outcome), allowed=allowed)


def require_within(ctx: Context, requirement: str, bound: float, attempt: Callable[[], float]) -> None:
    """Require that one of several attempts takes no longer than a bound.

    `attempt` returns the seconds that it took, and requires on its own whatever else has to hold.
    """
    took: list[float] = []
    allowed: list[float] = []
    while len(took) < TIMING_ATTEMPTS:
        with ctx.stopwatch() as watch:
            took.append(attempt())
        allowed.append(limit(ctx, bound, watch))
        if took[-1] <= allowed[-1]:
            break
    ctx.require(
        requirement,
        took[-1] <= allowed[-1],
        got=f"it took {min(took):.3f} s in the best of {len(took)} attempts",
        allowed=f"{bound:g} s, and {max(allowed) - bound:.3f} s of tolerance",
    )


MISSED_WAKE_UP_SECONDS = 0.5
"""Seconds of lateness beyond the wake-up bound at which a single waiter was certainly not woken."""


def require_woken(ctx: Context, requirement: str, lags: Sequence[float], watch: Stopwatch) -> None:
    """Require that no waiter was late: not one of them beyond doubt, and not two of them at all."""
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
    """Return a timeout in seconds that leaves a waiter room to be late by all tolerances, and then some."""
    return ctx.capabilities.wake_up + ctx.grace + 2 * MISSED_WAKE_UP_SECONDS


@contextmanager
def eager_switching() -> Iterator[None]:
    """Let Python switch threads often: a store in memory does all its work between two switches of the usual kind."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def failure(number: int) -> ExceptionData:
    """Return an exception of a class that every reader has, told from others by a number."""
    return ExceptionData("ValueError", "builtins", (f"failed in run {number}", number))


def result_in(state: str, number: int = 1) -> Value:
    """Return a result for a state, an exception where it has to be one, told from others by a number."""
    return failure(number) if state in STATES.sets["EXCEPTION"] else {"run": number}


IMMEDIATE_TIMEOUTS: list[Value] = [0, 0.0, -1, -0.001, -1e300, float("-inf"), -(10**30)]
"""Timeouts of a wait or a join that only looks."""

UNLIMITED_TIMEOUTS: list[Value] = [None, 10_000_000_000, 1e300, float("inf"), 10**30, 10**400]
"""Timeouts that no wait or join runs out of."""


def plain(values: list[Value]) -> list[Value]:
    """Return the values that are JSON as they are, which every driver takes."""
    return [value for value in values if not isinstance(encode(value), dict)]


def tagged(values: list[Value]) -> list[Value]:
    """Return the other values."""
    return [value for value in values if isinstance(encode(value), dict)]


POLLED_LAG_SECONDS = 0.05
"""Seconds after which a waiter in a race was not woken by the store, but by a look of its own."""


def require_woken_in_a_race(
    ctx: Context,
    requirement: str,
    offsets: Sequence[float],
    race: Callable[[float], tuple[Operation, Operation, float]],
) -> None:
    """Require that a store is seen promptly although it comes while a wait is being begun.

    `offsets` are in units of the round trip, or of half a millisecond where that is more. `race` lets a store come
    so many seconds after the beginning, and returns the wait, the store, and by how many seconds the wait was late.
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
    """Whether a store came while a wait was running."""
    return (wait.end or wait.start) > store.start and (store.end or store.start) > wait.start
