"""Checks of chapter 14: what a worker calls when a task begins and ends, and around it."""

from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.tasks.meta import any_result
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import (
    exceptions,
    portable_values,
    requests,
    result_tuples,
    scalar_text,
)
from resultspec_conformance.testkit.waits import AMPLE_TIMEOUT, begin_wait, in_progress, require_result
from resultspec_conformance.wire.values import ExceptionData, Opaque, Value, same, show

BOOM = ExceptionData("ValueError", "builtins", ("boom", 3))
CHILD: Value = [["child", None], None]
ENDS: Mapping[str, tuple[str, str]] = {
    "SUCCESS": ("mark_as_done", "result"),
    "FAILURE": ("mark_as_failure", "exc"),
    "RETRY": ("mark_as_retry", "exc"),
}
"""The calls that are given a result, by the state that they store, and what their parameter for it is called."""

RECONNECT_SECONDS = 5.0


def _mark(client: Client, task_id: Value, state: str, result: Value = None, **options: Value) -> Outcome:
    """Have a worker say that a task is in a state, by the call for that state."""
    if state == "STARTED":
        return client.attempt("mark_as_started", task_id=task_id, meta=result or {})
    if state == "REVOKED":
        return client.attempt("mark_as_revoked", task_id=task_id, reason="called off", **options)
    op, parameter = ENDS[state]
    return client.attempt(op, task_id=task_id, **{parameter: result}, **options)


def _usual(state: str) -> Value:
    """Return what a worker says of a task in a state."""
    return {"STARTED": {"pid": 7}, "SUCCESS": {"sum": 7}}.get(state, BOOM)


def _require_ok(ctx: Context, requirement: str, op: str, outcome: Outcome) -> None:
    ctx.require(requirement, outcome.kind == "ok", got=f"{op}: {ctx.describe(outcome)}", allowed=f"{op} succeeds")


def _require_as_stored(ctx: Context, requirement: str, task_id: str, args: Mapping[str, Value]) -> None:
    """Require that another client reads what it reads where `store_result` has stored the same."""
    usual = ctx.new_id()
    request = args.get("request")
    same_request = {} if request is None else {"request": {**request, "id": usual}}
    stored = ctx.client("worker").attempt("store_result", **{**args, **same_request, "task_id": usual})
    if stored.kind != "ok":
        raise Unobserved(f"store_result ended in {ctx.describe(stored)}")
    reader = ctx.client("reader")
    readable = reader.attempt("get_task_meta", task_id=usual)
    if readable.kind != "ok":
        raise Unobserved(f"what store_result has stored reads as {ctx.describe(readable)}")
    expected, found = readable.value, reader.meta(task_id)
    compared = ("status", "result", "traceback", "children", "group_id", "parent_id")
    wrong = [name for name in compared if not same(found.get(name), expected.get(name))]
    got = ", ".join(f"{name} {show(found.get(name))}" for name in wrong)
    allowed = ", ".join(f"{name} {show(expected.get(name))}" for name in wrong)
    ctx.require(requirement, not wrong, got=got, allowed=allowed)


# -- the beginning and the end of a task ---------------------------------------------------------

_told = scalar_text.filter(lambda name: name.isidentifier() and name not in ("self", "task_id") and name[:2] != "__")


@check(
    "WORK-1",
    cases=[{"meta": meta} for meta in ({}, None, {"pid": 1}, {"pid": 1, "hostname": "w@h"}, {"when": [1.5, None]})],
)
def started_stores_what_the_worker_reports(ctx: Context, meta: Value) -> None:
    """What a worker reports when a run begins is the result of STARTED, even if it is empty."""
    _require_started(ctx, meta)


@check("WORK-1", given={"meta": st.dictionaries(_told, portable_values, max_size=4)}, effort=0.1)
def started_stores_any_map(ctx: Context, meta: Value) -> None:
    """Whatever the members of the map are called, and whatever they are."""
    _require_started(ctx, meta)


