"""Checks of chapter 8: reads, and the cache of a client."""

import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import requests, results_for, scalar_text, states
from resultspec_conformance.testkit.waits import result_in
from resultspec_conformance.wire.values import ExceptionData, Value, same, show

CACHED = {"max_cached_results": 100}
NOT_SUCCESS = ["PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED", "IGNORED", "PROGRESS", "FAILURE", "REVOKED"]
DOORS = {"get_state": "status", "get_result": "result", "get_traceback": "traceback", "get_children": "children"}

entries = states.flatmap(
    lambda state: st.fixed_dictionaries(
        {"state": st.just(state), "result": results_for(state)},
        optional={"traceback": scalar_text, "request": requests},
    )
)


def _store(ctx: Context, client: Client, task_id: str, entry: dict[str, Value]) -> None:
    """Store an entry of the portable domain; whether it is taken is for other chapters to say."""
    outcome = client.attempt("store_result", task_id=task_id, **entry)
    if outcome.kind != "ok":
        raise Unobserved(f"the store was refused: {ctx.describe(outcome)}")


# -- the store -----------------------------------------------------------------------------------


@check("READ-1", given={"entry": entries}, effort=0.3)
def reading_changes_nothing(ctx: Context, entry: dict[str, Value]) -> None:
    """However often and by whichever client a task is read and waited for, it reads the same."""
    task_id = ctx.new_id()
    _store(ctx, ctx.client("writer"), task_id, entry)
    _require_unchanged_by_reads(ctx, task_id)


@check("READ-1", cases=[{"state": state} for state in ["SUCCESS", *NOT_SUCCESS]])
def reading_changes_no_state(ctx: Context, state: str) -> None:
    """In every state an entry is as it was, with its traceback and its children, after all ways to read it."""
    task_id = ctx.new_id()
    request = {"id": task_id, "children": [[["child", None], None]]}
    ctx.client("writer").store(task_id, result_in(state), state, traceback="kept", request=request)
    _require_unchanged_by_reads(ctx, task_id)


def _require_unchanged_by_reads(ctx: Context, task_id: str) -> None:
    clients = [ctx.client("a"), ctx.client("b")]
    first = clients[0].meta(task_id)
    for timeout in (0, 0.02):
        for client in clients:
            for door in ctx.usable(DOORS):
                client.attempt(door, task_id=task_id)
            if ctx.usable(["wait_for"]) and ctx.may_call("wait_for", task_id=task_id, timeout=timeout):
                client.attempt("wait_for", task_id=task_id, timeout=timeout)
            meta = client.meta(task_id)
            ctx.require("READ-1", same(meta, first), got=meta, allowed=f"the meta of the first read: {show(first)}")


@check("READ-2", cases=[{"state": state} for state in ("SUCCESS", "FAILURE", "PROGRESS")])
def result_outlives_its_writer(ctx: Context, state: str) -> None:
    """What a client stored can be read by others, also after it has closed, also by one that came later."""
    writer, reader, task_id = ctx.fresh_client("writer"), ctx.client("reader"), ctx.new_id()
    writer.store(task_id, result_in(state), state, traceback="kept")
    before = reader.meta(task_id)
    ctx.require("READ-2", before["status"] == state, got=before, allowed=f"the {state} that another client stored")
    writer.connection.close()
    for client in (reader, ctx.fresh_client("newcomer")):
        meta = client.meta(task_id)
        ctx.require("READ-2", same(meta, before), got=meta, allowed=f"what was there before: {show(before)}")


@check("READ-3", given={"entry": entries}, effort=0.3)
def every_door_shows_the_meta(ctx: Context, entry: dict[str, Value]) -> None:
    """State, result, traceback and children, asked for one by one, are those of the meta."""
    task_id = ctx.new_id()
    _store(ctx, ctx.client("writer"), task_id, entry)
    _require_doors(ctx, task_id)


@check("READ-3", cases=[{"state": state} for state in [None, "SUCCESS", *NOT_SUCCESS]])
def every_door_shows_every_state(ctx: Context, state: str | None) -> None:
    """An exception is returned and not raised, and every state has a traceback and children."""
    task_id = ctx.new_id()
    if state is not None:
        request = {"id": task_id, "children": [[["child", [["parent", None], None]], None], [["group", None], []]]}
        ctx.client("writer").store(task_id, result_in(state), state, traceback=f"of {state}", request=request)
    _require_doors(ctx, task_id)


