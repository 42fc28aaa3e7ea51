"""Checks of chapter 10: what wakes a join, what must not disturb it, and what it leaves behind."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import NO_ANSWERS, Operation
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.joins import SHORT_TIMEOUT, Joined, join, join_in_process, joined, require_yielded
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    EARLY,
    SHORT_PATIENCE,
    BackgroundWait,
    begin,
    begin_wait,
    failure,
    final_outcome,
    generous_timeout,
    in_progress,
    require_within,
    require_woken,
    require_woken_in_a_race,
    subscribed,
)
from resultspec_conformance.wire.values import Value, same, show

INTERVAL = 0.05
"""The interval in seconds where a join that polls should not be late for having been given none."""

CACHED = {"max_cached_results": 100}


def _store_now(writer: Client, task_id: str, result: Value = "done") -> Operation:
    return writer.perform("store_result", task_id=task_id, result=result, state="SUCCESS")


def _begin(ctx: Context, client: Client, ids: Sequence[str], **options: Value) -> BackgroundWait:
    return begin(ctx, client, "get_many", task_ids=list(ids), **options)


def _lag(found: Joined, task_id: str, store: Operation) -> float:
    """Return the seconds from the acknowledgement of a store to the item; infinite if it never came."""
    return max(found.came_at(task_id) - (store.end or math.inf), 0.0) if store.end is not None else math.inf


# -- the wake-up bound ---------------------------------------------------------------------------


@check("JOIN-14", cases=[{"tasks": 4}])
def store_wakes_the_join(ctx: Context, tasks: int) -> None:
    """Each task is yielded soon after its store was acknowledged, one after the other."""
    writer, ids = ctx.client("writer"), [ctx.new_id() for _ in range(tasks)]
    with ctx.stopwatch() as watch:
        running = _begin(ctx, ctx.client("joiner"), ids, timeout=generous_timeout(ctx) + tasks * 0.3)
        in_progress(ctx, ids[-1], running)
        stores = []
        for task_id in reversed(ids):
            stores.append(_store_now(writer, task_id))
            time.sleep(0.01)
        found = joined(running.operation())
    lags = [_lag(found, task_id, store) for task_id, store in zip(reversed(ids), stores, strict=True)]
    require_woken(ctx, "JOIN-14", lags, watch)


_offsets = st.one_of(st.floats(0.0, 1.0), st.floats(0.0, 8.0))


@check("JOIN-14", given={"offsets": st.lists(_offsets, min_size=30, max_size=30)}, effort=0.02)
def store_races_the_start_of_the_join(ctx: Context, offsets: list[float]) -> None:
    """A result that is stored just as the join begins is yielded as soon as any other."""
    require_woken_in_a_race(ctx, "JOIN-14", offsets, partial(_race, ctx))


def _race(ctx: Context, offset: float) -> tuple[Operation, Operation, float]:
    """Begin a join of two tasks, one of them ready, and store the other so many seconds later."""
    writer, ids = ctx.client("writer"), [ctx.new_id(), ctx.new_id()]
    writer.store(ids[0], "ready")
    running = _begin(ctx, ctx.client("joiner"), ids, timeout=generous_timeout(ctx))
    running.began.wait(5.0)
    time.sleep(offset)
    store = _store_now(writer, ids[1])
    found = joined(running.operation())
    return found.operation, store, _lag(found, ids[1], store)


# -- without a notification ----------------------------------------------------------------------


def _payload(ctx: Context, task_id: str, state: str, result: Value) -> bytes:
    """Return the bytes that a backend stores for a task, which is then forgotten."""
    writer = ctx.client("writer")
    writer.store(task_id, result, state)
    payload = ctx.probe.read(task_id)
    ctx.remove(writer, task_id)
    if payload is None:
        raise Unobserved("the probe does not find what was stored")
    return payload


def _write_behind(ctx: Context, task_id: str, payload: bytes) -> float:
    """Write stored bytes by the probe, and return when that was done, in seconds of the history."""
    ctx.plant(task_id, payload)
    return time.monotonic() - ctx.history.origin


@check(
    "JOIN-8", needs=["probe"],
    cases=[
        {"state": "SUCCESS", "result": {"run": 1}, "at": 0.8, "pending": False},
        {"state": "FAILURE", "result": failure(1), "at": 0.8, "pending": True},
        {"state": "SUCCESS", "result": {"run": 1}, "at": 0.1, "pending": False},
    ],
    blame_hang="JOIN-8",
)  # fmt: skip
def stored_without_a_notification(
    ctx: Context, state: str, result: Value, at: float, pending: bool, timeout: float = 0.25
) -> None:
    """A result that was stored without a notification is yielded by the join's deadline, before any TimeoutError."""
    task_id = ctx.new_id()
    payload = _payload(ctx, task_id, state, result)
    given = [task_id, ctx.new_id()] if pending else [task_id]
    running = _begin(ctx, ctx.client("joiner"), given, timeout=timeout)
    in_progress(ctx, task_id, running, patience=SHORT_PATIENCE)
    time.sleep(max(0.0, running_until(ctx, running, at * timeout)))
    written = _write_behind(ctx, task_id, payload)
    found = joined(running.operation())
    if written > found.operation.start + timeout:
        raise Unobserved("this machine was too slow to write before the deadline")
    if found.ended == "TimeoutError" and task_id not in found.ids and found.took < EARLY * timeout:
        raise Unobserved("the join gave up before its deadline (JOIN-6)")
    require_yielded(ctx, "JOIN-8", found, [task_id], "TimeoutError" if pending else "exhausted")