def _require_started(ctx: Context, meta: Value) -> None:
    task_id = ctx.new_id()
    given = {} if meta is None else {"meta": meta}
    outcome = ctx.client("worker").attempt("mark_as_started", task_id=task_id, **given)
    _require_ok(ctx, "WORK-1", "mark_as_started", outcome)
    _require_as_stored(ctx, "WORK-1", task_id, {"result": meta or {}, "state": "STARTED"})


REQUEST: Mapping[str, Value] = {"group": "g-1", "parent_id": "p-1", "children": [CHILD], "retries": 2}


@check(
    "WORK-2",
    cases=[
        {"state": state, "request": request, "traceback": traceback}
        for state in ENDS
        for request in (False, True)
        for traceback in (None, "Traceback")
        if not (traceback and state == "SUCCESS")
    ],
)
def ends_are_stored_whole(ctx: Context, state: str, request: bool, traceback: str | None) -> None:
    """The end of a task is stored with its value or exception, its traceback and what its request says."""
    _require_end(ctx, state, _usual(state), dict(REQUEST) if request else None, traceback)


PLAIN: tuple[Value, ...] = (None, 0, False, "", [], {}, 0.0, "FAILURE", {"exc_type": "x"})
"""Values that are false in a condition, or look like something else."""


@check("WORK-2", cases=[{"value": value} for value in PLAIN])
def any_value_is_a_value(ctx: Context, value: Value) -> None:
    """A value that is falsy, or looks like something else, is the value of the task."""
    _require_end(ctx, "SUCCESS", value, None, None)


@check("WORK-2", cases=[{"traceback": traceback} for traceback in (None, "Traceback")])
def retry_without_a_cause(ctx: Context, traceback: str | None) -> None:
    """A retry needs no cause."""
    _require_end(ctx, "RETRY", None, None, traceback)


@check(
    "WORK-2",
    given={
        "end": st.tuples(st.just("SUCCESS"), portable_values, st.none())
        | st.tuples(st.sampled_from(["FAILURE", "RETRY"]), exceptions, st.none() | scalar_text),
        "request": st.none() | requests,
    },
    effort=0.25,
)
def any_end_is_stored(ctx: Context, end: "tuple[str, Value, str | None]", request: dict[str, Value] | None) -> None:
    """Any value, exception, traceback and request comes back as it was given."""
    state, result, traceback = end
    _require_end(ctx, state, result, request, traceback)


def _require_end(
    ctx: Context, state: str, result: Value, request: dict[str, Value] | None, traceback: str | None
) -> None:
    task_id = ctx.new_id()
    args: dict[str, Value] = {"state": state, "result": result}
    options: dict[str, Value] = {}
    if request is not None:
        options["request"] = args["request"] = {**request, "id": task_id}
    if traceback is not None:
        options["traceback"] = args["traceback"] = traceback
    _require_ok(ctx, "WORK-2", ENDS[state][0], _mark(ctx.client("worker"), task_id, state, result, **options))
    _require_as_stored(ctx, "WORK-2", task_id, args)


@check(
    "WORK-3",
    cases=[
        {"reason": reason, "request": request}
        for reason in (None, "", "terminated", "expired", "the user\nsaid so \u00e9")
        for request in (False, True)
    ],
)
def revoked_says_why(ctx: Context, reason: str | None, request: bool) -> None:
    """A revoked task has an exception that says why, and what its request says."""
    task_id = ctx.new_id()
    options: dict[str, Value] = {} if reason is None else {"reason": reason}
    if request:
        options["request"] = {**REQUEST, "id": task_id}
    outcome = ctx.client("worker").attempt("mark_as_revoked", task_id=task_id, **options)
    _require_ok(ctx, "WORK-3", "mark_as_revoked", outcome)
    error = ExceptionData("TaskRevokedError", "celery.exceptions", (reason or "",))
    args = {"state": "REVOKED", "result": error, **{name: options[name] for name in options if name == "request"}}
    _require_as_stored(ctx, "WORK-3", task_id, args)


# -- late calls ----------------------------------------------------------------------------------


