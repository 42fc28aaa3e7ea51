"""Checks of chapter 15: the rows of tasks in the tables of a database, and what a reader makes of those of others."""

import datetime as dt
import json
import pickle
import time
from collections.abc import Mapping
from typing import Any

from kombu import serialization

from resultspec import STATES, row_vectors
from resultspec_conformance.subject import exception_samples as samples
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.suite.tasks.meta import EVERY_STATE, ROUNDING, any_result, json_client, names_instant
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.task_model import instant
from resultspec_conformance.wire.values import ExceptionData, Value, decode, same, show

_kombu: Any = serialization
TRACEBACK = "Traceback (most recent call last):\n  x()\nValueError: x\n"
CHILDREN: list[Value] = [[["child", [["parent", None], None]], None], [["group", None], [[["member", None], None]]]]
EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue", "stamps")
GARBAGE = b"\xff\xfe\x00garbage"

TaskRow = Mapping[str, Value]


def _row(ctx: Context, task_id: str) -> TaskRow:
    """Return the row of a task. Raises Unobserved if there is none."""
    found = ctx.rows.rows(task_id)
    if not found:
        raise Unobserved("the probe finds no row of the task")
    return found[0]


def _put(ctx: Context, task_id: str, **columns: Value) -> None:
    """Put a row as another writer may."""
    ctx.rows.put_row({"task_id": task_id, **columns})
    ctx.history.note(SUITE, "probe.put_row", {"task_id": task_id, **columns})


def _loaded(payload: Value, serializer: str) -> Value:
    """Return the value in stored bytes. Raises ValueError for what the serializer has not made."""
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise ValueError(f"{type(payload).__name__} where bytes belong")
    stored = bytes(payload)
    if serializer == "json":
        return json.loads(stored.decode())
    content_type, encoding, _ = _kombu.registry._encoders[serializer]
    try:
        return _kombu.loads(stored, content_type, encoding, accept=[content_type])
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _require_loaded(ctx: Context, requirement: str, payload: Value, serializer: str, expected: Value) -> None:
    allowed = f"{show(expected)} in {serializer}"
    try:
        found = _loaded(payload, serializer)
    except ValueError as error:
        ctx.require(requirement, False, got=f"{show(payload)}: {error}", allowed=allowed)
        return
    ctx.require(requirement, same(_in_lists(found), expected), got=show(payload), allowed=allowed)


def _in_lists(value: Value) -> Value:
    """Return a value with its tuples, which pickle keeps, replaced by lists."""
    return [_in_lists(member) for member in value] if isinstance(value, (list, tuple)) else value


# -- what is stored ------------------------------------------------------------------------------


@check("SQL-1", needs=["rows"], cases=[{"state": state} for state in EVERY_STATE])
def task_is_one_row(ctx: Context, state: str) -> None:
    """A task that was stored several times, by several clients, is one row with its id and its last state."""
    task_id = ctx.new_id()
    for name in ("writer", "other"):
        client = ctx.client(name)
        client.store(task_id, None, "STARTED")
        client.store(task_id, any_result(state), state)
    found = ctx.rows.rows(task_id)
    ctx.require("SQL-1", len(found) == 1, got=f"{len(found)} rows of task {task_id}", allowed="one row")
    stored = {name: found[0].get(name) for name in ("task_id", "status")}
    expected = {"task_id": task_id, "status": state}
    ctx.require("SQL-1", stored == expected, got=stored, allowed=show(expected))


VALUES: tuple[Value, ...] = ({"a": [1, None, "é"]}, None, "text", 7, [], False)
RESULTS: list[dict[str, Value]] = [{"state": "SUCCESS", "result": value} for value in VALUES]


@check("VALUE-7", needs=["rows"], cases=[{"state": state} for state in ("STARTED", "FAILURE", "SUCCESS")])
def row_without_a_status_is_replaced(ctx: Context, state: str) -> None:
    """A row whose status is NULL is not a meta, and is replaced by whatever is stored."""
    client, task_id = json_client(ctx, "writer"), ctx.new_id()
    # this makes the table, if it does not exist yet
    client.store(ctx.new_id(), None)
    ctx.rows.put_row({"task_id": task_id, "status": None, "result": b"1"})
    client.store(task_id, any_result(state), state)
    found = client.member(task_id, "status")
    ctx.require("VALUE-7", found.value == state, got=ctx.describe(found), allowed=state)


@check("SQL-2", needs=["rows"], cases=[*RESULTS, {"state": "PROGRESS", "result": {"n": 1}}])
def result_is_in_the_serializer(ctx: Context, state: str, result: Value) -> None:
    """With each of its serializers a client stores the bytes that the serializer makes of the result alone."""
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        client.store(task_id, result, state)
        _require_loaded(ctx, "SQL-2", _row(ctx, task_id).get("result"), serializer, result)


