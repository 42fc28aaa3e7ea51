"""Checks of chapter 10: what a join yields, and how it ends."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import NO_ANSWERS
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.joins import SHORT_TIMEOUT, Joined, join, join_in_process, joined, require_yielded
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import results_for
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    ENDLESS_TIMEOUTS,
    IMMEDIATE_TIMEOUTS,
    LONG_TIMEOUTS,
    SHORT_PATIENCE,
    begin,
    in_progress,
    plain,
    require_within,
    result_in,
    tagged,
)
from resultspec_conformance.wire.values import Value, same, show

READY = sorted(STATES.sets["READY"])
UNREADY = ["PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED", "IGNORED", "PROGRESS", "success", "Failure"]


def _stored(ctx: Context, states: Iterable[str | None]) -> list[str]:
    """Store a task in each of the states and return their ids; None stores nothing."""
    writer, ids = ctx.client("writer"), []
    for number, state in enumerate(states):
        ids.append(ctx.new_id())
        if state is not None:
            outcome = writer.attempt("store_result", task_id=ids[-1], result=result_in(state, number), state=state)
            if outcome.kind != "ok" or (state not in READY and writer.state(ids[-1]) != state):
                raise Unobserved(f"no task could be brought into the state {state}: {ctx.describe(outcome)}")
    return ids


# -- what is yielded -----------------------------------------------------------------------------


entries = st.sampled_from(READY).flatmap(
    lambda state: st.fixed_dictionaries({"state": st.just(state), "result": results_for(state)})
)


@check(
    "JOIN-1", "JOIN-4",
    given={
        "tasks": st.lists(entries, min_size=1, max_size=3),
        "order": st.lists(st.integers(0, 2), min_size=1, max_size=6),
    },
    effort=0.1,
    blame_hang="JOIN-1",
)  # fmt: skip
def each_ready_task_once(ctx: Context, tasks: list[dict[str, Value]], order: list[int]) -> None:
    """However often an id is given, it is yielded once, with the meta that a read returns."""
    writer, client = ctx.client("writer"), ctx.client("joiner")
    ids = [ctx.new_id() for _ in tasks]
    for task_id, task in zip(ids, tasks, strict=True):
        outcome = writer.attempt("store_result", task_id=task_id, **task)
        if outcome.kind != "ok":
            raise Unobserved(f"the store was refused: {ctx.describe(outcome)}")
    read = {task_id: client.meta(task_id) for task_id in ids}
    given = [ids[place % len(ids)] for place in order]
    if any(read[task_id]["status"] not in READY for task_id in given):
        raise Unobserved("a task is not in the state in which it was stored")
    found = join(client, given, timeout=AMPLE_TIMEOUT)
    _require_metas(ctx, found, read)
    require_yielded(ctx, "JOIN-1", found, set(given), "exhausted")


def _require_metas(ctx: Context, found: Joined, read: dict[str, dict[str, Value]]) -> None:
    """Require that the metas are those of reads, and that no exception of a task ended the join."""
    strange = found.ended not in ("exhausted", "closed", "TimeoutError")
    ctx.require("JOIN-4", not strange, got=found.describe(), allowed="the join ends when all were yielded")
    for item in found.items:
        expected = _said(read.get(str(item.task_id), item.meta))
        ctx.require("JOIN-4", same(_said(item.meta), expected), got=item.meta, allowed=f"as read: {show(expected)}")


def _said(meta: dict[str, Value]) -> dict[str, Value]:
    """Return the members of a meta that are not null; whether those that are may be left out is for META-1 to say."""
    return {name: value for name, value in meta.items() if value is not None}


@check("JOIN-4", cases=[{"state": state} for state in READY])
def yields_the_meta_of_each_state(ctx: Context, state: str) -> None:
    """The meta of a task that failed is yielded like any other, with its traceback and its children."""
    writer, client, task_id = ctx.client("writer"), ctx.client("joiner"), ctx.new_id()
    request = {"id": task_id, "children": [[["child", None], None]], "parent_id": "parent"}
    writer.store(task_id, result_in(state), state, traceback="kept", request=request)
    found = join(client, [task_id], timeout=AMPLE_TIMEOUT)
    _require_metas(ctx, found, {task_id: client.meta(task_id)})
    ctx.require("JOIN-4", found.ids == [task_id], got=found.describe(), allowed=f"{task_id}, and no error")


FORMS = ["t", "u", "tu", "ut", "uu", "tut"]


@check(
    "JOIN-1", needs=["uuid"],
    cases=[{"stored_as": stored, "given_as": given} for stored in "tu" for given in FORMS],
    blame_hang="JOIN-1",
)  # fmt: skip
def uuid_and_its_text_are_one_id(ctx: Context, stored_as: str, given_as: str) -> None:
    """A task is yielded once and by its text, whether its id was given as text (t) or as a UUID (u)."""
    unique = uuid.uuid4()
    forms: dict[str, Value] = {"t": str(unique), "u": unique}
    ctx.client("writer").attempt("store_result", task_id=forms[stored_as], result="done", state="SUCCESS")
    for form in forms.values():
        outcome = ctx.client("reader").member(form, "status")
        if outcome.value != "SUCCESS":
            raise Unobserved(f"a read of {form!r} ended in {ctx.describe(outcome)}")
    found = join(ctx.client("joiner"), [forms[form] for form in given_as], timeout=0.3)
    require_yielded(ctx, "JOIN-1", found, [str(unique)], "exhausted")


@check("JOIN-1", "JOIN-3", cases=[{"most": 1500, "ready": 5}], blame_hang="JOIN-1")
def few_among_many(ctx: Context, most: int, ready: int) -> None:
    """A few ready tasks among many unknown ones are yielded, wherever they stand."""
    # as many as can be asked for one by one in half a second
    count = int(max(20, min(most, 0.5 / max(ctx.session.rtt, 1e-6))))
    ids = [ctx.new_id() for _ in range(count)]
    chosen = [ids[place * (count - 1) // (ready - 1)] for place in range(ready)]
    for task_id in chosen:
        ctx.client("writer").store(task_id, "done")
    found = join(ctx.client("joiner"), ids, timeout=AMPLE_TIMEOUT, take=ready)
    held_back = found.ended == "TimeoutError" and set(found.ids) == set(chosen)
    ctx.require("JOIN-3", not held_back, got=found.describe(), allowed="they come before the deadline")
    require_yielded(ctx, "JOIN-1", found, chosen, "closed")


@check("JOIN-2", cases=[{"state": state} for state in UNREADY])
def unready_state_is_not_yielded(ctx: Context, state: str) -> None:
    """A task in an unready state is not yielded, and one in a ready state beside it is."""
    unready, ready = _stored(ctx, [state, "FAILURE"])
    found = join(ctx.client("joiner"), [unready, ready], timeout=SHORT_TIMEOUT)
    require_yielded(ctx, "JOIN-2", found, [ready], "TimeoutError")


CHOSEN = [["SUCCESS"], ["FAILURE", "RETRY"], ["PROGRESS", "SUCCESS"], ["success"], ["STARTED", "REVOKED"]]


@check("JOIN-2", cases=[{"ready_states": states} for states in CHOSEN])
def ready_states_can_be_given(ctx: Context, ready_states: list[str]) -> None:
    """Exactly the tasks in one of the given states are yielded, whether or not those are READY states."""
    states = [*READY, "RETRY", "STARTED", "PROGRESS", "success"]
    ids = _stored(ctx, states)
    expected = [task_id for task_id, state in zip(ids, states, strict=True) if state in ready_states]
    found = join(ctx.client("joiner"), ids, timeout=SHORT_TIMEOUT, ready_states=ready_states)
    require_yielded(ctx, "JOIN-2", found, expected, "TimeoutError")


@check("JOIN-3", cases=[{"unready": place} for place in (0, 3)], blame_hang="JOIN-3")
def ready_tasks_do_not_wait(ctx: Context, unready: int) -> None:
    """Tasks that are ready come at once, wherever one that is not stands between them."""
    client = ctx.client("joiner")

    def attempt() -> float:
        ids = _stored(ctx, [None if place == unready else "SUCCESS" for place in range(5)])
        found = join(client, ids, timeout=0.35)
        ready = [task_id for place, task_id in enumerate(ids) if place != unready]
        require_yielded(ctx, "JOIN-3", found, ready, "TimeoutError")
        return max(item.at for item in found.items)

    require_within(ctx, "JOIN-3", 0.0, attempt)


# -- the ids -------------------------------------------------------------------------------------


@check("JOIN-5", cases=[{"timeout": timeout} for timeout in (None, 0, -1, 0.5)], blame_hang="JOIN-5")
def no_ids_end_at_once(ctx: Context, timeout: Value) -> None:
    """A join of nothing ends without an error and without waiting."""

    def attempt() -> float:
        found = join(ctx.client("joiner"), [], timeout=timeout)
        require_yielded(ctx, "JOIN-5", found, [], "exhausted")
        return found.took

    require_within(ctx, "JOIN-5", 0.0, attempt)


class _Counted:
    """An iterable that counts how often it is read."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self.reads = 0

    def __iter__(self) -> Iterator[str]:
        self.reads += 1
        return iter(self.ids)