@check(
    "WORK-4",
    cases=[
        {"state": state, "times": times}
        for state in ("STARTED", "RETRY", "FAILURE", "REVOKED", "SUCCESS")
        for times in (1, 2)
    ],
)
def late_call_keeps_the_result(ctx: Context, state: str, times: int) -> None:
    """Whatever a worker reports of a task that has succeeded, its entry stays, and the call raises no error."""
    silent = True

    def store(worker: Client, task_id: str) -> None:
        nonlocal silent
        outcome = worker.attempt("store_result", task_id=task_id, result=any_result(state), state=state)
        silent = silent and outcome.kind == "ok"

    def mark(worker: Client, task_id: str) -> None:
        outcome = _mark(worker, task_id, state, _usual(state))
        if silent:  # a store that is refused with an error is for STATE-10 to judge
            _require_ok(ctx, "WORK-4", f"a late {state}", outcome)

    anyway = _changed_by(ctx, times, store)
    if anyway & {"status", "result"}:
        raise Unobserved("store_result does not lose to SUCCESS (STATE-3)")
    changed = _changed_by(ctx, times, mark) - anyway
    ctx.require("WORK-4", not changed, got=f"another {', '.join(sorted(changed))}", allowed="the entry as it was")


def _changed_by(ctx: Context, times: int, late: Callable[[Client, str], None]) -> set[str]:
    """Return the members of the meta of a SUCCESS that are others after some late calls."""
    task_id, worker, reader = ctx.new_id(), ctx.client("worker"), ctx.client("reader")
    worker.store(task_id, "first", "SUCCESS", request={"id": task_id, "group": "g-1"})
    before = reader.meta(task_id)
    for _ in range(times):
        late(worker, task_id)
    after = reader.meta(task_id)
    return {name for name in before if not same(after.get(name), before[name])}


# -- ignored results -----------------------------------------------------------------------------


@check("WORK-5", cases=[{"there": there} for there in (None, "STARTED", "FAILURE", "RETRY")])
def ignored_value_is_not_stored(ctx: Context, there: str | None) -> None:
    """The value of a task whose request ignores it is not stored, and the existing entry stays."""
    task_id, worker, reader = ctx.new_id(), ctx.client("worker"), ctx.client("reader")
    if there is not None:
        worker.store(task_id, any_result(there), there)
    before = reader.meta(task_id)
    request = {"id": task_id, "ignore_result": True}
    _require_ok(ctx, "WORK-5", "mark_as_done", _mark(worker, task_id, "SUCCESS", {"sum": 7}, request=request))
    after = reader.meta(task_id)
    ctx.require("WORK-5", same(after, before), got=show(after), allowed=f"as before: {show(before)}")


@check("WORK-5", cases=[{"state": state} for state in ("SUCCESS", "FAILURE", "RETRY")])
def what_is_not_ignored_is_stored(ctx: Context, state: str) -> None:
    """A failure and a retry are stored also where the value is ignored, and a value where it is not."""
    task_id = ctx.new_id()
    request = {"id": task_id, "ignore_result": state != "SUCCESS"}
    outcome = _mark(ctx.client("worker"), task_id, state, _usual(state), request=request)
    _require_ok(ctx, "WORK-5", state, outcome)
    found = ctx.client("reader").state(task_id)
    ctx.require("WORK-5", found == state, got=show(found), allowed=state)


# -- stores that fail ----------------------------------------------------------------------------


@check("WORK-6", cases=[{"there": there, "place": place} for there in (None, "STARTED", "RETRY") for place in (0, 1)])
def write_that_fails_is_an_error(ctx: Context, there: str | None, place: int) -> None:
    """A call whose write fails ends in an error: for a value that no serializer carries, or else for what is no id."""
    call = "mark_as_done" if place else "mark_as_started"
    if "opaque" in ctx.capabilities.provided and ctx.usable([call]):
        _require_no_silence_of_values(ctx, there, place)
    else:
        _require_no_silence_of_ids(ctx)


