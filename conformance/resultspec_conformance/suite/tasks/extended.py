"""Checks of chapter 4, extended members: what a meta says about the call, if the client is opened with `extended`."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.suite.tasks.meta import any_result, json_client, reader_of_extended_members, stored_json
from resultspec_conformance.suite.tasks.values import numbers, serializer_of, uncompressed
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import portable_scalars, portable_values, scalar_text
from resultspec_conformance.wire.serializers import after_round_trip
from resultspec_conformance.wire.values import Opaque, Value, same, show

TOLD = ("name", "args", "kwargs", "worker", "retries", "queue")
CORE = ("status", "result", "traceback", "children", "date_done", "task_id", "group_id", "parent_id")
STAMPED = "stamped_headers"
CALL: Mapping[str, Value] = {
    "name": "proj.tasks.charge",
    "args": [1, "\u00e9"],
    "kwargs": {"x": 1.5},
    "hostname": "celery@w1.example",
    "retries": 2,
    "delivery_info": {"exchange": "tasks", "routing_key": "orders.eu", "redelivered": False},
}
"""The members of a request that are told of the call."""

STAMPS: Mapping[str, Value] = {"stamps": {"tenant": ["acme"], "shard": 3}, STAMPED: ["tenant", "shard"]}

short_text = scalar_text.filter(bool)
stamp_names = st.sampled_from(["tenant", "shard", "mystamp", "x.y", "r\u00e9gion", "a b"])


def _request(task_id: str, **members: Value) -> dict[str, Value]:
    return {"id": task_id, **members}


def _writer(ctx: Context, serializer: str = "", **options: Value) -> Client:
    chosen = serializer or ctx.capabilities.serializers[0]
    return ctx.client("writer", serializer=chosen, **{"extended": True, **options})


def _stored(
    ctx: Context, request: Mapping[str, Value], state: str = "SUCCESS", serializer: str = ""
) -> dict[str, Value]:
    """Store a task with a request, and return the meta that another client reads."""
    task_id = ctx.new_id()
    _writer(ctx, serializer).store(task_id, any_result(state), state, request=_request(task_id, **request))
    reader = ctx.client("reader", serializer=serializer or ctx.capabilities.serializers[0], extended=True)
    return reader.meta(task_id)


def _require_none(ctx: Context, requirement: str, meta: Mapping[str, Value], names: "tuple[str, ...]") -> None:
    """Require that members are absent or null."""
    there = {name: meta[name] for name in names if meta.get(name) is not None}
    ctx.require(requirement, not there, got=show(there), allowed=f"none of {', '.join(names)}")


def _require_extended_members(ctx: Context, meta: Mapping[str, Value], request: Mapping[str, Value]) -> None:
    """Require that the members that EXT-1 speaks of are those of a request."""
    delivery = request.get("delivery_info") or {}
    expected = {
        "name": request.get("name"),
        "worker": request.get("hostname"),
        "retries": request.get("retries"),
        "queue": delivery.get("routing_key"),
    }
    for name, value in expected.items():
        found = meta.get(name)
        # a request that says nothing of retries may be taken for one that has none
        holds = same(found, value) or (name == "retries" and value is None and found == 0)
        ctx.require("EXT-1", holds, got=f"{name} {show(found)}", allowed=f"{name} {show(value)}")


# -- the members of a call -----------------------------------------------------------------------


@check("EXT-1", cases=[{"state": state, "serializer": number} for number, state in enumerate(STATES.named)])
def extended_members_in_every_state(ctx: Context, state: str, serializer: int) -> None:
    """Name, worker, retries and routing key come back in every state, and with every serializer."""
    _require_extended_members(ctx, _stored(ctx, CALL, state, serializer_of(ctx, serializer)), CALL)


@check(
    "EXT-1",
    given={
        "name": st.none() | short_text,
        "hostname": st.none() | short_text,
        "retries": st.none() | st.integers(0, 10_000),
        "delivery": st.none()
        | st.just({})
        | st.fixed_dictionaries({"routing_key": st.none() | short_text, "exchange": st.text("ex", max_size=3)}),
    },
    effort=0.2,
    acts=["store_result"],
)
def extended_members_are_those_of_the_request(
    ctx: Context, name: str | None, hostname: str | None, retries: int | None, delivery: Value
) -> None:
    """Each of them is that of the request, or null where the request has none."""
    given = {"name": name, "hostname": hostname, "retries": retries, "delivery_info": delivery}
    request = {member: value for member, value in given.items() if not (member == "retries" and value is None)}
    _require_extended_members(ctx, _stored(ctx, request), request)


@check("EXT-1", cases=[{"left_out": member} for member in CALL], acts=["store_result"])
def what_the_request_lacks_is_null(ctx: Context, left_out: str) -> None:
    """A request that lacks a member leaves it null, and not that of the task before."""
    _stored(ctx, CALL)
    request = {member: value for member, value in CALL.items() if member != left_out}
    _require_extended_members(ctx, _stored(ctx, request), request)


@check(
    "EXT-2",
    given={
        "args": st.lists(portable_values, max_size=3),
        "kwargs": st.dictionaries(short_text.filter(lambda key: not key.startswith("__")), portable_values, max_size=3),
        "serializer": numbers,
    },
    effort=0.3,
)
def arguments_come_back(ctx: Context, args: Value, kwargs: Value, serializer: int) -> None:
    """Positional and keyword arguments come back as values, as the table of the serializer says."""
    chosen = serializer_of(ctx, serializer)
    found = _stored(ctx, {**CALL, "args": args, "kwargs": kwargs}, serializer=chosen)
    for member, value in (("args", args), ("kwargs", kwargs)):
        expected = after_round_trip(chosen, value)
        ctx.require("EXT-2", same(found.get(member), expected), got=show(found.get(member)), allowed=show(expected))


@check(
    "EXT-2",
    cases=[
        {"args": args, "kwargs": kwargs, "state": state}
        for args, kwargs in (([], {}), (None, None), ("(1, 2)", "{'x': 1}"), ([[[]]], {"args": {}, "name": None}))
        for state in ("SUCCESS", "STARTED", "FAILURE")
    ],
)
def odd_arguments_come_back(ctx: Context, args: Value, kwargs: Value, state: str) -> None:
    """Empty arguments are not missing ones, and what a worker received as text stays text."""
    found = _stored(ctx, {**CALL, "args": args, "kwargs": kwargs}, state)
    for member, value in (("args", args), ("kwargs", kwargs)):
        ctx.require("EXT-2", same(found.get(member), value), got=show(found.get(member)), allowed=show(value))


@check("EXT-3", cases=[{"state": state, "option": option} for state in STATES.named for option in (False, True)])
def nothing_extended_without_option_and_request(ctx: Context, state: str, option: bool) -> None:
    """Nothing of a request is stored without the option, nor with the option where no request is given."""
    _stored(ctx, {**CALL, **STAMPS})
    task_id = ctx.new_id()
    request = None if option else _request(task_id, **CALL, **STAMPS)
    _writer(ctx, extended=option).store(task_id, any_result(state), state, request=request)
    found = ctx.client("reader", extended=True).meta(task_id)
    _require_none(ctx, "EXT-3", found, (*TOLD, STAMPED, *STAMPS["stamps"]))


# -- what cannot be stored as it is --------------------------------------------------------------


def _written(ctx: Context, request: Mapping[str, Value], state: str, serializer: str) -> Mapping[str, Value]:
    """Store a task with a traceback and a request, which has to be accepted, and return the meta."""
    task_id = ctx.new_id()
    written = _writer(ctx, serializer).attempt(
        "store_result",
        task_id=task_id,
        result=any_result(state),
        state=state,
        traceback="trace",
        request=_request(task_id, group="g-1", parent_id="p-1", **request),
    )
    got = f"{serializer}: {ctx.describe(written)}"
    ctx.require("EXT-4", written.kind == "ok", got=got, allowed="the result is stored")
    read = ctx.client("reader", serializer=serializer, extended=True).attempt("get_task_meta", task_id=task_id)
    got = f"{serializer}: {ctx.describe(read)}"
    ctx.require("EXT-4", read.kind == "ok", got=got, allowed="the meta is read")
    meta: Mapping[str, Value] = read.value
    return meta


READ_AS = {"name": "name", "args": "args", "kwargs": "kwargs", "hostname": "worker", "delivery_info": "queue"}
"""The members of the meta, by the members of the request from which they come."""


def _require_unharmed(ctx: Context, odd: Mapping[str, Value], state: str, serializer: str) -> Mapping[str, Value]:
    """Require that a store with odd extended members is accepted, and all else is as without them; return the meta."""
    usual = _written(ctx, CALL, state, serializer)
    meta = _written(ctx, {**CALL, **odd}, state, serializer)
    compared = {*CORE, *TOLD} - {"task_id", "date_done"} - {READ_AS.get(member, member) for member in odd}
    for member in sorted(compared):
        found, value = meta.get(member), usual.get(member)
        ctx.require("EXT-4", same(found, value), got=f"{member} {show(found)}", allowed=f"{member} {show(value)}")
    return meta


def _require_text(ctx: Context, member: str, found: Value, start: str = "") -> None:
    holds = found is None or (isinstance(found, str) and found.startswith(start))
    ctx.require("EXT-4", holds, got=f"{member} {show(found)}", allowed=f"{member} as a text, or null")


@check(
    "EXT-4",
    cases=[{"member": member, "state": state} for member in CALL for state in ("SUCCESS", "FAILURE", "STARTED")],
)
def long_member_costs_no_result(ctx: Context, member: str, state: str) -> None:
    """A name, a host, a queue or an argument of thousands of characters does not prevent a result from being stored."""
    text = "long." * 1000
    odd: Mapping[str, Value] = {
        "args": [text],
        "kwargs": {"x": text},
        "retries": 2**31,
        "delivery_info": {"routing_key": text},
    }
    meta = _require_unharmed(ctx, {member: odd.get(member, text)}, state, ctx.capabilities.serializers[0])
    if member in ("name", "hostname", "delivery_info"):
        _require_text(ctx, READ_AS[member], meta.get(READ_AS[member]), "long.")


ODD_PLACES = ("args", "kwargs", "name", "hostname", "delivery_info", "stamps")


def _odd_request(place: str, odd: Value) -> dict[str, Value]:
    shapes: dict[str, dict[str, Value]] = {
        "args": {"args": [1, odd, "a"]},
        "kwargs": {"kwargs": {"x": odd, "y": 2}},
        "delivery_info": {"delivery_info": {"routing_key": odd}},
        "stamps": {"stamps": {"tenant": odd, "shard": 3}, STAMPED: ["tenant", "shard"]},
    }
    return shapes.get(place, {place: odd})


@check(
    "EXT-4",
    needs=["opaque"],
    cases=[
        {"place": place, "odd": odd, "state": state}
        for place in ODD_PLACES
        for odd in (Opaque("<a socket>"), Opaque(None))
        for state in ("SUCCESS", "FAILURE")
    ],
)
def member_that_cannot_be_encoded_costs_no_result(ctx: Context, place: str, odd: Value, state: str) -> None:
    """An argument that no serializer carries, even one without a representation, does not prevent the store."""
    for serializer in ctx.capabilities.serializers:
        meta = _require_unharmed(ctx, _odd_request(place, odd), state, serializer)
        if place == "stamps":
            shard = meta.get("shard", 3)
            ctx.require("EXT-4", shard == 3, got=f"shard {show(shard)}", allowed="the other stamp as it is")


@check(
    "EXT-4",
    needs=["surrogates"],
    cases=[
        {"place": place, "odd": odd, "state": state}
        for place in ODD_PLACES
        for odd in ("a\x00b", "a\ud800b")
        for state in ("SUCCESS", "RETRY")
    ],
)
def odd_text_costs_no_result(ctx: Context, place: str, odd: str, state: str) -> None:
    """NUL and lone surrogates in the description of a call do not prevent a result from being stored."""
    for serializer in ctx.capabilities.serializers:
        meta = _require_unharmed(ctx, _odd_request(place, odd), state, serializer)
        if place in ("name", "hostname"):
            _require_text(ctx, READ_AS[place], meta.get(READ_AS[place]))


# -- stamps --------------------------------------------------------------------------------------


@check(
    "EXT-5",
    given={
        "stamps": st.dictionaries(stamp_names, portable_scalars | st.lists(portable_scalars, max_size=2), max_size=4),
        "declared": st.none() | st.lists(stamp_names, max_size=4, unique=True),
        "serializer": numbers,
    },
    effort=0.3,
)
def declared_stamps_come_back(
    ctx: Context, stamps: dict[str, Value], declared: list[str] | None, serializer: int
) -> None:
    """The stamps that are declared come back by their names, and no others."""
    _require_stamps(ctx, stamps, declared, serializer_of(ctx, serializer), "SUCCESS")


@check(
    "EXT-5", cases=[{"state": state, "declared": declared} for state in STATES.named for declared in (None, 0, 1, 2)]
)
def stamps_in_every_state(ctx: Context, state: str, declared: int | None) -> None:
    """Of two stamps none, one or both are declared, in every state."""
    named = None if declared is None else ["tenant", "shard"][:declared]
    _require_stamps(ctx, dict(STAMPS["stamps"]), named, ctx.capabilities.serializers[0], state)


def _require_stamps(
    ctx: Context, stamps: dict[str, Value], declared: list[str] | None, serializer: str, state: str
) -> None:
    found = _stored(ctx, {**CALL, "stamps": stamps, STAMPED: declared}, state, serializer)
    for name, value in stamps.items():
        if name not in (declared or ()):
            ctx.require("EXT-5", name not in found, got=f"{name} {show(found.get(name))}", allowed="undeclared: none")
            continue
        expected = after_round_trip(serializer, value)
        got = f"{name} {show(found.get(name))}"
        ctx.require("EXT-5", same(found.get(name), expected), got=got, allowed=show(expected))
        headers = found.get(STAMPED)
        holds = isinstance(headers, list) and name in headers
        ctx.require("EXT-5", holds, got=f"{STAMPED} {show(headers)}", allowed=f"a list that has {name}")


@check(
    "EXT-6",
    cases=[
        {"member": member, "declared": declared, "state": state}
        for member in (*CORE, *TOLD, STAMPED)
        for declared in (True, False)
        for state in ("SUCCESS", "STARTED")
    ],
)
def stamp_takes_no_members_place(ctx: Context, member: str, declared: bool, state: str) -> None:
    """A stamp with the name of a member changes nothing, not even if it is declared."""
    headers = [member, "tenant"] if declared else ["tenant"]
    with ctx.accusing("EXT-6"):
        found = _stored(ctx, {**CALL, "stamps": {member: "STAMPED", "tenant": 1}, STAMPED: headers}, state)
    plain = _stored(ctx, {**CALL, "stamps": {"tenant": 1}, STAMPED: ["tenant"]}, state)
    value = found.get(member)
    got = f"{member} {show(value)}"
    if member in ("task_id", "date_done", "group_id", "parent_id"):
        ctx.require("EXT-6", value != "STAMPED", got=got, allowed="what it is without the stamp")
    elif member == STAMPED:
        holds = not isinstance(value, str)
        ctx.require("EXT-6", holds, got=got, allowed="a list of names, or null")
    else:
        expected = plain.get(member)
        ctx.require("EXT-6", same(value or None, expected or None), got=got, allowed=show(expected))


# -- whole entries, and readers ------------------------------------------------------------------

LATER: dict[str, dict[str, Value] | None] = {
    "none": None,
    "bare": {},
    "other": {"name": "proj.tasks.other", "stamps": {"run": 2}, STAMPED: ["run"]},
}


@check(
    "EXT-7",
    cases=[
        {"later": later, "state": state, "option": option}
        for later in LATER
        for state in ("STARTED", "RETRY", "SUCCESS", "FAILURE")
        for option in (True, False)
    ],
)
def no_extended_member_of_an_earlier_write_remains(ctx: Context, later: str, state: str, option: bool) -> None:
    """The next store removes what was stored of the first run's request, whatever its own request has."""
    task_id = ctx.new_id()
    _writer(ctx).store(task_id, None, "STARTED", request=_request(task_id, **CALL, **STAMPS))
    told = LATER[later]
    request = None if told is None else _request(task_id, **told)
    later_store = {"task_id": task_id, "result": any_result(state), "state": state, "request": request}
    _writer(ctx, extended=option).attempt("store_result", **later_store)
    found = ctx.client("reader", extended=True).meta(task_id)
    if found["status"] != state or found["result"] is None:
        raise Unobserved("the second write was not accepted")
    first = {**{name: CALL[name] for name in ("args", "kwargs", "name")}, **STAMPS["stamps"]}
    first |= {"worker": CALL["hostname"], "retries": CALL["retries"], "queue": "orders.eu", STAMPED: STAMPS[STAMPED]}
    remains = {name: value for name, value in first.items() if same(found.get(name), value)}
    ctx.require("EXT-7", not remains, got=show(remains), allowed="nothing of the store before")