@check("SQL-2", needs=["rows"], cases=[{"state": state} for state in ("FAILURE", "RETRY", "REVOKED")])
def exception_is_in_the_serializer(ctx: Context, state: str) -> None:
    """An exception is stored as its three members in every serializer but pickle."""
    expected = {"exc_type": "ValueError", "exc_message": ["x", 3], "exc_module": "builtins"}
    for serializer in ctx.capabilities.serializers:
        if serializer == "pickle":
            continue
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        client.store(task_id, ExceptionData("ValueError", "builtins", ("x", 3)), state)
        _require_loaded(ctx, "SQL-2", _row(ctx, task_id).get("result"), serializer, expected)


@check("SQL-3", needs=["rows"], cases=[{"state": state} for state in ("SUCCESS", "FAILURE", "RETRY", "STARTED")])
def children_and_traceback_have_columns(ctx: Context, state: str) -> None:
    """Children are stored in the serializer, a traceback as it is."""
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        request = {"id": task_id, "children": CHILDREN}
        client.store(task_id, any_result(state), state, traceback=TRACEBACK, request=request)
        found = _row(ctx, task_id)
        _require_loaded(ctx, "SQL-3", found.get("children"), serializer, CHILDREN)
        told = found.get("traceback")
        ctx.require("SQL-3", told == TRACEBACK, got=show(told), allowed=show(TRACEBACK))


@check("SQL-3", needs=["rows"], cases=[{"request": request} for request in (False, True)])
def no_children_and_no_traceback_are_null(ctx: Context, request: bool) -> None:
    """Without children the column is NULL, or reads as null or empty; without a traceback it is NULL."""
    client, task_id = json_client(ctx, "writer"), ctx.new_id()
    client.store(task_id, 1, request={"id": task_id, "children": []} if request else None)
    found = _row(ctx, task_id)
    children = found.get("children")
    empty = children is None or (isinstance(children, bytes) and bytes(children).strip() in (b"null", b"[]"))
    ctx.require("SQL-3", empty, got=f"children {show(children)}", allowed="NULL, or null or an empty list in json")
    told = found.get("traceback")
    ctx.require("SQL-3", told is None, got=f"traceback {show(told)}", allowed="NULL")


def _moment(stored: Value) -> dt.datetime | None:
    """Return a stored date as an aware datetime, None for NULL. Raises ValueError for one that names a zone."""
    moment = dt.datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    if moment is None:
        return None
    if not isinstance(moment, dt.datetime) or moment.tzinfo is not None:
        raise ValueError(f"{stored!r} is not an instant without a zone")
    return moment.replace(tzinfo=dt.UTC)


@check("SQL-4", needs=["rows"], cases=[{"state": state, "times": times} for state in EVERY_STATE for times in (1, 2)])
def date_is_in_utc_or_null(ctx: Context, state: str, times: int) -> None:
    """A ready row has the instant of the store in UTC, without a zone; any other row has no date."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    before = time.time()
    for _ in range(times):
        client.store(task_id, any_result(state), state, request={"id": task_id})
    after, stored = time.time(), _row(ctx, task_id).get("date_done")
    if not STATES.is_ready(state):
        ctx.require("SQL-4", stored is None, got=show(stored), allowed="NULL")
        return
    try:
        moment = _moment(stored)
    except ValueError as error:
        ctx.require("SQL-4", False, got=str(error), allowed="an instant in UTC without zone")
        return
    tolerance = ctx.capabilities.time_resolution + ROUNDING
    holds = moment is not None and before - tolerance <= moment.timestamp() <= after + tolerance
    ctx.require("SQL-4", holds, got=show(stored), allowed="the instant of the store in UTC")


@check(
    "SQL-5",
    needs=["rows"],
    cases=[{"state": state, "given": given} for state in ("SUCCESS", "STARTED", "FAILURE") for given in (True, False)],
)
def group_and_parent_have_columns(ctx: Context, state: str, given: bool) -> None:
    """The ids of the group and of the parent are plain text, or NULL."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    request = {"id": task_id, "group": "group-1", "parent_id": "parent-1"} if given else {"id": task_id}
    client.store(task_id, any_result(state), state, request=request)
    found = {name: _row(ctx, task_id).get(name) for name in ("group_id", "parent_id")}
    expected = {"group_id": "group-1", "parent_id": "parent-1"} if given else {"group_id": None, "parent_id": None}
    ctx.require("SQL-5", found == expected, got=found, allowed=show(expected))


