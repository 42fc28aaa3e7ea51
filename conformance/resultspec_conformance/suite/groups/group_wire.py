"""Checks of chapter 11: keys and bytes of groups, what a reader makes of others' bytes, the disabled backend."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from kombu import serialization

from resultspec import GroupVector, group_vectors
from resultspec.schemas import complaint
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.groups.groups import (
    SHAPES,
    group,
    of_members,
    require_done,
    require_restored,
    shaped,
    task,
)
from resultspec_conformance.suite.stores.disabled import TEXT
from resultspec_conformance.suite.tasks.keys import PREFIXES
from resultspec_conformance.suite.tasks.meta import json_client
from resultspec_conformance.suite.tasks.values import uncompressed
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import PORTABLE_ID_ALPHABET, group_shapes
from resultspec_conformance.wire.values import Value, show

GROUP_KEY_PREFIX = "celery-taskset-meta-"
_kombu: Any = serialization


def group_key(ctx: Context, group_id: str) -> str:
    """Return the key of a group of clients without a prefix of their own (GROUP-17)."""
    return f"{ctx.capabilities.prefix}{GROUP_KEY_PREFIX}{group_id}"


# -- the key ---------------------------------------------------------------------------------------


@check("GROUP-17", needs=["keys"], given={"tail": st.text(PORTABLE_ID_ALPHABET, max_size=60)}, effort=0.15)
def key_is_made_of_the_group_id(ctx: Context, tail: str) -> None:
    """A group is under `celery-taskset-meta-` and its id."""
    _require_key(ctx, ctx.new_id("group") + tail + "~")


@check("GROUP-17", needs=["keys"], cases=[{"tail": tail} for tail in (":", ".", "a:b", GROUP_KEY_PREFIX, "%41", "é")])
def key_of_a_group_is_not_escaped(ctx: Context, tail: str) -> None:
    """No character of an id that the store accepts is escaped or replaced in the key."""
    _require_key(ctx, ctx.new_id("group") + tail)


def _require_key(ctx: Context, group_id: str) -> None:
    client, key = ctx.client(), group_key(ctx, group_id)
    if client.attempt("save_group", group_id=group_id, result=of_members(group_id, "m")).kind != "ok":
        raise Unobserved("the store does not take this id")
    found = ctx.raw.get(key)
    ctx.require("GROUP-17", found is not None, got=f"nothing under {key!r}", allowed="the saved group")
    if not ctx.usable(["delete_group"]):
        return
    client.call("delete_group", group_id=group_id)
    found = ctx.raw.get(key)
    ctx.require("GROUP-17", found is None, got=f"{show(found)} under {key!r}", allowed="nothing: the group is deleted")


@check(
    "GROUP-17",
    needs=["keys", "prefix"],
    cases=[{"prefix": given, "completed": put} for given, put in PREFIXES.items()],
)
def prefix_is_before_the_key_of_a_group(ctx: Context, prefix: str, completed: str) -> None:
    """The completed global prefix stands before the key of a group once."""
    client, group_id = ctx.client("prefixed", prefix=prefix), ctx.new_id("group")
    key = f"{ctx.capabilities.prefix}{completed}{GROUP_KEY_PREFIX}{group_id}"
    saved = client.attempt("save_group", group_id=group_id, result=of_members(group_id, "m"))
    if saved.kind != "ok":
        raise Unobserved(f"the store does not take the prefix {prefix!r}: {ctx.describe(saved)}")
    found = ctx.raw.get(key)
    ctx.require("GROUP-17", found is not None, got=f"nothing under {key!r}", allowed="the saved group")
    if not ctx.usable(["restore_group"]):
        return
    ctx.raw.delete(key)
    left = client.restore_group(group_id)
    ctx.require("GROUP-17", left is None, got=f"{show(left)} without the key", allowed="that one key, and no other")


@check("GROUP-17", needs=["keys"])
def group_has_one_key(ctx: Context) -> None:
    """Saving a group creates its key and no other, not even for its members; other operations create none."""
    client, base = ctx.client(), ctx.new_id("group")
    group_id, inner = base + ".", of_members(f"{base}.inner", f"{base}.n")
    saved = group(group_id, [task(f"{base}.m"), inner], task(f"{base}.p"))
    before = _keys_of(ctx, base)
    client.save_group(group_id, saved)
    for op in ctx.usable(("restore_group", "get_group_meta", "reload_group_result")):
        client.call(op, group_id=group_id)
    created, expected = _keys_of(ctx, base) - before, {group_key(ctx, group_id)}
    ctx.require("GROUP-17", created == expected, got=f"created {sorted(created)}", allowed=f"{sorted(expected)}")
    if ctx.usable(["delete_group"]):
        client.call("delete_group", group_id=group_id)
        left = _keys_of(ctx, base) - before
        ctx.require("GROUP-17", not left, got=f"left {sorted(left)} after delete_group", allowed="no key")


def _keys_of(ctx: Context, base: str) -> frozenset[str]:
    return frozenset(key for key in ctx.raw.keys() if base in key)  # noqa: SIM118 - a probe is not a map


# -- the value -------------------------------------------------------------------------------------


def _wrong(payload: bytes, serializer: str, saved: Value) -> str | None:
    """Return what is wrong with stored bytes as the entry of a group, or None."""
    try:
        if serializer == "json":
            entry = json.loads(payload.decode())
            found = complaint(entry, "group-meta")
            if found is not None:
                return found
        else:
            content_type, encoding, _ = _kombu.registry._encoders[serializer]
            entry = _kombu.loads(payload, content_type, encoding, accept=[content_type])
        found = json.loads(json.dumps(entry["result"]))
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is what is wrong
        return f"{type(error).__name__}: {error}"
    return None if found == saved else f"its result is {show(found)}"


def _require_value(ctx: Context, serializer: str, shape: Mapping[str, Value]) -> None:
    client, group_id = ctx.client("writer", serializer=serializer), ctx.new_id("group")
    saved = shaped(group_id, shape)
    outcome = client.attempt("save_group", group_id=group_id, result=saved)
    payload = ctx.raw.get(group_key(ctx, group_id))
    if outcome.kind != "ok" or payload is None:
        raise Unobserved(f"nothing is stored under the key of the group: {ctx.describe(outcome)}")
    wrong = _wrong(uncompressed(payload), serializer, saved)
    allowed = f"a map in {serializer} with the result {show(saved)}"
    ctx.require("GROUP-18", wrong is None, got=f"{wrong}, in {show(payload)}", allowed=allowed)


@check("GROUP-18", needs=["keys"], cases=[{"shape": shape} for shape in SHAPES])
def value_of_a_group_is_in_the_serializer(ctx: Context, shape: str) -> None:
    """With each of its serializers a client stores a map with the whole result tuple."""
    for serializer in ctx.capabilities.serializers:
        _require_value(ctx, serializer, SHAPES[shape])


@check("GROUP-18", needs=["keys"], given={"shape": group_shapes}, effort=0.15)
def value_of_a_group_is_its_tuple(ctx: Context, shape: dict[str, Value]) -> None:
    """What is stored of a group is a map whose result is the tuple that was saved."""
    _require_value(ctx, ctx.capabilities.serializers[0], shape)


@check("KEY-8", needs=["keys", "prefix", "groups"])
def groups_leave_keys_outside_the_prefix_alone(ctx: Context) -> None:
    """No operation on groups of a client with a prefix changes or removes a key without it, however alike."""
    client, group_id, base = ctx.client("prefixed", prefix="mine"), ctx.new_id("group") + ".", ctx.capabilities.prefix
    strangers = [
        group_id,
        *(f"{base}{before}{group_id}" for before in (GROUP_KEY_PREFIX, "celery-task-meta-", "not_mine_", "mine-")),
        *(f"{base}mine-{GROUP_KEY_PREFIX}{group_id}{after}" for after in ("", ".j", ".s")),
    ]
    for key in strangers:
        ctx.raw.set(key, b"not yours")
    try:
        if ctx.usable(["save_group"]):
            client.attempt("save_group", group_id=group_id, result=of_members(group_id, "m"))
        reads = ("restore_group", "get_group_meta", "reload_group_result")
        for op in ctx.usable((*reads, "delete_group", "delete_group")):
            client.attempt(op, group_id=group_id)
        changed = {key: ctx.raw.get(key) for key in strangers if ctx.raw.get(key) != b"not yours"}
        ctx.require("KEY-8", not changed, got=f"changed: {changed}", allowed="every key outside the prefix as it was")
    finally:
        ctx.raw.delete(*strangers)


# -- other people's bytes --------------------------------------------------------------------------

_ALL: Mapping[str, GroupVector] = {
    f"{kind}/{vector.name}": vector for kind in ("valid", "invalid") for vector in group_vectors(kind)
}


def _invalid(requirement: str) -> list[dict[str, Value]]:
    """Return the names of the invalid vectors that show a requirement, as examples."""
    return [{"vector": name} for name, vector in _ALL.items() if vector.requirement == requirement and vector.error]


def _put(ctx: Context, group_id: str, payload: bytes) -> None:
    ctx.groups.write_group(group_id, payload)
    ctx.history.note(SUITE, "probe_write_group", {"group_id": group_id, "payload": payload})


@check("GROUP-19", cases=[{"vector": name} for name, vector in _ALL.items() if vector.valid])
def valid_group_vector_is_read(ctx: Context, vector: str) -> None:
    """What each release of Celery, or a foreign writer, may have saved is restored as the vectors say."""
    shown, reader = _ALL[vector], json_client(ctx)
    _put(ctx, shown.group_id, shown.stored)
    require_restored(ctx, "GROUP-19", reader, shown.group_id, list(shown.group))


def _reads(ctx: Context, shown: GroupVector) -> list[Outcome]:
    """Return the outcomes of all ways to read a vector."""
    reader = json_client(ctx)
    _put(ctx, shown.group_id, shown.stored)
    return [reader.attempt(op, group_id=shown.group_id) for op in ctx.usable(("restore_group", "get_group_meta"))]


def _require_vector_refused(ctx: Context, name: str) -> None:
    shown = _ALL[name]
    for outcome in _reads(ctx, shown):
        allowed = f"an error: {shown.description}"
        ctx.require(shown.requirement, outcome.raised, got=ctx.describe(outcome), allowed=allowed)


@check("GROUP-20", cases=_invalid("GROUP-20"))
def invalid_group_vector_is_refused(ctx: Context, vector: str) -> None:
    """An entry that is not a map with a `result` is refused with an error, by every operation."""
    _require_vector_refused(ctx, vector)


@check("GROUP-22", cases=[*_invalid("GROUP-20"), *_invalid("GROUP-23")])
def refusal_of_a_group_vector_names_it(ctx: Context, vector: str) -> None:
    """The error of an entry that is not a group is one of decoding, and names the group."""
    shown = _ALL[vector]
    for outcome in _reads(ctx, shown):
        told = outcome.error == "DecodeError" and shown.group_id in outcome.message
        allowed = f"DecodeError that names {shown.group_id}: {shown.description}"
        ctx.require("GROUP-22", told, got=ctx.describe(outcome), allowed=allowed)


@check("GROUP-23", cases=_invalid("GROUP-23"))
def malformed_group_vector_is_refused(ctx: Context, vector: str) -> None:
    """An empty entry, and a `result` that is not the result tuple of a group, are refused as well."""
    _require_vector_refused(ctx, vector)


DAMAGED = {
    "torn": b'{"result": [["g',
    "no brace": b'"result": []}',
    "a task": b'{"status": "SUCCESS", "result": 1}',
    "zeros": bytes(9),
}


@check(
    "GROUP-20",
    cases=[{"damage": damage, "by": op} for damage in DAMAGED for op in ("save_group", "delete_group")],
)
def damaged_group_can_be_got_rid_of(ctx: Context, damage: str, by: str) -> None:
    """An entry that cannot be decoded is replaced by a save, and removed by `delete_group`."""
    client, group_id = json_client(ctx, "writer"), ctx.new_id("group")
    expected = of_members(group_id, "new") if by == "save_group" else None
    client.save_group(group_id, of_members(group_id, "old"))
    _put(ctx, group_id, DAMAGED[damage])
    restored = client.attempt("restore_group", group_id=group_id)
    ctx.require("GROUP-20", restored.raised, got=ctx.describe(restored), allowed=f"an error: {damage}")
    rest = {"result": expected} if expected else {}
    require_done(ctx, "GROUP-20", client.attempt(by, group_id=group_id, **rest), f"{by} of a damaged entry succeeds")
    require_restored(ctx, "GROUP-20", json_client(ctx), group_id, expected)


# -- the disabled backend --------------------------------------------------------------------------


@check(
    "GROUP-21",
    cases=[
        {"op": op} for op in ("save_group", "restore_group", "delete_group", "get_group_meta", "reload_group_result")
    ],
    blame_hang="GROUP-21",
)
def group_operation_says_that_there_is_no_backend(ctx: Context, op: str) -> None:
    """Every operation on groups ends in an error that says that no result backend is configured."""
    client: Client = ctx.client()
    group_id = ctx.new_id("group")
    variants: list[dict[str, Value]] = [{}]
    if op == "save_group":
        variants = [{"result": of_members(group_id, "m")}, {"result": group(group_id, [])}]
    elif op in ("restore_group", "get_group_meta"):
        variants = [{}, {"cache": False}]
    for args in variants:
        outcome = client.attempt(op, group_id=group_id, **args)
        told = outcome.error == "NotImplementedError" and TEXT in outcome.message.lower()
        allowed = f"NotImplementedError with the text {TEXT!r}"
        ctx.require("GROUP-21", told, got=ctx.describe(outcome), allowed=allowed)