def running_until(ctx: Context, running: BackgroundWait, since: float) -> float:
    """Return the seconds until a running operation is so many seconds old."""
    if running.ended:
        return 0.0
    started = [one for one in ctx.history if one.op == "get_many"][-1].start
    return ctx.history.origin + started + since - time.monotonic()


# -- connections ---------------------------------------------------------------------------------


@check(
    "JOIN-15",
    needs=["cut"],
    cases=[{"cuts": 1, "stores": True}, {"cuts": 3, "stores": True}, {"cuts": 1, "stores": False}],
    blame_hang="JOIN-15",
)
def join_survives_cut_connections(ctx: Context, cuts: int, stores: bool) -> None:
    """A join whose connections are cut still yields what is stored after that, or ends in TimeoutError in time."""
    timeout = 5.0 if stores else 0.3

    def attempt() -> float:
        ids, client, writer = [ctx.new_id() for _ in range(3)], ctx.fresh_client("joiner"), ctx.fresh_client("writer")
        writer.store(ids[0], "done")
        running = _begin(ctx, client, ids, timeout=timeout, interval=INTERVAL)
        for _ in range(cuts):
            in_progress(ctx, ids[2], running)
            _cut(ctx)
        ready, ended = ids[:1], "TimeoutError"
        if stores:
            writer = ctx.fresh_client("writer-2")
            for task_id in ids[1:]:
                _store_now(writer, task_id)
            ready, ended = ids, "exhausted"
        found = joined(running.operation())
        require_yielded(ctx, "JOIN-15", found, ready, ended)
        early = not stores and found.took < timeout / 2
        ctx.require("JOIN-15", not early, got=found.describe(), allowed=f"TimeoutError after {timeout} s")
        return found.took

    require_within(ctx, "JOIN-15", timeout, attempt)


def _cut(ctx: Context) -> None:
    count = ctx.cut_connections()
    ctx.history.note(SUITE, "probe.cut_connections", {}, count)
    if not count:
        raise Unobserved("the probe found no connection of the subject to cut")


# -- leaving -------------------------------------------------------------------------------------


@check("JOIN-16", needs=["wire"])
def complete_join_leaves_no_subscription(ctx: Context) -> None:
    """No subscription is left of a join that yielded all."""
    _leave(ctx, "JOIN-16", "last item")