@check(
    "SQL-6",
    "SQL-4",
    needs=["rows"],
    cases=[{"state": state} for state in ("STARTED", "SUCCESS", "FAILURE", "PROGRESS")],
)
def row_is_replaced_whole(ctx: Context, state: str) -> None:
    """Of an entry that another writer stored with all columns, nothing is left but the id."""
    client, task_id = json_client(ctx, "writer"), ctx.new_id()
    stamps = {"stamped_headers": ["mystamp"], "stamps": {"mystamp": ["v1"]}}
    _put(
        ctx, task_id, status="RETRY", result=b"null", traceback="earlier", children=json.dumps(CHILDREN).encode(),
        group_id="earlier", parent_id="earlier", name="earlier", args=b"[1]", kwargs=b"{}", worker="earlier",
        retries=2, queue="earlier", stamps=json.dumps(stamps).encode(), date_done="2026-03-01 12:00:00",
    )  # fmt: skip
    client.store(task_id, any_result(state), state)
    found = _row(ctx, task_id)
    names = ("traceback", "group_id", "parent_id", *EXTENDED)
    left = {name: found[name] for name in names if found.get(name) is not None}
    ctx.require("SQL-6", not left, got=f"left: {show(left)}", allowed="NULL")
    children = found.get("children")
    empty = children is None or bytes(children).strip() in (b"null", b"[]")
    ctx.require("SQL-6", empty, got=f"children {show(children)}", allowed="none")
    date = found.get("date_done")
    dated = (date is not None) == STATES.is_ready(state)
    ctx.require("SQL-4", dated, got=show(date), allowed="a date if the state is ready, and else NULL")


# -- the guard -----------------------------------------------------------------------------------


@check(
    "SQL-7",
    needs=["rows"],
    cases=[
        {"arrives": arrives, "result": result}
        for arrives in ("SUCCESS", "FAILURE", "STARTED", "PROGRESS")
        for result in (GARBAGE, None, b'"kept"')
    ],
)
def success_is_recognised_by_its_column(ctx: Context, arrives: str, result: bytes | None) -> None:
    """A row in SUCCESS is kept as it is, even if its result is missing or cannot be decoded."""
    client, task_id = json_client(ctx, "writer"), ctx.new_id()
    _put(ctx, task_id, status="SUCCESS", result=result, traceback="kept", date_done="2026-03-01 12:00:00")
    before = _row(ctx, task_id)
    client.attempt("store_result", task_id=task_id, result=any_result(arrives), state=arrives)
    after = _row(ctx, task_id)
    changed = {name: after.get(name) for name in before if not same(after.get(name), before[name])}
    ctx.require("SQL-7", not changed, got=f"changed: {show(changed)}", allowed="the row as it was")


# -- what others wrote ---------------------------------------------------------------------------

_VECTORS = {vector.name: vector for vector in row_vectors()}


def _reader(ctx: Context, *, pickles: bool) -> Client:
    if "json" not in ctx.capabilities.serializers:
        raise Unobserved("the subject does not claim the serializer json")
    return ctx.client("reader", serializer="json", accept=("json", "pickle") if pickles else ("json",))


def _require_vector(ctx: Context, name: str) -> None:
    """Require that the row of a vector is read as it says; of a state that is not ready, SQL-10 of its date."""
    vector = _VECTORS[name]
    _put(ctx, vector.task_id, **vector.row)
    outcome = _reader(ctx, pickles=bool(vector.applies)).attempt("get_task_meta", task_id=vector.task_id)
    principal = "SQL-9" if vector.applies else "SQL-8"
    allowed = f"{vector.description} It reads as {show(dict(vector.meta))}"
    ctx.require(principal, outcome.kind == "ok", got=ctx.describe(outcome), allowed=allowed)
    for member, encoded in vector.meta.items():
        found, expected = outcome.value.get(member), decode(encoded)
        requirement = principal
        if member == "date_done":
            requirement = principal if expected else "SQL-10"
            holds = names_instant(found, instant(expected), vector.row.get("date_done"))
        else:
            holds = same(found or None, expected) if member == "children" else same(found, expected)
        got = f"{member} {show(found)}"
        ctx.require(requirement, holds, got=got, allowed=f"{vector.description} {show(expected)}")


@check("SQL-8", "SQL-10", needs=["rows"], cases=[{"vector": name} for name in _VECTORS if not _VECTORS[name].applies])
def row_of_a_release_is_read(ctx: Context, vector: str) -> None:
    """What Celery 5.7 stored in a table is read as the vectors say."""
    _require_vector(ctx, vector)


@check("SQL-9", "SQL-10", needs=["rows"], cases=[{"vector": name} for name in _VECTORS if _VECTORS[name].applies])
def pickled_row_is_read_where_pickle_is_accepted(ctx: Context, vector: str) -> None:
    """What Celery up to 5.6 stored is read by a client of json that accepts pickle too."""
    _require_vector(ctx, vector)