KINDS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda ids: dict.fromkeys(ids, 1),
    "keys": lambda ids: dict.fromkeys(ids, 1).keys(),
    "generator": lambda ids: (task_id for task_id in ids),
    "counted": _Counted,
}


@check("JOIN-5", needs=["in-process"], cases=[{"kind": kind} for kind in KINDS])
def any_iterable_is_taken(ctx: Context, kind: str) -> None:
    """Ids may come in any iterable, a generator included, which is not changed."""
    ids = _stored(ctx, ["SUCCESS", "FAILURE", "SUCCESS"])
    given, before = KINDS[kind](ids), KINDS[kind](ids)
    found = join_in_process(ctx.client("joiner"), given, f"the {kind} of {ids}", timeout=AMPLE_TIMEOUT)
    require_yielded(ctx, "JOIN-5", found, ids, "exhausted")
    if kind == "counted":
        ctx.require("JOIN-5", given.reads == 1, got=f"the ids were read {given.reads} times", allowed="once")
    elif kind != "generator":
        ctx.require("JOIN-5", given == before, got=f"the {kind} is now {given!r:.200}", allowed="it is as it was")


WRONG_IDS: list[Value] = ["", None, 7]
NEGATIVE: list[dict[str, Value]] = [{"interval": -1}, {"interval": -0.001}]
WRONG: list[dict[str, Value]] = [*({"timeout": timeout} for timeout in ("1", "", [1])), *NEGATIVE]
WRONG_BEYOND_JSON: list[dict[str, Value]] = [
    {"timeout": float("nan")},
    {"timeout": b"1"},
    {"interval": float("-inf")},
]


