"""Checks of chapter 7: under which key a task is stored, in which bytes, and what is published."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st
from kombu import serialization

from resultspec import STATES
from resultspec.schemas import complaint
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probe_protocols import Listener, Notification
from resultspec_conformance.suite.tasks.values import uncompressed
from resultspec_conformance.testkit.context import SUITE, TASK_KEY_PREFIX, Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import PORTABLE_ID_ALPHABET, requests, results_for, scalar_text
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    BackgroundWait,
    begin_wait,
    failure,
    final_outcome,
    in_progress,
    require_result,
    result_in,
    timed_out,
)
from resultspec_conformance.wire.values import Value, same, show

MEMBERS = ("status", "result", "traceback", "children", "date_done", "task_id")
STORED_STATES = [*STATES.named, *STATES.reserved, "PROGRESS"]
_kombu: Any = serialization


# -- the key -------------------------------------------------------------------------------------


@check("KEY-1", needs=["keys"], given={"tail": st.text(PORTABLE_ID_ALPHABET, max_size=60)}, effort=0.4)
def key_is_made_of_the_id(ctx: Context, tail: str) -> None:
    """The entry of a task is under `celery-task-meta-` and the id."""
    _require_key(ctx, ctx.new_id() + tail)


@check(
    "KEY-1",
    needs=["keys"],
    cases=[{"tail": tail} for tail in (":", "~", ".", "_", "a:b", TASK_KEY_PREFIX, "%41", "é", "/x", " ", "x" * 99)],
)
def key_is_not_escaped(ctx: Context, tail: str) -> None:
    """No character of an id that the store accepts is escaped or replaced in the key."""
    _require_key(ctx, ctx.new_id() + tail)


def _require_key(ctx: Context, task_id: str) -> None:
    client, key = ctx.client(), ctx.task_key(task_id)
    if client.attempt("store_result", task_id=task_id, result=1, state="SUCCESS").kind != "ok":
        raise Unobserved("the store does not take this id")
    found = ctx.raw.get(key)
    ctx.require("KEY-1", found is not None, got=f"nothing under {key!r}", allowed="the entry of the task")


COMPLETED = ("pfx_", "pfx:", "pfx-", "pfx.", "celery-")
PREFIXES = {"pfx": "pfx_", "a/": "a/_", **{prefix: prefix for prefix in COMPLETED}}


@check("KEY-2", needs=["keys"], cases=[{"prefix": given, "completed": put} for given, put in PREFIXES.items()])
def prefix_is_completed_and_put_once(ctx: Context, prefix: str, completed: str) -> None:
    """A global prefix is completed by `_` where it has no separator, and stands before the key once."""
    client, task_id = ctx.client("prefixed", prefix=prefix), ctx.new_id(prefix.strip("/:."))
    key = f"{ctx.capabilities.prefix}{completed}{TASK_KEY_PREFIX}{task_id}"
    stored = client.attempt("store_result", task_id=task_id, result="prefixed", state="SUCCESS")
    if stored.kind != "ok":
        raise Unobserved(f"the store does not take the prefix {prefix!r}: {ctx.describe(stored)}")
    found = ctx.raw.get(key)
    ctx.require("KEY-2", found is not None, got=f"nothing under {key!r}", allowed="the entry of the task")
    ctx.raw.delete(key)
    state = client.state(task_id)
    ctx.require("KEY-2", state == "PENDING", got=f"{state} without the key", allowed="that one key, and no other")


@check("KEY-2", needs=["keys"])
def completed_prefix_is_the_same_prefix(ctx: Context) -> None:
    """Clients with a prefix and with its completed form share their tasks; one with another prefix does not."""
    short, long, other = (ctx.client(name, prefix=name) for name in ("pfx", "pfx_", "pfx-"))
    task_id = ctx.new_id()
    short.store(task_id, "shared")
    states = [long.state(task_id), other.state(task_id)]
    ctx.require("KEY-2", states == ["SUCCESS", "PENDING"], got=states, allowed="SUCCESS for `pfx_`, PENDING for `pfx-`")


# -- the value -----------------------------------------------------------------------------------


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members = list(pairs)
    found = dict(members)
    if len(found) != len(members):
        raise ValueError(f"a member occurs twice: {[name for name, _ in members]}")
    return found


def _strict_json(payload: bytes) -> Any:
    """Return the value of JSON in which no map has a member twice. Raises ValueError."""
    return json.loads(payload.decode("utf-8"), object_pairs_hook=_once)


def _complaint(payload: bytes, serializer: str) -> str | None:
    """Return what is wrong with stored bytes as a task meta, or None."""
    try:
        if serializer == "json":
            meta = _strict_json(payload)
            return complaint(meta, "task-meta")
        content_type, encoding, _ = _kombu.registry._encoders[serializer]
        meta = _kombu.loads(payload, content_type, encoding, accept=[content_type])
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is what is wrong
        return f"{type(error).__name__}: {error}"
    missing = [name for name in MEMBERS if name not in meta] if isinstance(meta, Mapping) else list(MEMBERS)
    return f"no {', '.join(missing)}" if missing else None


def _require_valid(ctx: Context, client: Client, task_id: str) -> None:
    payload = ctx.raw.get(ctx.task_key(task_id))
    if payload is None:
        raise Unobserved("nothing is stored under the key of the task")
    wrong = _complaint(uncompressed(payload), client.options.serializer)
    got = f"{wrong}, in {show(payload)}"
    ctx.require("KEY-3", wrong is None, got=got, allowed=f"a task meta in {client.options.serializer}, by its schema")


_entries = st.sampled_from(STORED_STATES).flatmap(
    lambda state: st.fixed_dictionaries(
        {"state": st.just(state), "result": results_for(state)},
        optional={"traceback": scalar_text, "request": requests},
    )
)


@check("KEY-3", needs=["keys"], given={"entry": _entries}, effort=0.4)
def value_is_a_task_meta(ctx: Context, entry: dict[str, Value]) -> None:
    """What is stored is the meta in the configured serializer: six members at least, valid, none of them twice."""
    client, task_id = ctx.client(), ctx.new_id()
    outcome = client.attempt("store_result", task_id=task_id, **entry)
    if outcome.kind != "ok":
        raise Unobserved(f"the store was refused: {ctx.describe(outcome)}")
    _require_valid(ctx, client, task_id)


@check("KEY-3", needs=["keys"], cases=[{"state": state} for state in STORED_STATES])
def value_is_in_the_serializer(ctx: Context, state: str) -> None:
    """With each of its serializers a client stores all six members, in every state."""
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        client.store(task_id, result_in(state), state, request={"id": task_id, "children": [[["child", None], None]]})
        _require_valid(ctx, client, task_id)


# -- the notification ----------------------------------------------------------------------------


def _until(listener: Listener, last: bytes) -> list[Notification]:
    """Return the messages that came before the one that the suite sent last."""
    found: list[Notification] = []
    while True:
        new = listener.collect(1, 1.0)
        if not new:
            raise Unobserved("the probe does not hear its own message")
        for notification in new:
            if notification.body == last:
                return found
            found.append(notification)


def _published(ctx: Context, listener: Listener, key: str) -> list[bytes]:
    """Return the bodies of all that was published on a channel by now."""
    end = f"end of check {ctx.new_id()}".encode()
    ctx.wire.publish(key, end)
    return [notification.body for notification in _until(listener, end)]


@check("KEY-4", needs=["wire"], cases=[{"state": state} for state in STORED_STATES])
def store_is_published(ctx: Context, state: str) -> None:
    """A store that is accepted publishes the stored bytes on the channel of the key, in every state."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    key = ctx.task_key(task_id)
    listener = ctx.wire.listen([key])
    try:
        for number in (1, 2):
            client.store(task_id, result_in(state, number), state)
            stored = ctx.wire.get(key)
            bodies = _published(ctx, listener, key)
            got = [show(body) for body in bodies] or "no message"
            ctx.require("KEY-4", stored in bodies, got=got, allowed=f"a message on {key} with {show(stored)}")
            if state == "SUCCESS":
                break
    finally:
        listener.close()


