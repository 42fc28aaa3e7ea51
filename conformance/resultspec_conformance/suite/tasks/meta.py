"""Checks of chapter 4: the members of the task meta, and what a reader makes of one that others wrote."""

import datetime as dt
import json
import re
import time
from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probe_protocols import RowProbe
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import (
    portable_scalars,
    portable_values,
    requests,
    result_tuples,
    scalar_text,
)
from resultspec_conformance.testkit.task_model import Write, expected_result, instant, moment_of
from resultspec_conformance.wire.values import ExceptionData, Value, same, show

MEMBERS = ("status", "result", "traceback", "children", "date_done", "task_id")
CUSTOM = ("PROGRESS", "success")
EXCEPTION = STATES.sets["EXCEPTION"]
EVERY_STATE = (*STATES.named, *STATES.reserved, *CUSTOM)
ROUNDING = 0.001
"""Seconds by which a text of milliseconds may be off."""


def any_result(state: str) -> Value:
    """Return a result that suits a state."""
    return ExceptionData("ValueError", "builtins", ("x",)) if state in EXCEPTION else {"x": 1}


def json_client(ctx: Context, name: str = "reader") -> Client:
    """Return a client that reads json, for payloads that the suite writes itself. Raises Unobserved."""
    if "json" not in ctx.capabilities.serializers:
        raise Unobserved("the subject does not claim the serializer json")
    return ctx.client(name, serializer="json")


def reader_of_extended_members(ctx: Context) -> Client:
    """Return a client that reads the extended members of json: in a table it has the option (EXT-9, EXT-11)."""
    if not isinstance(ctx.session.subject.probe, RowProbe):
        return json_client(ctx)
    return ctx.client("reader", serializer=json_client(ctx).options.serializer, extended=True)


def is_there(client: Client, task_id: Value) -> bool:
    """Whether a result that is not empty is read under an id; a read that is refused or fails finds nothing."""
    outcome = client.attempt("get_task_meta", task_id=task_id)
    return outcome.kind == "ok" and bool(outcome.value.get("result"))


def stored_json(ctx: Context, task_id: str, meta: Mapping[str, Value]) -> None:
    """Put a meta, which is plain JSON, under a task by the probe."""
    payload = json.dumps(meta).encode()
    ctx.plant(task_id, payload)


# -- what a meta has -----------------------------------------------------------------------------