def _require_ended(ctx: Context, ids: list[Value], options: dict[str, Value], ready: list[str]) -> None:
    """Require that a join with wrong arguments ends: in an error, unless it has yielded all tasks."""
    found = join(ctx.client("joiner"), ids, **{"timeout": SHORT_TIMEOUT, **options})
    failed = found.ended not in ("exhausted", "closed", *NO_ANSWERS)
    complete = sorted(map(str, found.ids)) == sorted(ready) and len(ready) == len(ids)
    ctx.require("JOIN-10", failed or complete, got=found.describe(), allowed="an error, or all that is ready")


def _require_refused(ctx: Context, ids: list[Value], options: dict[str, Value]) -> None:
    found = join(ctx.client("joiner"), ids, **{"timeout": SHORT_TIMEOUT, **options})
    named = found.refused and found.ended in ("ValueError", "TypeError")
    ctx.require("JOIN-25", named, got=found.describe(), allowed="ValueError or TypeError at the call")


WRONG_CASES: list[dict[str, Value]] = [{"options": options, "ready": ready} for options in WRONG for ready in (1, 0)]
BEYOND_CASES: list[dict[str, Value]] = [{"options": options, "ready": 1} for options in WRONG_BEYOND_JSON]


def _tasks(ctx: Context, ready: int) -> list[str]:
    return _stored(ctx, ["SUCCESS" if ready else None])