@check("KEY-5", needs=["wire"], cases=[{"rounds": 30}])
def value_is_there_before_its_message(ctx: Context, rounds: int) -> None:
    """A subscriber that receives the message of a store finds its value already stored."""
    client, ids = ctx.client("writer"), [ctx.new_id() for _ in range(rounds)]
    listener = ctx.wire.listen([ctx.task_key(task_id) for task_id in ids])
    try:
        for number, task_id in enumerate(ids):
            first = ctx.background(lambda: listener.collect(1, 1.0))
            client.store(task_id, {"step": number})
            notifications = first.result(30.0)
            if not notifications:
                raise Unobserved("nothing was published")
            for heard in notifications:
                got = f"{show(heard.value_then)} when {show(heard.body)} was heard"
                ctx.require("KEY-5", heard.value_then == heard.body, got=got, allowed="the value that is published")
            _published(ctx, listener, ctx.task_key(task_id))
    finally:
        listener.close()


REFUSED = [("FAILURE", "SUCCESS"), ("SUCCESS", "SUCCESS"), ("STARTED", "SUCCESS"), ("REVOKED", "SUCCESS")]


@check("KEY-6", needs=["wire"], cases=[{"arrives": arrives, "there": there} for arrives, there in REFUSED])
def refused_payload_is_not_published(ctx: Context, arrives: str, there: str) -> None:
    """A write that loses to the existing entry publishes nothing, except perhaps that entry."""
    writer, late, task_id = ctx.client("writer"), ctx.client("late"), ctx.new_id()
    key = ctx.task_key(task_id)
    writer.store(task_id, result_in(there, 1), there)
    stored, before = ctx.wire.get(key), writer.meta(task_id)
    listener = ctx.wire.listen([key])
    try:
        late.attempt("store_result", task_id=task_id, result=result_in(arrives, 2), state=arrives)
        after = writer.meta(task_id)
        if after["status"] != before["status"] or not same(after["result"], before["result"]):
            raise Unobserved("the store was not refused")
        allowed = (stored, ctx.wire.get(key))
        bodies = [body for body in _published(ctx, listener, key) if body not in allowed]
    finally:
        listener.close()
    ctx.require("KEY-6", not bodies, got=[show(body) for body in bodies], allowed="no message with the refused payload")