@check("JOIN-27", needs=["wire"], cases=[{"by": by} for by in ("timeout", "closing")])
def ended_join_leaves_no_subscription(ctx: Context, by: str) -> None:
    """No subscription is left of a join that ran out of time, or was closed by its caller."""
    _leave(ctx, "JOIN-27", by)


def _leave(ctx: Context, requirement: str, by: str) -> None:
    ids = [ctx.new_id() for _ in range(3)]
    options: dict[str, Value] = {"timeout": 0.1 if by == "timeout" else AMPLE_TIMEOUT}
    if by == "closing":
        options["take"] = 1
    running = _begin(ctx, ctx.client("joiner"), ids, **options)
    during = ctx.eventually(lambda: running.ended or subscribed(ctx, ids[2]) > 0) and subscribed(ctx, ids[2])
    for task_id in {"last item": ids, "timeout": [], "closing": ids[:1]}[by]:
        _store_now(ctx.client("writer"), task_id)
    running.operation()
    _require_unsubscribed(ctx, requirement, ids, bool(during))


def _require_unsubscribed(ctx: Context, requirement: str, ids: Sequence[str], was_there: bool) -> None:
    if not was_there:
        _require_seen(ctx)

    def left() -> int:
        return sum(subscribed(ctx, task_id) for task_id in ids)

    gone = ctx.eventually(lambda: left() == 0)
    if not gone and requirement == "JOIN-27":
        # kept for the next wait, perhaps: that one ends them
        for task_id in ids:
            ctx.client("writer").store(task_id, "done")
        join(ctx.client("joiner"), ids, timeout=1.0)
        gone = ctx.eventually(lambda: left() == 0)
    ctx.require(requirement, gone, got=f"{left()} subscriptions 2 s after the join", allowed="none")


def _require_seen(ctx: Context) -> None:
    """Raise Unobserved if not even a wait shows a subscription: a join without any may also be one that polls."""
    task_id = ctx.new_id("polled")
    wait = begin_wait(ctx, ctx.client("joiner"), task_id, AMPLE_TIMEOUT)
    seen = ctx.eventually(lambda: wait.ended or subscribed(ctx, task_id) > 0) and subscribed(ctx, task_id)
    _store_now(ctx.client("writer"), task_id)
    wait.operation()
    if not seen:
        raise Unobserved("no subscription was seen during the join, nor during a wait")


@check("JOIN-27", needs=["wire", "in-process"])
def interrupted_join_leaves_no_subscription(ctx: Context) -> None:
    """No subscription is left of a join that was ended by what `on_interval` raised."""
    ids = [ctx.new_id(), ctx.new_id()]
    seen: list[int] = []

    def interrupt() -> None:
        seen.append(subscribed(ctx, ids[0]))
        if seen[-1] or len(seen) > 20:
            raise _Interrupt

    join_in_process(ctx.client("joiner"), ids, list(ids), timeout=AMPLE_TIMEOUT, interval=0.01, on_interval=interrupt)
    _require_unsubscribed(ctx, "JOIN-27", ids, any(seen))


LEAVINGS: dict[str, dict[str, Value]] = {"timeout": {"timeout": 0.03}, "closing": {"timeout": 5.0, "take": 1}}