@check("JOIN-10", cases=WRONG_CASES, blame_hang="JOIN-10")
def join_with_a_wrong_argument_ends(ctx: Context, options: dict[str, Value], ready: int) -> None:
    """A join with a timeout that is not a number, or with a negative interval, ends."""
    ids = _tasks(ctx, ready)
    _require_ended(ctx, list(ids), options, ids if ready else [])


@check(
    "JOIN-10",
    cases=[*BEYOND_CASES, {"options": {"timeout": float("nan")}, "ready": 0}],
    needs=["tagged"],
    blame_hang="JOIN-10",
)
def join_with_an_argument_beyond_json_ends(ctx: Context, options: dict[str, Value], ready: int) -> None:
    """A join with a timeout that is NaN or bytes, or with an interval of minus infinity, ends."""
    ids = _tasks(ctx, ready)
    _require_ended(ctx, list(ids), options, ids if ready else [])


@check("JOIN-10", cases=[{"wrong": wrong} for wrong in WRONG_IDS], blame_hang="JOIN-10")
def join_of_a_wrong_id_ends(ctx: Context, wrong: Value) -> None:
    """A join of an id that no operation takes ends in an error."""
    (ready,) = _stored(ctx, ["SUCCESS"])
    if ctx.client("reader").attempt("get_task_meta", task_id=wrong).kind == "ok":
        raise Unobserved("other operations take this id")
    _require_ended(ctx, [ready, wrong], {}, [ready])


@check("JOIN-25", cases=WRONG_CASES, blame_hang="JOIN-10")
def wrong_argument_is_refused(ctx: Context, options: dict[str, Value], ready: int) -> None:
    """A timeout that is not a number and a negative interval are refused, whether a task is ready or not."""
    _require_refused(ctx, list(_tasks(ctx, ready)), options)


@check("JOIN-25", cases=BEYOND_CASES, needs=["tagged"], blame_hang="JOIN-10")
def argument_beyond_json_is_refused(ctx: Context, options: dict[str, Value], ready: int) -> None:
    """A timeout that is NaN or bytes, and an interval of minus infinity, are refused."""
    _require_refused(ctx, list(_tasks(ctx, ready)), options)


@check("JOIN-25", cases=[{"wrong": wrong} for wrong in WRONG_IDS], blame_hang="JOIN-10")
def wrong_id_is_refused(ctx: Context, wrong: Value) -> None:
    """An id that no operation takes is refused before any other is yielded."""
    (ready,) = _stored(ctx, ["SUCCESS"])
    if ctx.client("reader").attempt("get_task_meta", task_id=wrong).kind == "ok":
        raise Unobserved("other operations take this id")
    _require_refused(ctx, [ready, wrong], {})


# -- the timeout ---------------------------------------------------------------------------------


def _run_out(
    ctx: Context, client: Client, timeout: float, ready: int = 0, requirement: str = "JOIN-7", **options: Value
) -> Joined:
    """Join ready tasks and one that is not; require that it ends in TimeoutError, and not too early."""
    ids = _stored(ctx, [*["SUCCESS"] * ready, None])
    found = join(client, ids, timeout=timeout, **options)
    require_yielded(ctx, requirement, found, ids[:-1], "TimeoutError")
    if requirement != "JOIN-7":
        return found
    soonest = timeout - ctx.capabilities.time_resolution
    ctx.require("JOIN-6", found.took >= soonest, got=found.describe(), allowed=f"TimeoutError after {timeout} s")
    return found