def _forge(ctx: Context, task_id: str, body: bytes) -> None:
    ctx.wire.publish(ctx.task_key(task_id), body)
    ctx.history.note(SUITE, "probe.publish", {"channel": ctx.task_key(task_id), "body": body})


def _ready_bytes(ctx: Context, task_id: str, result: Value = "forged") -> bytes:
    """Return the bytes of a SUCCESS of a task, which is forgotten again."""
    writer = ctx.client("writer")
    writer.store(task_id, result)
    payload = ctx.wire.get(ctx.task_key(task_id))
    ctx.remove(writer, task_id)
    if payload is None:
        raise Unobserved("nothing is stored under the key of the task")
    return payload


def _require_unresolved(ctx: Context, requirement: str, task_id: str, wait: BackgroundWait) -> None:
    """Require that a wait goes on after a forgery, and ends with the real result."""
    forged = ctx.eventually(lambda: wait.ended, 0.05)
    if forged and timed_out(wait.operation()):
        raise Unobserved("this machine was too slow: the wait was over before the forgery")
    got = ctx.describe(final_outcome(wait.operation())) if forged else ""
    ctx.require(requirement, not forged, got=got, allowed="the wait goes on: the store has nothing")
    writer = ctx.client("writer")
    writer.store(task_id, "real")
    require_result(ctx, requirement, wait.operation(), "real", writer.meta(task_id)["result"])


UNDECODABLE = {"is empty": b"", "is not json": b"{", "is not utf-8": b"\xff\xfe\x00"}
FORGED = {
    "disagrees with the store": None,
    "is not a map": b'"SUCCESS"',
    "is a list": b"[]",
    "has only a status": b'{"status": "SUCCESS"}',
    "has no status": b'{"task_id": "x"}',
}


def _require_not_resolved_by(ctx: Context, requirement: str, forged: bytes | None) -> None:
    """Require that a forged body, by default a SUCCESS that is not stored, resolves nothing."""
    task_id = ctx.new_id()
    body = _ready_bytes(ctx, task_id) if forged is None else forged
    wait = begin_wait(ctx, ctx.client("waiter"), task_id, AMPLE_TIMEOUT)
    in_progress(ctx, task_id, wait)
    _forge(ctx, task_id, body)
    _require_unresolved(ctx, requirement, task_id, wait)


@check("KEY-7", needs=["wire"], cases=[{"body": body} for body in UNDECODABLE], blame_hang="KEY-7")
def undecodable_message_ends_no_wait(ctx: Context, body: str) -> None:
    """A message with bytes that no serializer reads does not end a wait, which then ends with its result."""
    _require_not_resolved_by(ctx, "KEY-7", UNDECODABLE[body])


@check("KEY-9", needs=["wire"], cases=[{"body": body} for body in FORGED], blame_hang="KEY-9")
def forged_message_resolves_nothing(ctx: Context, body: str) -> None:
    """A message with a result that is not in the store, or with something that is not a meta, does not end a wait."""
    _require_not_resolved_by(ctx, "KEY-9", FORGED[body])


@check("KEY-9", needs=["wire"], blame_hang="KEY-9")
def message_that_names_another_task_resolves_neither(ctx: Context) -> None:
    """A message on the channel of one task with the result of another resolves neither of them."""
    first, second = ctx.new_id("first"), ctx.new_id("second")
    forged = _ready_bytes(ctx, second)
    # one client has both waits where it can: what it hears for one task must not reach the other
    names = ("waiter", "waiter") if ctx.session.subject.overlap else ("waiter", "other-waiter")
    waits = [
        begin_wait(ctx, ctx.client(name), one, AMPLE_TIMEOUT) for name, one in zip(names, (first, second), strict=True)
    ]
    for one, wait in zip((first, second), waits, strict=True):
        in_progress(ctx, one, wait)
    _forge(ctx, first, forged)
    for one, wait in zip((first, second), waits, strict=True):
        _require_unresolved(ctx, "KEY-9", one, wait)