@check("EXT-7", cases=[{"state": state} for state in ("STARTED", "FAILURE", "SUCCESS")])
def losing_write_stores_no_extended_member(ctx: Context, state: str) -> None:
    """A write that loses to SUCCESS leaves neither members nor stamps."""
    task_id = ctx.new_id()
    first = {**CALL, "name": "proj.tasks.first", "stamps": {"run": 1}, STAMPED: ["run"]}
    client = _writer(ctx)
    client.store(task_id, 1, "SUCCESS", request=_request(task_id, **first))
    before = ctx.client("reader", extended=True).meta(task_id)
    late = {"task_id": task_id, "result": any_result(state), "state": state}
    client.attempt("store_result", **late, request=_request(task_id, **CALL, **STAMPS))
    after = ctx.client("reader", extended=True).meta(task_id)
    if after["status"] != "SUCCESS" or after["result"] != 1:
        raise Unobserved("the second write did not lose")
    names = (*TOLD, STAMPED, "run", *STAMPS["stamps"])
    changed = {name: after.get(name) for name in names if not same(after.get(name), before.get(name))}
    ctx.require("EXT-7", not changed, got=show(changed), allowed="the members of the entry that stayed")


@check(
    "EXT-8",
    cases=[{"state": state, "request": request} for state in (None, *STATES.named) for request in (False, True)],
)
def option_changes_no_reading(ctx: Context, state: str | None, request: bool) -> None:
    """Unknown tasks, and entries without extended members, are read the same with the option and without it."""
    task_id = ctx.new_id()
    given = _request(task_id) if request else None
    if state is not None:
        ctx.client("writer").store(task_id, any_result(state), state, request=given)
    plain, extended = ctx.client("plain"), ctx.client("reader", extended=True)
    for op in ctx.usable(("get_task_meta", "get_state", "get_result", "get_traceback", "get_children")):
        expected, found = plain.attempt(op, task_id=task_id), extended.attempt(op, task_id=task_id)
        got = f"{op}: {ctx.describe(found)}"
        ctx.require("EXT-8", found.kind == expected.kind, got=got, allowed=ctx.describe(expected))
        if found.kind != "ok":
            continue
        one, other = found.value, expected.value
        if op == "get_task_meta":
            one, other = ({name: value for name, value in each.items() if value is not None} for each in (one, other))
        ctx.require("EXT-8", same(one, other), got=got, allowed=ctx.describe(expected))