@check(
    "JOIN-7", "JOIN-6",
    cases=[
        {"timeout": 0.1, "options": {}},
        {"timeout": 0.05, "options": {"interval": 0}},
        {"timeout": 0.1, "options": {"interval": 0.9}},
        {"timeout": 0.05, "options": {"interval": 3600}},
        {"timeout": 0.001, "options": {"interval": 0}},
    ],
    blame_hang="JOIN-7",
)  # fmt: skip
def join_runs_out_of_time(ctx: Context, timeout: float, options: dict[str, Value]) -> None:
    """A join with a task that does not become ready ends at its timeout, whatever the interval is."""
    client = ctx.client("joiner")
    require_within(ctx, "JOIN-7", timeout, lambda: _run_out(ctx, client, timeout, **options).took)


@check("JOIN-6", "JOIN-7", cases=[{"timeout": 0.1, "delay": 0.15}], blame_hang="JOIN-7")
def clock_begins_with_the_first_item(ctx: Context, timeout: float, delay: float) -> None:
    """Time between the call and asking for the first item does not count."""
    client = ctx.client("joiner")
    require_within(ctx, "JOIN-7", timeout, lambda: _run_out(ctx, client, timeout, delay=delay).took)


@check("JOIN-26", cases=[{"timeout": 0.3, "ready": 2, "pause": 0.15}], blame_hang="JOIN-7")
def time_of_the_caller_counts(ctx: Context, timeout: float, ready: int, pause: float) -> None:
    """Time that the caller spends on items counts towards the timeout."""
    client = ctx.client("joiner")
    bound = max(timeout, ready * pause)
    require_within(ctx, "JOIN-26", bound, lambda: _run_out(ctx, client, timeout, ready, "JOIN-26", pause=pause).took)


@check("JOIN-24", cases=[{"timeout": 0.1}], blame_hang="JOIN-24")
def interval_none_is_the_default(ctx: Context, timeout: float) -> None:
    """A join with the interval None yields what is ready and then ends in TimeoutError."""
    ready, pending = _stored(ctx, ["SUCCESS", None])
    found = join(ctx.client("joiner"), [ready, pending], timeout=timeout, interval=None)
    require_yielded(ctx, "JOIN-24", found, [ready], "TimeoutError")


@check("JOIN-8", cases=[{"ready": 3, "timeout": 0.03, "pause": 0.04}])
def slow_caller_gets_all_that_is_ready(ctx: Context, ready: int, timeout: float, pause: float) -> None:
    """Ready tasks are yielded even if the caller's own work takes longer than the timeout."""
    for pending in (False, True):
        ids = _stored(ctx, ["SUCCESS"] * ready)
        given = [*ids, ctx.new_id()] if pending else ids
        found = join(ctx.client("joiner"), given, timeout=timeout, pause=pause)
        require_yielded(ctx, "JOIN-8", found, ids, "TimeoutError" if pending else "exhausted")


@check("JOIN-8", cases=[{"timeout": 0.1, "pause": 0.25, "pending": pending} for pending in (False, True)])
def ready_while_the_caller_is_busy(ctx: Context, timeout: float, pause: float, pending: bool) -> None:
    """What becomes ready while the caller is busy beyond the deadline is yielded before TimeoutError."""
    first, second = _stored(ctx, ["SUCCESS", None])
    given = [first, second, ctx.new_id()] if pending else [first, second]
    client, writer = ctx.client("joiner"), ctx.client("writer")
    running = begin(ctx, client, "get_many", task_ids=given, timeout=timeout, pause=pause)
    running.began.wait(5.0)
    # before the deadline and after it: either way the last pass is still to come
    time.sleep(timeout / 2 if pending else timeout * 1.3)
    store = writer.perform("store_result", task_id=second, result="done", state="SUCCESS")
    found = joined(running.operation())
    if (store.end or 0.0) > found.came_at(first) + pause:
        raise Unobserved("this machine was too slow to store while the caller was busy")
    require_yielded(ctx, "JOIN-8", found, [first, second], "TimeoutError" if pending else "exhausted")