@check("KEY-9", needs=["wire"], blame_hang="KEY-9")
def forged_failure_hides_no_result(ctx: Context) -> None:
    """A message that contradicts the SUCCESS in the store does not change what the wait ends with."""
    waiter, task_id, denied = ctx.client("waiter"), ctx.new_id(), ctx.new_id()
    ctx.client("writer").store(denied, failure(1), "FAILURE")
    forged, payload = ctx.wire.get(ctx.task_key(denied)), _ready_bytes(ctx, task_id, "real")
    wait = begin_wait(ctx, waiter, task_id, AMPLE_TIMEOUT)
    in_progress(ctx, task_id, wait)
    ctx.wire.set(ctx.task_key(task_id), payload)
    _forge(ctx, task_id, forged or b"")
    require_result(ctx, "KEY-9", wait.operation(), "real", ctx.client("writer").meta(task_id)["result"])


# -- other people's keys -------------------------------------------------------------------------


def _all_operations(ctx: Context, client: Client, task_id: str) -> None:
    """Do everything with a task that can be done with it."""
    client.store(task_id, {"pid": 1}, "STARTED")
    client.store(task_id, "done", request={"id": task_id, "group": f"group-{task_id}"})
    client.attempt("store_result", task_id=task_id, result="refused", state="SUCCESS")
    client.meta(task_id)
    for op in ctx.usable(["wait_for", "forget", "wait_for", "forget"]):
        args: dict[str, Value] = {"task_id": task_id, **({"timeout": 0} if op == "wait_for" else {})}
        if ctx.may_call(op, **args):
            client.attempt(op, **args)


@check("KEY-8", needs=["keys", "prefix"], cases=[{"prefix": "mine"}, {"prefix": "mine:"}])
def keys_outside_the_prefix_are_left_alone(ctx: Context, prefix: str) -> None:
    """No operation of a client with a prefix creates, changes or removes a key without it, however alike."""
    client, task_id = ctx.client("prefixed", prefix=prefix), ctx.new_id("task") + "."
    base = ctx.capabilities.prefix
    strangers = [
        task_id,
        *(f"{base}{before}{task_id}" for before in (TASK_KEY_PREFIX, "celery-taskset-meta-", "chord-unlock-")),
        *(f"{base}{before}{TASK_KEY_PREFIX}{task_id}" for before in ("mine-", "not_mine_", "not_mine:")),
        *(f"{base}cache:{task_id}{after}" for after in ("", "*", ".j", ":lock")),
    ]
    for key in strangers:
        ctx.raw.set(key, b"not yours")
    try:
        _all_operations(ctx, client, task_id)
        changed = {key: ctx.raw.get(key) for key in strangers if ctx.raw.get(key) != b"not yours"}
        ctx.require("KEY-8", not changed, got=f"changed: {changed}", allowed="every key outside the prefix as it was")
    finally:
        ctx.raw.delete(*strangers)


def _keys_of(ctx: Context, task_id: str) -> frozenset[str]:
    """Return the keys that a task can be blamed for; other users of the store are not looked at.

    They are those that contain its id, and those under the prefix of the subject that do not belong to a task.
    """
    prefix = ctx.capabilities.prefix
    return frozenset(
        key
        for key in ctx.raw.keys()  # noqa: SIM118 - a probe is not a map
        if task_id in key or (prefix and key.startswith(prefix) and not key.startswith(prefix + TASK_KEY_PREFIX))
    )


@check("KEY-8", needs=["keys"], cases=[{"state": state} for state in ("STARTED", "FAILURE", "SUCCESS")])
def store_creates_one_key(ctx: Context, state: str) -> None:
    """A store of a task creates the key of that task and no other, and neither does `forget`."""
    # does not end in a digit, so that the id is not a part of another one
    client, task_id = ctx.client(), ctx.new_id() + "."
    before = _keys_of(ctx, task_id)
    request = {"id": task_id, "group": f"group-{task_id}", "children": [[[f"child-{task_id}", None], None]]}
    client.store(task_id, result_in(state), state, traceback="none", request=request)
    created = _keys_of(ctx, task_id) - before
    expected = {ctx.task_key(task_id)}
    ctx.require("KEY-8", created <= expected, got=f"created {sorted(created)}", allowed=f"{sorted(expected)}")
    if ctx.usable(["forget"]):
        client.attempt("forget", task_id=task_id)
    left = _keys_of(ctx, task_id) - before - expected
    ctx.require("KEY-8", not left, got=f"left {sorted(left)} after forget", allowed="no other key")