@check("JOIN-17", needs=["overlap"], cases=[{"by": by} for by in LEAVINGS])
def neighbours_of_a_join_that_left_go_on(ctx: Context, by: str) -> None:
    """After one join of a client has ended, another join and a wait of it for the same tasks still end in time.

    In time is as soon as a waiter of another client that had no such neighbour, and the wake-up bound.
    """
    writer, client, alone = ctx.client("writer"), ctx.client("shared"), ctx.client("alone")

    def attempt() -> float:
        ready, task_id, other = (ctx.new_id() for _ in range(3))
        writer.store(ready, "done")
        staying = _begin(ctx, client, [task_id], timeout=generous_timeout(ctx))
        waiting = begin_wait(ctx, client, task_id, generous_timeout(ctx))
        control = begin_wait(ctx, alone, other, generous_timeout(ctx))
        in_progress(ctx, task_id, staying, waiting)
        in_progress(ctx, other, control)
        left = join(client, [ready, task_id], **LEAVINGS[by])
        if left.ended not in ("TimeoutError", "closed"):
            raise Unobserved(f"the join that should have ended did not: {left.describe()}")
        store, undisturbed = _store_now(writer, task_id), _store_now(writer, other)
        found = joined(staying.operation())
        require_yielded(ctx, "JOIN-17", found, [task_id], "exhausted")
        waited = waiting.operation()
        ctx.require(
            "JOIN-17",
            final_outcome(waited).kind == "ok",
            got=ctx.describe(final_outcome(waited)),
            allowed="the wait ends with it",
        )
        usual = (control.operation().end or math.inf) - (undisturbed.end or 0.0)
        return max(_lag(found, task_id, store), (waited.end or math.inf) - (store.end or 0.0)) - max(usual, 0.0)

    require_within(ctx, "JOIN-17", ctx.capabilities.wake_up, attempt)


# -- entries that cannot be read -----------------------------------------------------------------

BROKEN = [b"{", b"no meta", b"\xff\xfe\x00"]


@check(
    "JOIN-18",
    "JOIN-22",
    cases=[{"payload": payload, "place": place} for payload, place in zip(BROKEN, (0, 2, 4), strict=True)],
    blame_hang="JOIN-18",
)
def unreadable_entry_comes_last(ctx: Context, payload: bytes, place: int) -> None:
    """An entry that cannot be read ends the join, but not before all that is ready was yielded."""
    writer, ready = ctx.client("writer"), [ctx.new_id() for _ in range(4)]
    for task_id in ready:
        writer.store(task_id, "done")
    unreadable, pending = ctx.new_id("unreadable"), ctx.new_id()
    _write_behind(ctx, unreadable, payload)
    read = ctx.client("joiner").attempt("get_task_meta", task_id=unreadable)
    if read.kind == "ok":
        raise Unobserved(f"a read of the entry does not end in an error: {ctx.describe(read)}")
    given = [*ready[:place], unreadable, *ready[place:], pending]
    found = join(ctx.client("joiner"), given, timeout=AMPLE_TIMEOUT)
    failed = found.ended not in ("exhausted", "closed", "TimeoutError", *NO_ANSWERS)
    ctx.require(
        "JOIN-18",
        failed and sorted(map(str, found.ids)) == sorted(ready),
        got=found.describe(),
        allowed=f"{', '.join(ready)}, then an error",
    )
    told = found.ended == read.error and unreadable in found.message
    allowed = f"the error of a read, {read.error}, which names {unreadable}"
    ctx.require("JOIN-22", told, got=found.describe(), allowed=allowed)


@check("JOIN-22", "JOIN-18", cases=[{"payload": payload} for payload in BROKEN], blame_hang="JOIN-18")
def error_names_the_entry(ctx: Context, payload: bytes) -> None:
    """The error of a join of one entry that cannot be read is that of a read, and names the entry."""
    unreadable = ctx.new_id("unreadable")
    _write_behind(ctx, unreadable, payload)
    read = ctx.client("joiner").attempt("get_task_meta", task_id=unreadable)
    if read.kind == "ok":
        raise Unobserved(f"a read of the entry does not end in an error: {ctx.describe(read)}")
    found = join(ctx.client("joiner"), [unreadable], timeout=AMPLE_TIMEOUT)
    failed = not found.ids and found.ended not in ("exhausted", "closed", "TimeoutError")
    ctx.require("JOIN-18", failed, got=found.describe(), allowed="an error")
    told = found.ended == read.error and unreadable in found.message
    allowed = f"the error of a read, {read.error}, which names {unreadable}"
    ctx.require("JOIN-22", told, got=found.describe(), allowed=allowed)


# -- the cache -----------------------------------------------------------------------------------