@check("JOIN-8", cases=[{"timeout": 0.2, "pause": 0.35}])
def ready_while_the_caller_is_busy_with_a_later_one(ctx: Context, timeout: float, pause: float) -> None:
    """The same where what keeps the caller busy was yielded by a later pass, which ends after the deadline with it."""
    # a join that passes as rarely as it declares gets the time for a second pass
    patient = ctx.capabilities.wake_up + ctx.grace
    for longer in (0.0, patient):
        first, second = _stored(ctx, [None, None])
        found = _kept_busy(ctx, first, second, timeout + longer, pause + longer)
        if found is not None:
            require_yielded(ctx, "JOIN-8", found, [first, second], "exhausted")
            return
    raise Unobserved("no later pass yielded what was stored in time, or this machine was too slow to see it")


def _kept_busy(ctx: Context, first: str, second: str, timeout: float, pause: float) -> Joined | None:
    """Return a join whose caller is busy with the first task when the second becomes ready, or None if it was not."""
    client, writer = ctx.client("joiner"), ctx.client("writer")
    running = begin(ctx, client, "get_many", task_ids=[first, second], timeout=timeout, interval=0.02, pause=pause)
    in_progress(ctx, first, running, patience=SHORT_PATIENCE)
    writer.store(first, "done")
    time.sleep(timeout)
    store = writer.perform("store_result", task_id=second, result="done", state="SUCCESS")
    found = joined(running.operation())
    came = found.came_at(first)
    seen = came <= found.operation.start + timeout and (store.end or 0.0) <= came + pause
    return found if seen else None


def _look(ctx: Context, timeout: Value) -> None:
    client = ctx.client("joiner")
    ids = _stored(ctx, [*READY, "STARTED", None])
    found = join(client, ids[: len(READY)], timeout=timeout)
    require_yielded(ctx, "JOIN-9", found, ids[: len(READY)], "exhausted")

    def attempt() -> float:
        found = join(client, ids, timeout=timeout)
        require_yielded(ctx, "JOIN-9", found, ids[: len(READY)], "TimeoutError")
        return found.took

    require_within(ctx, "JOIN-9", 0.0, attempt)


@check("JOIN-9", cases=[{"timeout": timeout} for timeout in plain(IMMEDIATE_TIMEOUTS)], blame_hang="JOIN-9")
def timeout_of_zero_is_a_look(ctx: Context, timeout: Value) -> None:
    """A join with a timeout of 0 or less yields what is ready, and ends at once."""
    _look(ctx, timeout)


@check(
    "JOIN-9",
    cases=[{"timeout": timeout} for timeout in tagged(IMMEDIATE_TIMEOUTS)],
    needs=["tagged"],
    blame_hang="JOIN-9",
)
def very_negative_timeout_is_a_look(ctx: Context, timeout: Value) -> None:
    """A join with a timeout of minus infinity, or of less than any float's precision, ends at once."""
    _look(ctx, timeout)


def _be_patient(ctx: Context, requirement: str, timeout: Value) -> None:
    task_id, writer = ctx.new_id(), ctx.client("writer")
    # a join that nothing could end is not begun
    writer.store(ctx.new_id(), "at first")
    running = begin(ctx, ctx.client("joiner"), "get_many", task_ids=[task_id], timeout=timeout)
    in_progress(ctx, task_id, running)
    time.sleep(0.02)
    ended = running.ended
    writer.store(task_id, "at last")
    found = joined(running.operation())
    ctx.require(requirement, not ended, got=found.describe(), allowed="the join goes on until the task is ready")
    require_yielded(ctx, requirement, found, [task_id], "exhausted")