@check(
    "META-1",
    cases=[
        *({"state": state, "request": request} for state in EVERY_STATE for request in (False, True)),
        *({"state": state, "request": False, "empty": True} for state in EVERY_STATE if state not in EXCEPTION),
    ],
)
def meta_has_its_members(ctx: Context, state: str, request: bool, empty: bool = False) -> None:
    """The meta of a stored task has the six members in every state, with and without a request and a result."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    result = None if empty else any_result(state)
    client.store(task_id, result, state, request={"id": task_id} if request else None)
    found = ctx.client("reader").meta(task_id)
    missing = [member for member in MEMBERS if member not in found]
    ctx.require("META-1", not missing, got=f"no {', '.join(missing)} in {show(found)}", allowed="all six members")
    named = found["task_id"] == task_id and found["status"] == state
    ctx.require("META-1", named, got=found, allowed=f"status {state} and task_id {task_id}")
    bare = found["traceback"] is None and not found["children"]
    ctx.require("META-1", bare, got=found, allowed="null where nothing was stored")


@check("META-2", cases=[{"task_id": task_id} for task_id in ("", "-x", ".y", "0" * 60)])
def unknown_task_is_pending(ctx: Context, task_id: str) -> None:
    """A task that nobody stored reads as PENDING with a null result, in every way of reading."""
    client, unknown = ctx.client(), ctx.new_id("unknown") + task_id
    outcome = client.attempt("get_task_meta", task_id=unknown)
    holds = outcome.kind == "ok" and (outcome.value["status"], outcome.value.get("result", "none")) == ("PENDING", None)
    ctx.require("META-2", holds, got=ctx.describe(outcome), allowed="status PENDING and a null result")
    expected = {"get_state": "PENDING", "get_result": None, "get_traceback": None}
    for op in ctx.usable(expected):
        outcome = client.attempt(op, task_id=unknown)
        holds = outcome.kind == "ok" and outcome.value == expected[op]
        ctx.require("META-2", holds, got=f"{op}: {ctx.describe(outcome)}", allowed=show(expected[op]))


@check("META-3")
def unknown_task_has_all_members(ctx: Context) -> None:
    """The meta of an unknown task has the six members, and the id that was asked for."""
    unknown = ctx.new_id("unknown")
    outcome = ctx.client().attempt("get_task_meta", task_id=unknown)
    if outcome.kind != "ok":
        raise Unobserved("the meta of an unknown task cannot be read at all")
    found = outcome.value
    missing = [member for member in MEMBERS if member not in found]
    ctx.require("META-3", not missing, got=f"no {', '.join(missing)}", allowed="all six members")
    ctx.require("META-3", found["task_id"] == unknown, got=found["task_id"], allowed=unknown)


# -- traceback -----------------------------------------------------------------------------------

TRACEBACKS = (
    "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x()\nValueError: ('boom', 3)\n",
    "", " ", "\n", "  indented\n\ttab\n\n\n", "CRLF\r\nCR\rend", "no newline", "null", "None",
    "%s {0} \\n \\u0000 'quoted' \"",
    "é 漢 \U0001f600 \u2028 \ufeff", "x" * 4_000, "line\n" * 700,
)  # fmt: skip


def _require_traceback(ctx: Context, traceback: str | None, state: str, serializer: int) -> None:
    chosen = ctx.capabilities.serializers[serializer % len(ctx.capabilities.serializers)]
    task_id = ctx.new_id()
    ctx.client("writer", serializer=chosen).store(task_id, any_result(state), state, traceback=traceback)
    reader = ctx.client("reader", serializer=chosen)
    found = reader.meta(task_id).get("traceback")
    ctx.require("META-5", found == traceback, got=found, allowed=show(traceback))


@check("META-5", cases=[{"traceback": traceback} for traceback in (*TRACEBACKS, None)])
def known_tracebacks_come_back(ctx: Context, traceback: str | None) -> None:
    """Tracebacks that were cut, stripped or re-indented by stores come back exactly, with every serializer."""
    for number in range(len(ctx.capabilities.serializers)):
        _require_traceback(ctx, traceback, "RETRY" if number % 2 else "FAILURE", number)


@check("META-5", given={"traceback": scalar_text, "serializer": st.integers(0, 3)}, effort=0.25)
def any_traceback_comes_back(ctx: Context, traceback: str, serializer: int) -> None:
    """Any text of Unicode scalar values but NUL comes back exactly as a traceback."""
    _require_traceback(ctx, traceback, "FAILURE", serializer)


def _escaped(character: str) -> str:
    """Return a regular expression for the possible replacements of NUL or of a lone surrogate."""
    code = f"{ord(character):x}"
    picture = "|\u2400" if character == "\x00" else ""
    return rf"(?:{re.escape(character)}{picture}|[^\w\s]{{1,3}}[uUxX+]{{0,2}}[{{<]?0*{code}[^\w\s]{{0,2}})"


def _escapable(traceback: str) -> "re.Pattern[str]":
    parts = [_escaped(c) if c == "\x00" or "\ud800" <= c <= "\udfff" else re.escape(c) for c in traceback]
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


@check(
    "META-6",
    cases=[
        {"traceback": traceback, "state": state}
        for traceback in ("a\x00b", "\x00", "a\ud800b", "line\n\udfff", "\udc80 and \x00 and \udc81", "x\x00\x00y")
        for state in ("FAILURE", "RETRY", "REVOKED")
    ],
)
def odd_traceback_keeps_no_state_from_being_stored(ctx: Context, traceback: str, state: str) -> None:
    """NUL and lone surrogates in a traceback neither prevent the failure from being stored nor vanish."""
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        outcome = client.attempt(
            "store_result", task_id=task_id, result=any_result(state), state=state, traceback=traceback
        )
        ctx.require("META-6", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the failure is stored")
        found = client.meta(task_id)
        ctx.require("META-6", found["status"] == state, got=found["status"], allowed=state)
        text = found.get("traceback")
        holds = isinstance(text, str) and _escapable(traceback).fullmatch(text) is not None
        ctx.require("META-6", holds, got=text, allowed=f"{show(traceback)}, or visible escapes of what is odd in it")


# -- children, group and parent ------------------------------------------------------------------


@check(
    "META-7",
    given={"children": st.lists(result_tuples, min_size=1, max_size=4), "serializer": st.integers(0, 3)},
    effort=0.3,
)
def children_come_back(ctx: Context, children: list[Value], serializer: int) -> None:
    """Children come back as result tuples in their order, with their ids, parents and members."""
    chosen = ctx.capabilities.serializers[serializer % len(ctx.capabilities.serializers)]
    task_id = ctx.new_id()
    ctx.client("writer", serializer=chosen).store(task_id, 1, request={"id": task_id, "children": children})
    reader = ctx.client("reader", serializer=chosen)
    found = reader.meta(task_id).get("children")
    ctx.require("META-7", found == children, got=found, allowed=show(children))


@check(
    "META-7",
    cases=[
        {"state": state, "children": [["b", None], ["a", None], ["b", None], ["a", [["p", None], None]]]}
        for state in ("SUCCESS", "FAILURE", "RETRY", "PROGRESS")
    ],
)
def order_and_repetition_of_children_stay(ctx: Context, state: str, children: list[Value]) -> None:
    """Children are neither sorted nor taken for a set, in any state; a retried task is among its own children."""
    task_id = ctx.new_id()
    sent = [[child, None] for child in [*children, [task_id, None]]]
    ctx.client("writer").store(task_id, any_result(state), state, request={"id": task_id, "children": sent})
    found = ctx.client("reader").meta(task_id).get("children")
    ctx.require("META-7", found == sent, got=found, allowed=show(sent))


@check(
    "META-8",
    cases=[
        {"children": children, "state": state}
        for children in ("no request", "absent", "null", "empty")
        for state in ("SUCCESS", "STARTED", "FAILURE")
    ],
)
def no_children_are_null_or_empty(ctx: Context, children: str, state: str) -> None:
    """Without children in the request none come back, not those of the task before either."""
    client, other, task_id = ctx.client(), ctx.new_id("other"), ctx.new_id()
    client.store(other, 1, request={"id": other, "children": [[["child", None], None]]})
    given: Mapping[str, Value] = {
        "no request": None,
        "absent": {"id": task_id},
        "null": {"id": task_id, "children": None},
        "empty": {"id": task_id, "children": []},
    }
    client.store(task_id, any_result(state), state, request=given[children])
    found = client.meta(task_id).get("children")
    ctx.require("META-8", found is None or found == [], got=found, allowed="null or an empty list")


@check("META-11", given={"request": requests}, effort=0.25)
def group_and_parent_come_back(ctx: Context, request: dict[str, Value]) -> None:
    """The group and the parent of the request come back, and are null or absent where there are none."""
    task_id = ctx.new_id()
    writer = ctx.client("writer")
    writer.store(task_id, None, "STARTED", request={"id": task_id, "group": "earlier", "parent_id": "earlier"})
    writer.store(task_id, 1, request={**request, "id": task_id})
    found = ctx.client("reader").meta(task_id)
    for member, source in (("group_id", "group"), ("parent_id", "parent_id")):
        expected = request.get(source)
        got = f"{member} {show(found.get(member))}"
        ctx.require("META-11", found.get(member) == expected, got=got, allowed=show(expected))


@check("META-11", cases=[{"state": state, "empty": empty} for state in EVERY_STATE for empty in (None, "", "given")])
def group_and_parent_in_every_state(ctx: Context, state: str, empty: str | None) -> None:
    """Group and parent come back in every state; null and the empty text are none."""
    task_id = ctx.new_id()
    request = {"id": task_id, "group": empty and "g-1", "parent_id": empty and "p-1"}
    ctx.client("writer").store(task_id, any_result(state), state, request=request)
    found = ctx.client("reader").meta(task_id)
    for member, expected in (("group_id", "g-1"), ("parent_id", "p-1")):
        holds = found.get(member) == expected if empty else not found.get(member)
        got = f"{member} {show(found.get(member))}"
        ctx.require("META-11", holds, got=got, allowed=expected if empty else "absent or null")


# -- date_done -----------------------------------------------------------------------------------


@check("META-9", cases=[{"state": state, "times": times} for state in EVERY_STATE for times in (1, 2)])
def only_ready_tasks_are_dated(ctx: Context, state: str, times: int) -> None:
    """`date_done` is set in READY states and null in all others, also when a state is stored again."""
    client, task_id = ctx.client(), ctx.new_id()
    client.store(task_id, any_result(state), state, request={"id": task_id})
    for _ in range(1, times):
        client.attempt("store_result", task_id=task_id, result=any_result(state), state=state, request={"id": task_id})
    found = client.meta(task_id).get("date_done")
    ready = STATES.is_ready(state)
    ctx.require("META-9", (found is not None) == ready, got=found, allowed="a date" if ready else "null")


@check("META-9")
def retried_task_is_not_dated(ctx: Context) -> None:
    """A task that runs again after a failure loses the date of it, where the store lets it run again."""
    client, task_id = ctx.client(), ctx.new_id()
    client.store(task_id, any_result("FAILURE"), "FAILURE")
    client.store(task_id, None, "STARTED")
    found = client.meta(task_id)
    ready = STATES.is_ready(found["status"])
    ctx.require(
        "META-9", (found.get("date_done") is not None) == ready, got=found, allowed="a date if the state is ready"
    )


@check(
    "META-10",
    cases=[
        {"state": state, "serializer": number} for state in ("SUCCESS", "FAILURE", "REVOKED") for number in range(4)
    ],
)
def date_done_is_the_instant_of_the_store(ctx: Context, state: str, serializer: int) -> None:
    """`date_done` lies between the start and the end of the store, and includes its offset."""
    serializers = ctx.capabilities.serializers
    client, task_id = ctx.client(serializer=serializers[serializer % len(serializers)]), ctx.new_id()
    client.store(task_id, None, "STARTED")
    before = time.time()
    client.store(task_id, any_result(state), state)
    after = time.time()
    found = client.meta(task_id).get("date_done")
    try:
        moment = instant(found)
    except ValueError as error:
        ctx.require("META-10", False, got=str(error), allowed="an instant, with its offset from UTC")
        return
    tolerance = ctx.capabilities.time_resolution + ROUNDING
    holds = moment is not None and before - tolerance <= moment.timestamp() <= after + tolerance
    bounds = [dt.datetime.fromtimestamp(bound, dt.UTC).isoformat() for bound in (before, after)]
    ctx.require("META-10", holds, got=found, allowed=f"an instant from {bounds[0]} to {bounds[1]}")


# -- what others wrote ---------------------------------------------------------------------------

WHOLE: Mapping[str, Value] = {
    "status": "SUCCESS",
    "result": 7,
    "traceback": None,
    "children": [],
    "date_done": "2026-03-01T12:00:00.250000+00:00",
}


@check("META-4", "META-16", cases=[{"cached": False}, {"cached": True}])
def id_that_was_asked_for_wins(ctx: Context, cached: bool) -> None:
    """An entry that names another task is an entry of the task under whose id it was found, and of no other."""
    reader = json_client(ctx)
    if cached:
        reader = ctx.fresh_client("cached", serializer="json", max_cached_results=10)
    asked, named = ctx.new_id("asked"), ctx.new_id("named")
    stored_json(ctx, asked, {**WHOLE, "task_id": named})
    found = reader.meta(asked)
    other = is_there(reader, named)
    ctx.require("META-4", not other, got=f"{named} reads as an entry", allowed=f"{named} stays unknown")
    for meta in (found, reader.meta(asked)):
        ctx.require("META-16", meta.get("task_id") == asked, got=meta, allowed=f"the task_id {asked}")


KNOWN_TO_BE_TYPED = {*MEMBERS, "group_id", "parent_id"}
KNOWN_TO_EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers", "stamps")
member_names = st.one_of(
    st.sampled_from([*KNOWN_TO_EXTENDED, "state", "id", "x"]),
    scalar_text.filter(lambda name: name not in KNOWN_TO_BE_TYPED and not name.startswith("__")),
)


@check(
    "META-12",
    given={"members": st.dictionaries(member_names, portable_scalars, min_size=1, max_size=3), "first": st.booleans()},
    effort=0.25,
)
def unknown_members_are_not_an_error(ctx: Context, members: dict[str, Value], first: bool) -> None:
    """A meta with members that nobody knows reads as one without them."""
    reader, task_id = json_client(ctx), ctx.new_id()
    if "extended" in ctx.capabilities.classes:
        # who knows them may insist on their types, as far as EXT-9 allows that
        members = {name: value for name, value in members.items() if name not in KNOWN_TO_EXTENDED}
    whole = {**WHOLE, "task_id": task_id}
    stored_json(ctx, task_id, {**members, **whole} if first else {**whole, **members})
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    ctx.require("META-12", outcome.kind == "ok", got=ctx.describe(outcome), allowed="a meta")
    found = outcome.value
    ctx.require("META-12", found["status"] == "SUCCESS" and found["result"] == 7, got=found, allowed="SUCCESS and 7")


@check(
    "META-13",
    "META-16",
    given={
        "status": st.sampled_from(EVERY_STATE),
        "left": st.sets(st.sampled_from(MEMBERS[2:])),
        "null_id": st.booleans(),
    },
    effort=0.4,
)
def missing_members_are_null(ctx: Context, status: str, left: set[str], null_id: bool) -> None:
    """A meta that has `status` and `result` is read, whichever other members it has or lacks."""
    _require_read_without(ctx, "META-13", status, left, null_id)


@check("META-17", cases=[{"status": status, "alone": alone} for status in EVERY_STATE for alone in (False, True)])
def missing_result_is_null(ctx: Context, status: str, alone: bool) -> None:
    """A meta without `result` is read, whether it has the other members or its status alone."""
    _require_read_without(ctx, "META-17", status, set(MEMBERS[1:]) if alone else {"result"}, False)


def _require_read_without(ctx: Context, requirement: str, status: str, left: set[str], null_id: bool) -> None:
    """Require that a meta is read that lacks some members, or has a null instead of its id."""
    reader, task_id = json_client(ctx), ctx.new_id()
    failed = status in STATES.sets["EXCEPTION"]
    result: Value = {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"} if failed else 7
    whole = {**WHOLE, "result": result, "traceback": "trace", "task_id": task_id}
    stored = {"status": status, **{member: whole[member] for member in MEMBERS[1:] if member not in left}}
    if null_id and "task_id" in left:
        stored["task_id"] = None
    stored_json(ctx, task_id, stored)
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    allowed = "a meta, null where nothing is stored"
    ctx.require(requirement, outcome.kind == "ok", got=ctx.describe(outcome), allowed=allowed)
    found = outcome.value
    given = any_result(status) if failed else 7
    expected = {"status": status, "traceback": stored.get("traceback")}
    kept = expected_result(Write(0, status, given))
    expected["result"] = _null_as_it_is_read(ctx, reader, stored) if "result" in left else kept
    for member, value in expected.items():
        holds = same(found.get(member), value)
        ctx.require(requirement, holds, got=f"{member} {show(found.get(member))}", allowed=show(value))
    empty = not found.get("children") and (found.get("date_done") is None or "date_done" not in left)
    ctx.require(requirement, empty, got=found, allowed="null where nothing is stored")
    if requirement == "META-13":
        ctx.require("META-16", found.get("task_id") == task_id, got=found, allowed=f"the task_id {task_id}")


def _null_as_it_is_read(ctx: Context, reader: Client, stored: Mapping[str, Value]) -> Value:
    """Return what a reader makes of a null result; whether that is right is for EXC-7 and EXC-8 to say."""
    task_id = ctx.new_id()
    stored_json(ctx, task_id, {**stored, "result": None})
    found = reader.attempt("get_task_meta", task_id=task_id)
    return found.value.get("result") if found.kind == "ok" else expected_result(Write(0, stored["status"], None))


SPELLINGS: Mapping[str, Callable[[dt.datetime], str]] = {
    "Z": lambda moment: moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z",
    "none": lambda moment: moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(),
    "offset": dt.datetime.isoformat,
    "milliseconds": lambda moment: moment.isoformat(timespec="milliseconds"),
    "seconds": lambda moment: moment.isoformat(timespec="seconds"),
}
_zones = st.integers(-14 * 4, 14 * 4).map(lambda quarters: dt.timezone(dt.timedelta(minutes=15 * quarters)))


@check(
    "META-15",
    given={
        "moment": st.datetimes(dt.datetime(2001, 1, 2), dt.datetime(2040, 1, 2), timezones=_zones),
        "spelling": st.sampled_from(sorted(SPELLINGS)),
    },
    effort=0.4,
)
def any_offset_names_its_instant(ctx: Context, moment: dt.datetime, spelling: str) -> None:
    """A stored date with `Z`, any offset or none, with and without fractions, reads as the instant that it names."""
    reader, task_id = json_client(ctx), ctx.new_id()
    text = SPELLINGS[spelling](moment)
    stored_json(ctx, task_id, {**WHOLE, "date_done": text, "task_id": task_id})
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    ctx.require("META-15", outcome.kind == "ok", got=ctx.describe(outcome), allowed=f"a meta of {text}")
    expected = {"seconds": moment.replace(microsecond=0), "milliseconds": dt.datetime.fromisoformat(text)}.get(
        spelling, moment
    )
    require_instant(ctx, outcome.value.get("date_done"), expected, text)


def names_instant(found: Value, expected: dt.datetime | None, stored: Value) -> bool:
    """Whether a date that was read is that of an entry; a stored one without an offset may be returned without it."""
    naive = moment_of(stored)
    utc = naive is not None and naive.tzinfo is None
    try:
        moment = moment_of(found)
    except ValueError:
        return False
    if moment is not None and moment.tzinfo is None:
        return utc and expected == moment.replace(tzinfo=dt.UTC)
    return bool(moment == expected)


def require_instant(ctx: Context, found: Value, expected: dt.datetime, stored: Value) -> None:
    """Require META-15 of a date that was read, and that is stored like this."""
    holds = names_instant(found, expected, stored)
    ctx.require("META-15", holds, got=show(found), allowed=f"the instant {expected.isoformat()}")


@check("META-13", given={"result": portable_values}, effort=0.1)
def foreign_meta_of_two_members_is_read(ctx: Context, result: Value) -> None:
    """A state and a result, which is all that a foreign writer may write, are read."""
    reader, task_id = json_client(ctx), ctx.new_id()
    stored_json(ctx, task_id, {"status": "SUCCESS", "result": result})
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    holds = outcome.kind == "ok" and outcome.value["status"] == "SUCCESS" and same(outcome.value["result"], result)
    ctx.require("META-13", holds, got=ctx.describe(outcome), allowed=f"SUCCESS and {show(result)}")