def _require_no_silence_of_values(ctx: Context, there: str | None, place: int) -> None:
    task_id, worker, reader = ctx.new_id(), ctx.client("worker"), ctx.client("reader")
    if there is not None:
        worker.store(task_id, any_result(there), there)
    before = reader.meta(task_id)
    odd = Opaque("<a socket>")
    store = {"result": [odd] if place else {"of": odd}, "state": "SUCCESS" if place else "STARTED"}
    usual = ctx.new_id()
    if there is not None:
        worker.store(usual, any_result(there), there)
    refused = worker.attempt("store_result", task_id=usual, **store)
    if refused.kind == "ok" or reader.state(usual) != (there or "PENDING"):
        _require_no_silence_of_ids(ctx)
        return
    outcome = _mark(worker, task_id, "SUCCESS", [odd]) if place else _mark(worker, task_id, "STARTED", {"of": odd})
    ctx.require("WORK-6", outcome.raised, got=ctx.describe(outcome), allowed="an error")
    if outcome.kind != "fail":
        return
    after = reader.meta(task_id)
    got = f"{outcome.error}, and then {show(after)}"
    ctx.require("WORK-6", same(after, before), got=got, allowed=f"{outcome.error}, and {show(before)} as before")


NO_IDS: list[Value] = ["", None, 7, ["a"]]


def _require_no_silence_of_ids(ctx: Context) -> None:
    worker = ctx.client("worker")
    refused = [one for one in NO_IDS if worker.attempt("store_result", **_store(one, "SUCCESS")).kind != "ok"]
    if not refused:
        raise Unobserved("store_result takes whatever it is given for an id")
    calls = {"mark_as_started": "STARTED", **{call: state for state, (call, _) in ENDS.items()}}
    for call in ctx.usable(calls):
        state = calls[call]
        outcome = _mark(worker, refused[0], state, _usual(state))
        got = f"the call for {state} and the id {show(refused[0])} ended {ctx.describe(outcome)}"
        ctx.require("WORK-6", outcome.raised, got=got, allowed="an error, as that of store_result")


def _store(task_id: Value, state: str) -> dict[str, Value]:
    return {"task_id": task_id, "result": any_result(state), "state": state}


# -- the children of the task that runs ----------------------------------------------------------


def _read_children(ctx: Context, children: Value) -> Value:
    """Return what is read of children that were given by a request."""
    task_id = ctx.new_id()
    ctx.client("worker").store(task_id, 1, request={"id": task_id, "children": children})
    return ctx.client("reader").meta(task_id).get("children") or []


OTHERS: Value = [[["of-another", None], None]]


@check(
    "WORK-7",
    cases=[
        {"state": state, "children": bool(count)} for state in ("SUCCESS", "STARTED", "FAILURE") for count in (0, 1)
    ],
)
def task_stores_its_own_children(ctx: Context, state: str, children: bool) -> None:
    """A task that stores a result of its own while it runs has its children in it."""
    task_id = ctx.new_id()
    sent: Value = [CHILD, [[task_id, None], None]] if children else []
    current = {"id": task_id, "children": sent}
    args = {"task_id": task_id, "result": any_result(state), "state": state, "current": current}
    ctx.client("worker").call("store_result", **args)
    found = ctx.client("reader").meta(task_id).get("children")
    expected = _read_children(ctx, sent)
    ctx.require("WORK-7", same(found or [], expected), got=show(found), allowed=show(expected))


@check(
    "WORK-7",
    cases=[{"state": state, "request": request} for state in ("SUCCESS", "FAILURE") for request in (False, True)],
)
def other_task_has_no_children_of_mine(ctx: Context, state: str, request: bool) -> None:
    """A task that stores a result for another one does not give it its own children."""
    task_id = ctx.new_id()
    args = {"task_id": task_id, "result": any_result(state), "state": state}
    if request:
        args["request"] = {"id": task_id, "children": [CHILD]}
    current = {"id": ctx.new_id("running"), "children": OTHERS}
    ctx.client("worker").call("store_result", **args, current=current)
    found = ctx.client("reader").meta(task_id).get("children")
    expected = _read_children(ctx, [CHILD] if request else [])
    ctx.require("WORK-7", same(found or [], expected), got=show(found), allowed=show(expected))