@check("JOIN-6", cases=[{"timeout": timeout} for timeout in LONG_TIMEOUTS])
def long_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A join without a timeout, or with one of years, ends when the last task was yielded."""
    _be_patient(ctx, "JOIN-6", timeout)


@check("JOIN-23", cases=[{"timeout": timeout} for timeout in plain(ENDLESS_TIMEOUTS)])
def very_long_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A join with a timeout of centuries ends when the last task was yielded."""
    _be_patient(ctx, "JOIN-23", timeout)


@check("JOIN-23", cases=[{"timeout": timeout} for timeout in tagged(ENDLESS_TIMEOUTS)], needs=["tagged"])
def endless_timeout_waits(ctx: Context, timeout: Value) -> None:
    """A join with an infinite timeout, or one beyond every clock, ends when the last task was yielded."""
    _be_patient(ctx, "JOIN-23", timeout)


# -- max_iterations ------------------------------------------------------------------------------


@check(
    "JOIN-13",
    cases=[{"most": most, "timeout": timeout} for most in (1, 2) for timeout in (None, 60)],
    blame_hang="JOIN-13",
)
def passes_are_bounded(ctx: Context, most: int, timeout: Value, interval: float = 0.02) -> None:
    """A join with a bounded number of passes yields what is ready and ends without an error."""
    client, bound = ctx.client("joiner"), most * max(interval, ctx.capabilities.wake_up)

    def attempt() -> float:
        ready, failed, pending = _stored(ctx, ["SUCCESS", "FAILURE", None])
        given = [pending, ready, failed]
        found = join(client, given, timeout=timeout, interval=interval, max_iterations=most)
        require_yielded(ctx, "JOIN-13", found, [ready, failed], "exhausted")
        return found.took

    require_within(ctx, "JOIN-13", bound, attempt)


@check("JOIN-13", cases=[{"most": 100_000}])
def many_passes_wait(ctx: Context, most: int) -> None:
    """A join that may make many passes goes on until the task is ready, and ends when it was yielded."""
    task_id = ctx.new_id()
    running = begin(
        ctx, ctx.client("joiner"), "get_many", task_ids=[task_id], timeout=AMPLE_TIMEOUT, max_iterations=most
    )
    in_progress(ctx, task_id, running)
    ctx.client("writer").store(task_id, "done")
    require_yielded(ctx, "JOIN-13", joined(running.operation()), [task_id], "exhausted")


# -- the binding ---------------------------------------------------------------------------------


@check("JOIN-11")
def on_message_is_called_or_refused(ctx: Context) -> None:
    """What is given as `on_message` is called with every meta that is yielded, or refused at the call."""
    ids = _stored(ctx, ["SUCCESS", "FAILURE"])
    heard: list[Any] = []
    found = join_in_process(ctx.client("joiner"), ids, list(ids), timeout=AMPLE_TIMEOUT, on_message=heard.append)
    refused = found.refused and found.ended == "ImproperlyConfigured"
    ctx.history.note(SUITE, "on_message", {"calls": len(heard)})
    called = not found.refused and len(heard) >= len(found.items) == len(ids)
    allowed = "ImproperlyConfigured at the call, or a call of on_message for each meta"
    ctx.require("JOIN-11", refused or called, got=f"{found.describe()}; {len(heard)} calls", allowed=allowed)


@check("JOIN-20")
def flag_says_that_joins_are_there(ctx: Context) -> None:
    """`supports_native_join` is true, since the class is claimed."""
    found = getattr(ctx.backend(ctx.client("joiner")), "supports_native_join", None)
    ctx.require("JOIN-20", found is True, got=f"supports_native_join is {found!r}", allowed="True")