def _require_doors(ctx: Context, task_id: str) -> None:
    reader = ctx.client("reader")
    meta = reader.meta(task_id)
    for door, member in DOORS.items():
        outcome = reader.attempt(door, task_id=task_id)
        expected = meta.get(member)
        alike = same(outcome.value, expected) or (member == "children" and not outcome.value and not expected)
        allowed = f"{door} returns {show(expected)}"
        ctx.require("READ-3", outcome.kind == "ok" and alike, got=ctx.describe(outcome), allowed=allowed)


@check(
    "READ-4", cases=[{"state": state, "by": by} for state in ["SUCCESS", *NOT_SUCCESS] for by in ("writer", "other")]
)
def forgotten_task_is_unknown(ctx: Context, state: str, by: str) -> None:
    """After `forget`, by whichever client, a task reads as one that never was."""
    writer, task_id = ctx.client("writer"), ctx.new_id()
    request = {"id": task_id, "children": [[["child", None], None]]}
    writer.store(task_id, result_in(state), state, traceback="left behind", request=request)
    unknown = {**writer.meta(ctx.new_id()), "task_id": task_id}
    ctx.client(by).forget(task_id)
    for name in ("writer", "other", "third"):
        meta = ctx.client(name).meta(task_id)
        found = {**meta, "task_id": task_id}
        ctx.require("READ-4", same(found, unknown), got=meta, allowed=f"the meta of an unknown task: {show(unknown)}")


@check("READ-4")
def forgetting_is_idempotent(ctx: Context) -> None:
    """Forgetting a task that does not exist is not an error, the first time or the third."""
    client, other, never, once = ctx.client("writer"), ctx.client("other"), ctx.new_id(), ctx.new_id()
    client.store(once, 1)
    for who, task_id in ((client, never), (client, never), (client, once), (client, once), (other, once)):
        outcome = who.attempt("forget", task_id=task_id)
        ctx.require("READ-4", outcome.kind == "ok", got=ctx.describe(outcome), allowed="no error")
    state = client.state(once)
    ctx.require("READ-4", state == "PENDING", got=state, allowed="PENDING")


# -- the cache -----------------------------------------------------------------------------------

READS: dict[str, dict[str, Value]] = {
    "get_task_meta": {},
    "get_state": {},
    "get_result": {},
    "get_traceback": {},
    "get_children": {},
    "reload_task_result": {},
    "wait_for": {"timeout": 0},
}


@check("READ-5", cases=[{"state": state, "op": op} for state in [None, *NOT_SUCCESS] for op in READS])
def only_success_is_cached(ctx: Context, state: str | None, op: str) -> None:
    """A client with a cache that has seen a task in another state than SUCCESS sees what it becomes."""
    cached, writer, task_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id()
    if state is not None:
        writer.store(task_id, result_in(state, 1), state)
    cached.attempt(op, task_id=task_id, **READS[op])
    writer.store(task_id, "done")
    found = cached.state(task_id)
    ctx.require("READ-5", found == "SUCCESS", got=f"{found} after {op} had seen {state}", allowed="SUCCESS")


def _first_and_second(ctx: Context, between: Callable[[Client, str], None]) -> tuple[Client, str]:
    """Let a client with a cache read one SUCCESS, and another client put a second in its place."""
    cached, writer, task_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id()
    writer.store(task_id, "first")
    cached.meta(task_id)
    ctx.remove(writer, task_id)
    between(writer, task_id)
    return cached, task_id


def _store_second(writer: Client, task_id: str) -> None:
    writer.store(task_id, "second")


def _nothing(writer: Client, task_id: str) -> None:
    """Leave the task forgotten."""


@check("READ-6", cases=[{"stored_again": True}, {"stored_again": False}])
def cache_can_be_passed(ctx: Context, stored_again: bool) -> None:
    """With `cache=False`, and after `reload_task_result`, a client reads what is in the store now."""
    expected = ["SUCCESS", "second"] if stored_again else ["PENDING", None]
    cached, task_id = _first_and_second(ctx, _store_second if stored_again else _nothing)
    meta = cached.call("get_task_meta", task_id=task_id, cache=False)
    found = [meta["status"], meta["result"]]
    ctx.require("READ-6", found == expected, got=found, allowed=f"{expected}, read with cache=False")
    cached.call("reload_task_result", task_id=task_id)
    meta = cached.meta(task_id)
    found = [meta["status"], meta["result"]]
    ctx.require("READ-6", found == expected, got=found, allowed=f"{expected}, read after reload_task_result")


@check("READ-7")
def forget_drops_the_cached_entry(ctx: Context) -> None:
    """A task that a client has in its cache reads as unknown after this client forgot it."""
    cached, writer, task_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id()
    writer.store(task_id, "done")
    for _ in range(2):
        cached.meta(task_id)
    cached.forget(task_id)
    meta = cached.meta(task_id)
    found = [meta["status"], meta["result"]]
    ctx.require("READ-7", found == ["PENDING", None], got=found, allowed="PENDING, and no result")