@check(
    "WORK-8",
    given={
        "mine": st.none() | st.lists(result_tuples, max_size=3),
        "given": st.none() | st.lists(result_tuples, max_size=3),
    },
    effort=0.15,
)
def children_of_the_right_task(ctx: Context, mine: Value, given: Value) -> None:
    """They are those of the request that is given, else of the task that runs, else null."""
    _require_children(ctx, mine, given)


SENT: tuple[Value, ...] = (None, [], [CHILD], OTHERS)


@check("WORK-8", cases=[{"mine": mine, "given": given} for mine in SENT for given in SENT])
def children_of_nobody(ctx: Context, mine: Value, given: Value) -> None:
    """Without a running task no children are stored, nor for a task that sent nothing."""
    _require_children(ctx, mine, given)


def _require_children(ctx: Context, mine: Value, given: Value) -> None:
    options: dict[str, Value] = {}
    for name, children in (("current", mine), ("request", given)):
        if children is not None:
            options[name] = {"id": ctx.new_id(), "children": children}
    outcome = ctx.client().attempt("current_task_children", **options)
    expected = _read_children(ctx, (mine if given is None else given) or [])
    holds = outcome.kind == "ok" and same(outcome.value or [], expected)
    ctx.require("WORK-8", holds, got=ctx.describe(outcome), allowed=show(expected))


# -- failures beyond the task --------------------------------------------------------------------

HANDLED = ExceptionData("KeyError", "builtins", ("handled",))


@check("WORK-9", cases=[{"given": given} for given in (False, True)])
def failure_of_the_stack_is_stored(ctx: Context, given: bool) -> None:
    """What is stored is the exception that is given, or else the one that is being handled."""
    _require_failure_of_the_stack(ctx, "WORK-9", raised=True, given=given)


@check("WORK-14")
def failure_is_stored_without_a_stack(ctx: Context) -> None:
    """A given exception is stored also while none is being handled."""
    _require_failure_of_the_stack(ctx, "WORK-14", raised=False, given=True)


def _require_failure_of_the_stack(ctx: Context, requirement: str, *, raised: bool, given: bool) -> None:
    task_id, worker, reader = ctx.new_id(), ctx.client("worker"), ctx.client("reader")
    worker.store(task_id, {"pid": 1}, "STARTED")
    options: dict[str, Value] = ({"raised": HANDLED} if raised else {}) | ({"exc": BOOM} if given else {})
    outcome = worker.attempt("fail_from_current_stack", task_id=task_id, **options)
    found = reader.meta(task_id)
    _require_ok(ctx, requirement, "fail_from_current_stack", outcome)
    expected, usual = (BOOM if given else HANDLED), ctx.new_id()
    worker.store(usual, expected, "FAILURE", traceback="KeyError, ValueError")
    stored = reader.meta(usual)
    holds = found["status"] == stored["status"] and same(found["result"], stored["result"])
    ctx.require(requirement, holds, got=show(found), allowed=f"FAILURE with {show(expected)}")
    if stored.get("traceback") is None:
        raise Unobserved("store_result stores no traceback")
    text = found.get("traceback")
    named = isinstance(text, str) and expected.type in text
    ctx.require(requirement, named, got=f"traceback {show(text)}", allowed=f"a text that names {expected.type}")


# -- around a task -------------------------------------------------------------------------------


@check("WORK-10", cases=[{"state": state} for state in STATES.named], blame_hang="WORK-10")
def cleanup_after_every_task(ctx: Context, state: str) -> None:
    """However often a worker cleans up, its results stay, and it goes on storing and reading."""
    worker, kept = ctx.fresh_client("worker"), []
    for run in range(3):
        task_id = ctx.new_id()
        worker.store(task_id, any_result(state), state)
        kept.append((task_id, worker.meta(task_id)))
        for _ in range(run):
            _require_ok(ctx, "WORK-10", "process_cleanup", worker.attempt("process_cleanup"))
    for client in (worker, ctx.client("reader")):
        for task_id, before in kept:
            outcome = client.attempt("get_task_meta", task_id=task_id)
            holds = outcome.kind == "ok" and same(outcome.value, before)
            ctx.require("WORK-10", holds, got=ctx.describe(outcome), allowed=show(before))