@check("EXT-9", needs=["payload"], cases=[{"state": state} for state in STATES.named])
def every_reader_gets_the_extended_members(ctx: Context, state: str) -> None:
    """What a client with the option stored reads the same with the option and without it."""
    _require_read_without_the_option(ctx, "EXT-9", state)


@check("EXT-11", needs=["rows"], cases=[{"state": state} for state in STATES.named])
def every_reader_of_a_row_gets_the_extended_members(ctx: Context, state: str) -> None:
    """The same holds for what is stored in a table."""
    _require_read_without_the_option(ctx, "EXT-11", state)


def _require_read_without_the_option(ctx: Context, requirement: str, state: str) -> None:
    task_id = ctx.new_id()
    _writer(ctx).store(task_id, any_result(state), state, request=_request(task_id, **CALL, **STAMPS))
    told, plain = (ctx.client("reader", extended=option).meta(task_id) for option in (True, False))
    for member in (*TOLD, STAMPED, *STAMPS["stamps"]):
        got = f"{member} {show(plain.get(member))}"
        holds = same(plain.get(member), told.get(member))
        ctx.require(requirement, holds, got=got, allowed=show(told.get(member)))


@check(
    "EXT-9",
    cases=[
        {"members": members}
        for members in (
            {"name": "n", "args": [1], "kwargs": {"x": 1}, "worker": "w", "retries": 1, "queue": "q"},
            {"name": None, "args": None, "kwargs": None, "worker": None, "retries": None, "queue": None},
            {"args": "(1, 2)", "kwargs": "{}", "queue": ["stamped"], "retries": 0},
            {STAMPED: ["tenant"], "tenant": {"id": 7}},
            {STAMPED: None, "name": "n"},
        )
    ],
)
def foreign_members_are_handed_on(ctx: Context, members: dict[str, Value]) -> None:
    """Members that a foreign writer stored are passed on as they are, whatever their type."""
    task_id, reader = ctx.new_id(), reader_of_extended_members(ctx)
    core = {"status": "SUCCESS", "result": 1, "traceback": None, "children": [], "task_id": task_id}
    stored_json(ctx, task_id, {**core, "date_done": "2026-03-01T12:00:00+00:00", **members})
    outcome = reader.attempt("get_task_meta", task_id=task_id)
    ctx.require("EXT-9", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the meta, with its members")
    for member, value in members.items():
        found = outcome.value.get(member)
        ctx.require("EXT-9", same(found, value), got=f"{member} {show(found)}", allowed=show(value))


@check("EXT-10", cases=[{"state": state} for state in ("SUCCESS", "STARTED", "FAILURE")])
def members_are_stored_by_their_names(ctx: Context, state: str) -> None:
    """In the stored bytes the members and stamps stand beside the status, under the names that Celery gives them."""
    reader = json_client(ctx)
    task_id = ctx.new_id()
    writer = ctx.client("writer", serializer=reader.options.serializer, extended=True)
    writer.store(task_id, any_result(state), state, request=_request(task_id, **CALL, **STAMPS))
    payload = ctx.probe.read(task_id)
    try:
        stored = json.loads(uncompressed(payload or b"null"))
    except ValueError as error:
        ctx.require("EXT-10", False, got=f"{payload!r:.80}: {error}", allowed="JSON")
        return
    told = ctx.client("reader", serializer=reader.options.serializer, extended=True).meta(task_id)
    for member in (*TOLD, STAMPED, *STAMPS["stamps"]):
        found = stored.get(member) if isinstance(stored, dict) else None
        got = f"{member} {show(found)}"
        ctx.require("EXT-10", same(found, told.get(member)), got=got, allowed=show(told.get(member)))