@check("READ-7", needs=["uuid"], cases=[{"read_as": read, "forgot_as": forgot} for read in "tu" for forgot in "tu"])
def forget_drops_every_form_of_the_id(ctx: Context, read_as: str, forgot_as: str) -> None:
    """The cached entry goes whether the id was read or forgotten as text (t) or as a UUID (u)."""
    cached, writer, unique = ctx.client("cached", **CACHED), ctx.client("writer"), uuid.uuid4()
    forms: dict[str, Value] = {"t": str(unique), "u": unique}
    writer.store(str(unique), "done")
    cached.meta(forms[read_as])
    cached.forget(forms[forgot_as])
    for form, name in (("t", "text"), ("u", "UUID")):
        state = cached.state(forms[form])
        ctx.require("READ-7", state == "PENDING", got=f"{state}, read as {name}", allowed="PENDING")


@check("READ-9", cases=[{"limit": limit} for limit in (100, 0)])
def is_cached_reports_what_this_client_has(ctx: Context, limit: int) -> None:
    """`is_cached` is true once this client has cached a SUCCESS, and not before, nor for others, nor after `forget`."""
    name, options = "cached", {"max_cached_results": limit}
    cached, stranger = ctx.client(name, **options), ctx.client("stranger", **options)
    writer, task_id = ctx.client("writer"), ctx.new_id()

    def require(client: Client, expected: bool, when: str) -> None:
        found = client.call("is_cached", task_id=task_id)
        ctx.require("READ-9", found is expected, got=f"{found} {when}", allowed=f"{expected} {when}")

    require(cached, False, "for a task that is not there")
    writer.store(task_id, "done")
    require(cached, False, "for a task that it never read")
    cached.meta(task_id)
    require(cached, True, "after it has read SUCCESS")
    require(stranger, False, "for a task that only another client has read")
    if ctx.usable(["forget"]):
        cached.forget(task_id)
        require(cached, False, "for a task that it has forgotten")


# -- whose meta it is ----------------------------------------------------------------------------


def _spoil(value: Any) -> None:
    """Change an object wherever it can be changed, all the way down."""
    if isinstance(value, dict):
        for member in list(value.values()):
            _spoil(member)
        value["spoilt"] = True
    elif isinstance(value, list):
        for member in value:
            _spoil(member)
        value.append("spoilt")
    elif isinstance(value, tuple):
        for member in value:
            _spoil(member)
    elif isinstance(value, BaseException):
        for member in value.args:
            _spoil(member)
        value.args = ("spoilt", *value.args)


def _spoil_meta(meta: dict[str, Any]) -> None:
    for member in list(meta.values()):
        _spoil(member)
    meta.update(dict.fromkeys(meta, "spoilt"))


NESTED: Value = {"list": [1, [2, {"deep": [3]}]], "map": {"key": "value"}}
METHODS = ("get_task_meta", "get_result", "get_children", "wait_for")


@check(
    "READ-8",
    cases=[
        {"state": state, "method": method, "cached": cached}
        for state in ("SUCCESS", "FAILURE", "PROGRESS")
        for method in METHODS
        for cached in (False, True)
        if method != "wait_for" or state == "SUCCESS"
    ],
)
def returned_meta_belongs_to_the_caller(ctx: Context, state: str, method: str, cached: bool) -> None:
    """Whatever a caller does to what it was given, the next answer is as the first one was."""
    if cached and "cache" not in ctx.capabilities.provided:
        raise Unobserved("the subject has no cache")
    client, task_id = ctx.client("reader", **CACHED if cached else {}), ctx.new_id()
    result = ExceptionData("ValueError", "builtins", (NESTED,)) if state == "FAILURE" else NESTED
    request = {"id": task_id, "children": [[["child", [["parent", None], None]], None], [["group", None], []]]}
    ctx.client("writer").store(task_id, result, state, request=request)
    options = {"timeout": 1.0} if method == "wait_for" else {}
    ctx.direct(client, method, task_id, **options)
    first = client.meta(task_id)
    if first["status"] != state:
        raise Unobserved("the task changed when it was read")
    for _ in range(2):
        answer = ctx.direct(client, method, task_id, **options)
        (_spoil_meta if method == "get_task_meta" else _spoil)(answer)
        meta = client.meta(task_id)
        ctx.require("READ-8", same(meta, first), got=meta, allowed=f"the meta as it was: {show(first)}")