@check("WORK-10", cases=[{"first": first} for first in (False, True)], blame_hang="WORK-10")
def cleanup_leaves_waits_alone(ctx: Context, first: bool) -> None:
    """A wait that is in progress in the client that cleans up ends with its outcome."""
    if "waiting" not in ctx.capabilities.classes:
        raise Unobserved("the subject does not claim to wait")
    task_id, client = ctx.new_id(), ctx.fresh_client("worker")
    if first:
        client.store(ctx.new_id(), 1)
    wait = begin_wait(ctx, client, task_id, AMPLE_TIMEOUT, interval=0.02)
    in_progress(ctx, task_id, wait)
    for _ in range(2):
        _require_ok(ctx, "WORK-10", "process_cleanup", client.attempt("process_cleanup"))
    ctx.client("other").store(task_id, "done")
    require_result(ctx, "WORK-10", wait.operation(), "done")


@check("WORK-11", cases=[{"there": there} for there in (None, "STARTED", "FAILURE", "SUCCESS")])
def call_is_prepared(ctx: Context, there: str | None) -> None:
    """Before a task is sent, the backend gives a map for its message and changes nothing in the store."""
    task_id, client, reader = ctx.new_id(), ctx.client(), ctx.client("reader")
    if there is not None:
        client.store(task_id, any_result(there), there)
    before = reader.meta(task_id)
    for _ in range(2):
        outcome = client.attempt("on_task_call", task_id=task_id)
        holds = outcome.kind == "ok" and (outcome.value is None or isinstance(outcome.value, Mapping))
        ctx.require("WORK-11", holds, got=ctx.describe(outcome), allowed="a map, or null")
    after = reader.meta(task_id)
    ctx.require("WORK-11", same(after, before), got=show(after), allowed=f"as before: {show(before)}")


# -- connections that are lost -------------------------------------------------------------------


@check(
    "WORK-12", needs=["cut"], cases=[{"op": op, "cuts": cuts} for op in ("store", "read", "forget") for cuts in (1, 2)]
)
def client_connects_again(ctx: Context, op: str, cuts: int) -> None:
    """After its connections were cut a client ends each call with its effect or an indefinite error, and recovers."""
    client = ctx.fresh_client("worker")
    for number in range(1, cuts + 1):
        task_id = ctx.new_id()
        client.store(task_id if op == "forget" else ctx.new_id(), 0, "PROGRESS")
        ctx.cut_connections()
        _require_recovery(ctx, client, op, task_id, number)


def _require_recovery(ctx: Context, client: Client, op: str, task_id: str, number: int) -> None:
    calls: Mapping[str, tuple[str, dict[str, Value]]] = {
        "store": ("store_result", {"task_id": task_id, "result": number, "state": "PROGRESS"}),
        "read": ("get_state", {"task_id": task_id}),
        "forget": ("forget", {"task_id": task_id}),
    }
    name, args = calls[op]

    def succeeds() -> bool:
        outcome = client.attempt(name, **args)
        lost = outcome.kind == "info" or outcome.error == "BackendGetMetaError"
        allowed = f"{name} carried out, or an indefinite error"
        ctx.require("WORK-12", outcome.kind == "ok" or lost, got=ctx.describe(outcome), allowed=allowed)
        return outcome.kind == "ok"

    recovered = ctx.eventually(succeeds, RECONNECT_SECONDS)
    got = f"errors for {RECONNECT_SECONDS:g} s"
    ctx.require("WORK-12", recovered, got=got, allowed=f"{name} succeeds after a while")
    found = ctx.fresh_client("reader").meta(task_id)
    carried_out = {"store": found["result"] == number, "forget": found["status"] == "PENDING"}
    holds = carried_out.get(op, True)
    ctx.require("WORK-12", holds, got=f"{name} succeeded, and then {show(found)}", allowed=f"{name} carried out")