@check(
    "SQL-9",
    needs=["rows"],
    cases=[{"protocol": protocol, "trap": trap} for protocol in (2, 3, 4, 5) for trap in (True, False)],
)
def pickled_row_is_refused_where_pickle_is_not_accepted(ctx: Context, protocol: int, trap: bool) -> None:
    """A client that accepts only json refuses a pickle in every way of reading, and never deserialises it."""
    task_id = ctx.new_id()
    _put(ctx, task_id, status="SUCCESS", result=pickle.dumps(samples.Trap() if trap else {"x": 1}, protocol))
    before = _row(ctx, task_id)
    samples.called.clear()
    for op in ctx.usable(("get_task_meta", "get_result")):
        outcome = _reader(ctx, pickles=False).attempt(op, task_id=task_id)
        ctx.require(
            "SQL-9", not samples.called, got="the result was unpickled", allowed="no byte of it is deserialised"
        )
        ctx.require_refused("SQL-9", outcome, "ContentDisallowed")
    ctx.require("SQL-9", same(_row(ctx, task_id), before), got="another row", allowed="the row as it was")


@check("SQL-9", needs=["rows"], cases=[{"column": column} for column in ("children", "args", "kwargs", "stamps")])
def pickle_in_any_column_is_left_alone(ctx: Context, column: str) -> None:
    """A client that accepts only json deserialises neither the children nor the description of a call from a pickle."""
    task_id = ctx.new_id()
    if column not in ctx.rows.columns():
        raise Unobserved(f"the table has no column {column}")
    _put(ctx, task_id, status="SUCCESS", result=b"7", **{column: pickle.dumps(samples.Trap())})
    samples.called.clear()
    _reader(ctx, pickles=False).attempt("get_task_meta", task_id=task_id)
    ctx.require("SQL-9", not samples.called, got=f"{column} was unpickled", allowed="no byte of it is deserialised")


@check("SQL-10", needs=["rows"], cases=[{"state": state} for state in EVERY_STATE if not STATES.is_ready(state)])
def date_of_an_unready_row_is_null(ctx: Context, state: str) -> None:
    """A date that another writer gave to an unready row is not reported as the end of the task."""
    reader, task_id = json_client(ctx), ctx.new_id()
    _put(ctx, task_id, status=state, result=b"null", date_done="2026-03-01 12:00:00")
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    holds = outcome.kind == "ok" and outcome.value.get("date_done") is None
    ctx.require("SQL-10", holds, got=ctx.describe(outcome), allowed="a null date_done")


@check("SQL-11", needs=["rows"], cases=[{"state": state} for state in ("SUCCESS", "STARTED", "PROGRESS", "RETRY")])
def row_of_a_state_alone_is_read(ctx: Context, state: str) -> None:
    """Columns that are NULL are members that are null."""
    reader, task_id = json_client(ctx), ctx.new_id()
    _put(ctx, task_id, status=state)
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    ctx.require("SQL-11", outcome.kind == "ok", got=ctx.describe(outcome), allowed=f"a meta in {state}")
    found = {name: value for name, value in outcome.value.items() if value not in (None, [])}
    ctx.require("SQL-11", found == {"status": state, "task_id": task_id}, got=found, allowed="no other member")


@check("SQL-11", needs=["rows"], cases=[{"column": column} for column in ("args", "kwargs", "stamps")])
def unreadable_extended_column_hides_no_result(ctx: Context, column: str) -> None:
    """A result is read even if the arguments or stamps beside it cannot be decoded."""
    reader, task_id = json_client(ctx), ctx.new_id()
    if column not in ctx.rows.columns():
        raise Unobserved(f"the table has no column {column}")
    _put(ctx, task_id, status="SUCCESS", result=b"7", **{column: GARBAGE})
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    holds = outcome.kind == "ok" and (outcome.value["status"], outcome.value["result"]) == ("SUCCESS", 7)
    ctx.require("SQL-11", holds, got=ctx.describe(outcome), allowed="SUCCESS and 7")


# -- large values --------------------------------------------------------------------------------


@check("SQL-12", cases=[{"result": 2**20, "traceback": 10}, {"result": 10, "traceback": 2**17}])
def large_row_is_kept(ctx: Context, result: int, traceback: int) -> None:
    """A result of 1 MiB and a long traceback come back whole."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    text = "é" * (traceback // 2)
    outcome = client.attempt("store_result", task_id=task_id, result="x" * result, state="SUCCESS", traceback=text)
    ctx.require("SQL-12", outcome.kind == "ok", got=ctx.describe(outcome)[:200], allowed="the row is stored")
    found = client.meta(task_id)
    holds = found["result"] == "x" * result and found.get("traceback") == text
    ctx.require("SQL-12", holds, got="another entry", allowed="the entry that was stored")