@check("JOIN-19", cases=[{"state": state} for state in ("FAILURE", "REVOKED", "PROGRESS")])
def join_caches_nothing_but_success(ctx: Context, state: str) -> None:
    """A client with a cache that has joined a task in another state than SUCCESS sees what it becomes."""
    cached, writer, task_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id()
    writer.store(task_id, failure(1) if state != "PROGRESS" else {"run": 1}, state)
    join(cached, [task_id], timeout=SHORT_TIMEOUT, ready_states=[state])
    writer.store(task_id, "done")
    if writer.state(task_id) != "SUCCESS":
        raise Unobserved(f"SUCCESS did not replace {state}")
    found = cached.state(task_id)
    ctx.require("JOIN-19", found == "SUCCESS", got=f"{found} after a join had seen {state}", allowed="SUCCESS")
    again = join(cached, [task_id], timeout=SHORT_TIMEOUT)
    require_yielded(ctx, "JOIN-19", again, [task_id], "exhausted")
    status = again.items[0].meta["status"]
    ctx.require("JOIN-19", status == "SUCCESS", got=f"{status}, joined again", allowed="SUCCESS")


@check("JOIN-19", needs=["in-process"], cases=[{"cached": True}, {"cached": False}])
def yielded_meta_belongs_to_the_caller(ctx: Context, cached: bool) -> None:
    """Whatever a caller does to the meta that was yielded, the next answer is as the first one was."""
    client, task_id = ctx.client("reader", **CACHED if cached else {}), ctx.new_id()
    ctx.client("writer").store(task_id, {"list": [1, [2]]})
    first = ctx.client("writer").meta(task_id)
    for _ in range(2):
        for _, meta in _items(ctx, client, task_id):
            with contextlib.suppress(Exception):
                meta["result"]["list"].append("spoilt")
            meta.update(dict.fromkeys(meta, "spoilt"))
        found = client.meta(task_id)
        ctx.require("JOIN-19", same(found, first), got=found, allowed=f"the meta as it was: {show(first)}")


def _items(ctx: Context, client: Client, task_id: str) -> list[Any]:
    found: list[Any] = ctx.direct(client, "get_many", [task_id], timeout=1.0)
    return found


# -- on_interval ---------------------------------------------------------------------------------


class _Interrupt(Exception):
    """What `on_interval` raises in a check."""


@check(
    "JOIN-12",
    cases=[{"timeout": timeout, "interval": interval} for timeout in (0.05, 1e-6) for interval in (0.02, 5)],
    blame_hang="JOIN-12",
)
def on_interval_is_called(ctx: Context, timeout: float, interval: float | None) -> None:
    """Before TimeoutError `on_interval` is called at least once, however short the timeout and long the interval."""
    calls: list[float] = []
    found = _calling(ctx, lambda: calls.append(time.monotonic()), timeout=timeout, interval=interval)
    ctx.history.note(SUITE, "on_interval", {"calls": len(calls)})
    if found.ended != "TimeoutError":
        raise Unobserved("the join did not end in TimeoutError")
    ctx.require("JOIN-12", bool(calls), got="TimeoutError without a call of on_interval", allowed="at least one call")


@check("JOIN-12", cases=[{"interval": interval} for interval in (0.02, 5)], blame_hang="JOIN-12")
def what_on_interval_raises_ends_the_join(ctx: Context, interval: float | None) -> None:
    """What `on_interval` raises ends the join at once and reaches the caller."""

    def interrupt() -> None:
        raise _Interrupt("raised by on_interval")

    found = _calling(ctx, interrupt, timeout=0.1, interval=interval)
    reached = not found.refused and _Interrupt.__name__ in found.message
    ctx.require("JOIN-12", reached, got=found.describe(), allowed="what on_interval raised")


def _calling(ctx: Context, on_interval: Callable[[], None], **options: Value) -> Joined:
    ids = [ctx.new_id()]
    return join_in_process(ctx.client("joiner"), ids, list(ids), on_interval=on_interval, **options)
