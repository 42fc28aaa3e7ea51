"""Checks of chapter 5: what comes back of a value, what is refused, and what a reader does with bytes of any kind."""

import datetime as dt
import json
import pickle
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hypothesis import strategies as st

from resultspec import DOMAINS
from resultspec_conformance.subject import exception_samples as samples
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.tasks.meta import WHOLE, is_there, json_client
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import (
    in_container,
    nested,
    nonportable_json_values,
    nonportable_values,
    opaque_values,
    portable_values,
)
from resultspec_conformance.wire.serializers import NotCarried, OutsideDomain, after_round_trip, as_json_writes
from resultspec_conformance.wire.values import SAFE_INTEGER, ExceptionData, Opaque, Value, same, show

COMPRESSED = b"\x00celery-compressed\x00application/x-gzip\x00"


def uncompressed(payload: bytes) -> bytes:
    """Return stored bytes without compression. Raises Unobserved for a compression that the suite does not know."""
    if not payload.startswith(b"\x00celery-compressed\x00"):
        return payload
    if not payload.startswith(COMPRESSED):
        raise Unobserved(f"the payload is compressed in a way that is not in the spec: {payload[:60]!r}")
    return zlib.decompress(payload[len(COMPRESSED) :])


numbers = st.integers(0, 3)
"""Which of a subject's serializers; taken modulo their number."""


def serializer_of(ctx: Context, number: int) -> str:
    """Return a serializer of the subject by its number."""
    return ctx.capabilities.serializers[number % len(ctx.capabilities.serializers)]


def _attempt_to_store(client: Client, task_id: str, value: Value, state: str = "SUCCESS") -> Outcome:
    return client.attempt("store_result", task_id=task_id, result=value, state=state)


def _require_value(ctx: Context, requirement: str, found: Outcome, expected: Value, serializer: str) -> None:
    """Require that a read brought a value."""
    holds = found.kind == "ok" and same(found.value, expected)
    ctx.require(requirement, holds, got=f"{serializer}: {ctx.describe(found)}", allowed=show(expected))


def _round_trip(ctx: Context, requirement: str, value: Value, serializer: str, state: str = "SUCCESS") -> None:
    """Require that a value is stored, and read by another client as the table says."""
    task_id = ctx.new_id()
    stored = _attempt_to_store(ctx.client("writer", serializer=serializer), task_id, value, state)
    got = f"{serializer}: {ctx.describe(stored)}"
    ctx.require(requirement, stored.kind == "ok", got=got, allowed=f"{show(value)} is stored")
    found = ctx.client("reader", serializer=serializer).member(task_id, "result")
    _require_value(ctx, requirement, found, after_round_trip(serializer, value), serializer)


# -- values of the portable domain ---------------------------------------------------------------


@check(
    "VALUE-1",
    given={"value": portable_values, "serializer": numbers, "state": st.sampled_from(["SUCCESS", "PROGRESS"])},
    effort=0.5,
)
def portable_value_comes_back(ctx: Context, value: Value, serializer: int, state: str) -> None:
    """A value of the portable domain comes back as the serializer's table says."""
    _round_trip(ctx, "VALUE-1", value, serializer_of(ctx, serializer), state)


FALSY: list[Value] = [None, False, 0, 0.0, -0.0, "", [], {}]
PORTABLE_BYTES = DOMAINS.value_max_encoded_bytes

ODD_BUT_PORTABLE: list[Value] = [
    True, 1, -1, SAFE_INTEGER, -SAFE_INTEGER, 2**31, 2**32, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 1e-7,
    123456789.125,
    "null", "true", "0", "1", " ", "  x  ", "\n", "\t", "a\r\nb", "\u2028", "\ufeff", "\x7f\x85", "\uffff",
    "\U0010ffff", "e\u0301",
    "%s", "{0}", "\\u0000", "\\", '"', "'", "</script>", "yes", "~", "1:30", "2020-01-01", "0x1f", "1e3", "=",
    "<<", "- a", "# b",
    "x" * 65, "x" * 256, "x" * 4097, "é" * 2_700,
    [None, False, 0, "", [], {}], [[[[]]]], {"": ""}, {"a": None}, {"a": {"a": {"a": {}}}}, {"A": 1, "a": 2},
    {"b": 1, "a": 2}, list(range(100)), [1, 1, 1], [3, 1, 2], {str(key): key for key in range(40)},
    {"status": "FAILURE", "result": 1, "traceback": "x", "children": [1], "task_id": "other", "date_done": None},
    {"$type": "bytes", "value": "AA=="}, {"$type": "x"}, {"__type__": 1}, {"__value__": 1}, {"__type__": 1,
    "__value__": 2, "x": 3},
    {"__proto__": {"x": 1}, "constructor": 1, "__class__": "x"}, {"exc_type": "ValueError", "exc_message": ["x"],
    "exc_module": "builtins"},
    {"py/object": "x"}, {"__reduce__": 1}, {" a ": 1, "a": 2}, {"é": 1, "e\u0301": 2}, {"1": 1, "01": 2},
    {"key\n": 1}, {"x" * 300: 1},
]  # fmt: skip


@check("VALUE-1", cases=[{"value": value} for value in (*FALSY, *ODD_BUT_PORTABLE)])
def known_value_comes_back(ctx: Context, value: Value) -> None:
    """Values that are easily dropped, cut, folded or re-typed come back with every serializer."""
    for serializer in ctx.capabilities.serializers:
        _round_trip(ctx, "VALUE-1", value, serializer)
        if not value:
            _round_trip(ctx, "VALUE-1", in_container(value, "deep"), serializer, "PROGRESS")


@check("VALUE-1", cases=[{"depth": depth} for depth in (10, 50, DOMAINS.value_max_depth - 1, DOMAINS.value_max_depth)])
def portable_depth_comes_back(ctx: Context, depth: int) -> None:
    """Lists and maps nested to the portable depth come back with every serializer."""
    for serializer in ctx.capabilities.serializers:
        _round_trip(ctx, "VALUE-1", nested(depth), serializer)


@check("VALUE-1", cases=[{"length": length} for length in (255, 4_096, 16_384, 32_000, PORTABLE_BYTES - 2)])
def portable_length_comes_back(ctx: Context, length: int) -> None:
    """Text and lists of up to 32 KiB encoded come back whole."""
    serializer = serializer_of(ctx, 0)
    _round_trip(ctx, "VALUE-1", "x" * (length - 1) + "y", serializer)
    _round_trip(ctx, "VALUE-1", ["12345abc"] * (length // 12) + ["end"], serializer)


# -- values beyond it ----------------------------------------------------------------------------


def _faithful_or_refused(ctx: Context, value: Value, serializer: str) -> None:
    """Require VALUE-2 of a value: it comes back as the table says, or is refused and leaves what was there."""
    task_id, writer = ctx.new_id(), ctx.client("writer", serializer=serializer)
    writer.store(task_id, "before", "STARTED")
    stored = _attempt_to_store(writer, task_id, value)
    found = ctx.client("reader", serializer=serializer).member(task_id, "result")
    got = f"{serializer}: {ctx.describe(stored)}, then {ctx.describe(found)}"
    if stored.kind != "ok":
        ctx.require("VALUE-2", stored.kind == "fail", got=got, allowed="success, or a definite error")
        kept = found.kind == "ok" and found.value == "before"
        ctx.require("VALUE-2", kept, got=got, allowed="the previous value, since this one was refused")
        return
    try:
        expected = after_round_trip(serializer, value)
    except NotCarried as reason:
        # a writer that carries more than its table is faithful, too
        holds = found.kind == "ok" and same(found.value, value, numbers_by_type=True)
        holds = holds or (serializer == "json" and found.kind == "ok" and _as_json_folds(found.value, value))
        ctx.require("VALUE-2", holds, got=got, allowed=f"a refusal: {reason}")
    except OutsideDomain:
        return
    else:
        holds = found.kind == "ok" and same(found.value, expected)
        ctx.require("VALUE-2", holds, got=got, allowed=f"{show(expected)}, or a definite error")


def _as_json_folds(found: Value, value: Value) -> bool:
    """Whether a value came back as json writes it where it cannot keep surrogates or keys apart."""
    try:
        return same(found, after_round_trip("json", as_json_writes(value)))
    except OutsideDomain:
        return False


@check("VALUE-2", given={"value": nonportable_json_values, "serializer": numbers}, effort=0.15)
def wide_json_value_is_kept_or_refused(ctx: Context, value: Value, serializer: int) -> None:
    """NUL in text and deep nesting are kept or refused, never changed."""
    _faithful_or_refused(ctx, value, serializer_of(ctx, serializer))


@check("VALUE-2", given={"value": nonportable_values, "serializer": numbers}, needs=["tagged"], effort=0.7)
def wide_value_is_kept_or_refused(ctx: Context, value: Value, serializer: int) -> None:
    """Values of every other kind come back as the serializer's table says, or are refused."""
    _faithful_or_refused(ctx, value, serializer_of(ctx, serializer))


TEXTS_WITH_NUL = ("\x00", "a\x00", "\x00a", "a\x00b", "\x00" * 10)
UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
WIDE_JSON: list[Value] = [*TEXTS_WITH_NUL, {"a\x00b": 1}, nested(101), nested(150)]
WIDE: list[Value] = [
    SAFE_INTEGER + 1, -SAFE_INTEGER - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1,
    2**100 + 1,
    float("nan"), float("inf"), float("-inf"), "\ud800", "a\udfffb", "\ud83d\ude00", {"\ud800": 1},
    b"", b"abc", b"\xff\x00", (), (1, (2, [3])), set(), {1, 2}, frozenset({1}),
    {1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, {1: "a", "1": "b"}, {None: 1, "null": 2}, {b"a": 1}, {(1, 2): 3},
    dt.datetime(2026, 1, 2, 3, 4, 5, 6), dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    dt.datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=EAST), dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59,
    59, 999_999),
    dt.date(2026, 1, 2), dt.time(3, 4, 5, 6), dt.time(0), dt.time(3, tzinfo=UTC), dt.timedelta(seconds=90),
    samples.UUID_SAMPLE, samples.DECIMAL_SAMPLE, [b"\xff", (1,), dt.date(2026, 1, 2)],
    {"a": {"b": samples.UUID_SAMPLE}},
]  # fmt: skip


@check("VALUE-2", cases=[{"value": value} for value in WIDE_JSON])
def known_json_value_is_kept_or_refused(ctx: Context, value: Value) -> None:
    """Plain JSON values outside the portable domain are kept or refused with every serializer."""
    for serializer in ctx.capabilities.serializers:
        _faithful_or_refused(ctx, value, serializer)


@check("VALUE-2", cases=[{"length": length} for length in (PORTABLE_BYTES + 1, 65_535, 65_537, 100_000, 300_000)])
def long_value_is_kept_or_refused(ctx: Context, length: int) -> None:
    """Values of more than 32 KiB are kept or refused, never cut."""
    serializer = serializer_of(ctx, 0)
    _faithful_or_refused(ctx, "x" * (length - 1) + "y", serializer)
    _faithful_or_refused(ctx, ["12345abc"] * (length // 12) + ["end"], serializer)


@check("VALUE-2", cases=[{"value": value} for value in WIDE], needs=["tagged"])
def known_value_is_kept_or_refused(ctx: Context, value: Value) -> None:
    """Values of every other kind are kept or refused with every serializer."""
    for serializer in ctx.capabilities.serializers:
        _faithful_or_refused(ctx, value, serializer)


@check("VALUE-4", cases=[{"megabytes": True}, {"megabytes": False}])
def large_value_comes_back(ctx: Context, megabytes: bool) -> None:
    """Values of 1 MiB come back unchanged."""
    value: Value = (
        "0123456789abcdef" * 2**16 if megabytes else [{"n": number, "x": "y" * 2_000} for number in range(510)]
    )
    _round_trip(ctx, "VALUE-4", value, serializer_of(ctx, 0))


@check(
    "VALUE-4", given={"digits": st.integers(20, 4_000), "sign": st.sampled_from([1, -1])}, needs=["tagged"], effort=0.08
)
def large_integer_comes_back(ctx: Context, digits: int, sign: int) -> None:
    """Integers of any size come back unchanged."""
    value = sign * (10**digits + 7)
    stored = set(ctx.capabilities.serializers) - {"msgpack"}
    for serializer in sorted(stored):
        _round_trip(ctx, "VALUE-4", [value, value + 1], serializer)


# -- values that cannot be encoded ---------------------------------------------------------------


@check(
    "VALUE-3",
    given={"value": opaque_values, "serializer": numbers, "there": st.sampled_from([None, "STARTED", "FAILURE"])},
    effort=0.3,
)
def unencodable_value_is_refused(ctx: Context, value: Value, serializer: int, there: str | None) -> None:
    """A value that no serializer carries is refused with EncodeError, and the existing entry stays."""
    chosen = serializer_of(ctx, serializer)
    client, task_id = ctx.client("writer", serializer=chosen), ctx.new_id()
    if there is not None:
        kept = ExceptionData("ValueError", "builtins", ("kept",)) if there == "FAILURE" else "kept"
        client.store(task_id, kept, there, traceback="kept")
    before = client.meta(task_id) if there is not None else None
    for state in ("SUCCESS", "PROGRESS"):
        outcome = _attempt_to_store(client, task_id, value, state)
        ctx.require_refused("VALUE-3", outcome, "EncodeError")
        reader = ctx.client("reader", serializer=chosen)
        if before is None:
            ctx.require("VALUE-3", not is_there(reader, task_id), got="an entry", allowed="nothing stored")
            continue
        after = reader.meta(task_id)
        ctx.require("VALUE-3", same(after, before), got=after, allowed=f"the entry as it was: {show(before)}")


OF_OTHER_SERIALIZERS: list[Value] = [{1, 2}, dt.timedelta(1), frozenset(), {(1, 2): 3}, Opaque(None)]


@check("VALUE-3", needs=["tagged"], cases=[{"value": value} for value in OF_OTHER_SERIALIZERS])
def value_of_another_serializer_is_refused(ctx: Context, value: Value) -> None:
    """What the json serializer does not carry is refused with EncodeError, not turned into a text."""
    client, task_id = json_client(ctx, "writer"), ctx.new_id()
    client.store(task_id, "kept", "STARTED")
    outcome = _attempt_to_store(client, task_id, [value])
    ctx.require_refused("VALUE-3", outcome, "EncodeError")
    found = client.result(task_id)
    ctx.require("VALUE-3", found == "kept", got=found, allowed="the entry as it was")


# -- content that is not accepted ----------------------------------------------------------------


def _trap() -> bytes:
    """Return a pickled meta that records that it is deserialised."""
    return pickle.dumps({**WHOLE, "result": samples.Trap()})


def _require_not_run(ctx: Context, task_id: str, payload: bytes) -> None:
    ctx.require("VALUE-5", not samples.called, got="the payload was unpickled", allowed="no byte of it is deserialised")
    there = ctx.probe.read(task_id)
    ctx.require("VALUE-5", there == payload, got=show(there), allowed="the entry as it was")


@check(
    "VALUE-5",
    cases=[
        {"op": op, "trap": trap}
        for op in ("get_task_meta", "get_state", "get_result", "get_traceback", "get_children")
        for trap in (True, False)
    ],
)
def content_that_is_not_accepted_is_refused(ctx: Context, op: str, trap: bool) -> None:
    """A reader with the pickle serializer that accepts only json refuses every entry and deserialises none."""
    reader, task_id = ctx.client("reader", serializer="pickle", accept=("json",)), ctx.new_id()
    payload = _trap() if trap else pickle.dumps({**WHOLE, "task_id": task_id})
    ctx.plant(task_id, payload)
    samples.called.clear()
    outcome = reader.attempt(op, task_id=task_id)
    _require_not_run(ctx, task_id, payload)
    ctx.require_refused("VALUE-5", outcome, "ContentDisallowed")


@check("VALUE-5", cases=[{"compressed": compressed} for compressed in (False, True)])
def pickle_is_not_tried_by_others(ctx: Context, compressed: bool) -> None:
    """A reader of json never falls back to unpickling what json cannot decode."""
    reader, task_id = json_client(ctx), ctx.new_id()
    payload = COMPRESSED + zlib.compress(_trap()) if compressed else _trap()
    ctx.plant(task_id, payload)
    samples.called.clear()
    reader.attempt("get_task_meta", task_id=task_id)
    _require_not_run(ctx, task_id, payload)


@check("VALUE-5", cases=[{"state": state} for state in ("SUCCESS", "STARTED")])
def guard_deserialises_nothing_that_is_not_accepted(ctx: Context, state: str) -> None:
    """A write of a client that does not accept its own serializer looks into no entry, or no such client is opened."""
    opened = ctx.open_client("guard", serializer="pickle", accept=("json",))
    task_id, payload = ctx.new_id(), _trap()
    ctx.plant(task_id, payload)
    samples.called.clear()
    if opened.kind == "ok":
        client = ctx.client("guard", serializer="pickle", accept=("json",))
        client.attempt("store_result", task_id=task_id, result=1, state=state)
    ctx.require("VALUE-5", not samples.called, got="the guard unpickled it", allowed="no byte of it is deserialised")


@check("VALUE-5")
def content_that_is_accepted_is_read(ctx: Context) -> None:
    """A reader that accepts more than its own serializer still reads with its own."""
    task_id = ctx.new_id()
    ctx.client("writer", serializer="pickle").store(task_id, [1, 2])
    found = ctx.client("reader", serializer="pickle", accept=("json", "pickle")).member(task_id, "result")
    _require_value(ctx, "VALUE-5", found, [1, 2], "pickle")


# -- entries that cannot be decoded --------------------------------------------------------------

GARBAGE = (
    b"\xff\xfe\x00garbage", b"xx", b"{ ", b"<html></html>", b"\x00\x00", b"[1, 2", b'{"status": "SUCCESS", "result":'
)  # fmt: skip
"""Bytes that no serializer reads, yaml aside: not as a meta, and not as the value of a column."""


def _torn(ctx: Context, client: Client, task_id: str, cut: int) -> bytes:
    """Store a new task and cut its payload somewhere; return what is left of it. Raises Unobserved."""
    client.store(task_id, {"x": "a result of some length"}, traceback="none")
    whole = ctx.probe.read(task_id)
    if whole is None or len(whole) < 2:
        raise Unobserved("the probe finds no payload")
    return whole[: 1 + cut % (len(whole) - 1)]


def _undecodable(ctx: Context, client: Client, task_id: str, kind: str, cut: int) -> None:
    """Put an entry that cannot be decoded under a task."""
    payload = _torn(ctx, client, task_id, cut) if kind == "torn" else GARBAGE[cut % len(GARBAGE)]
    ctx.plant(task_id, payload)


def _binary_serializer(ctx: Context, number: int) -> str:
    """Return a serializer whose payloads are not decodable when they are cut: yaml's may be."""
    usable = [name for name in ctx.capabilities.serializers if name != "yaml"]
    if not usable:
        raise Unobserved("a truncated yaml payload may still be valid")
    return usable[number % len(usable)]


undecodable = {"kind": st.sampled_from(["garbage", "torn"]), "cut": st.integers(0, 10_000), "serializer": numbers}


@check("VALUE-6", given=undecodable, effort=0.3)
def undecodable_entry_is_an_error(ctx: Context, kind: str, cut: int, serializer: int) -> None:
    """Reading a truncated or garbage entry ends in an error in every way of reading."""
    for op, _, outcome in _reads_of_undecodable(ctx, kind, cut, serializer):
        failed = outcome.raised and outcome.error != "TimeoutError"
        ctx.require("VALUE-6", failed, got=f"{op}: {ctx.describe(outcome)}", allowed="an error of reading the entry")


@check("VALUE-13", given=undecodable, effort=0.3)
def undecodable_entry_is_a_decode_error(ctx: Context, kind: str, cut: int, serializer: int) -> None:
    """The error of reading a truncated or garbage entry is one of decoding, and names the task."""
    for op, task_id, outcome in _reads_of_undecodable(ctx, kind, cut, serializer):
        named = outcome.error == "DecodeError" and task_id in outcome.message
        allowed = f"a DecodeError that names {task_id}"
        ctx.require("VALUE-13", named, got=f"{op}: {ctx.describe(outcome)}", allowed=allowed)


def _reads_of_undecodable(ctx: Context, kind: str, cut: int, serializer: int) -> Iterator[tuple[str, str, Outcome]]:
    """Read an entry that cannot be decoded in every way; yield the operation, the id and the outcome of each."""
    client, task_id = ctx.client(serializer=_binary_serializer(ctx, serializer)), ctx.new_id()
    _undecodable(ctx, client, task_id, kind, cut)
    ops: Mapping[str, Mapping[str, Value]] = {
        "get_task_meta": {}, "get_state": {}, "get_result": {}, "get_traceback": {}, "get_children": {}
    }  # fmt: skip
    if "waiting" in ctx.capabilities.classes:
        ops = {**ops, "wait_for": {"timeout": 5.0}}
    for op in ctx.usable(ops):
        yield op, task_id, client.attempt(op, task_id=task_id, **ops[op])


@check("VALUE-7", given={**undecodable, "state": st.sampled_from(["SUCCESS", "STARTED", "FAILURE"])}, effort=0.3)
def undecodable_entry_is_replaced(ctx: Context, kind: str, cut: int, serializer: int, state: str) -> None:
    """A store replaces an entry that cannot be decoded, whatever it once was."""
    client, task_id = ctx.client(serializer=_binary_serializer(ctx, serializer)), ctx.new_id()
    _undecodable(ctx, client, task_id, kind, cut)
    result: Value = ExceptionData("ValueError", "builtins", ("new",)) if state == "FAILURE" else "new"
    outcome = _attempt_to_store(client, task_id, result, state)
    ctx.require("VALUE-7", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the store succeeds")
    found = client.attempt("get_task_meta", task_id=task_id)
    holds = found.kind == "ok" and found.value["status"] == state and same(found.value["result"], result)
    ctx.require("VALUE-7", holds, got=ctx.describe(found), allowed=f"{state} and {show(result)}")


@check("VALUE-8", given=undecodable, effort=0.2)
def undecodable_entry_is_forgotten(ctx: Context, kind: str, cut: int, serializer: int) -> None:
    """`forget` removes an entry that cannot be decoded."""
    client, task_id = ctx.client(serializer=_binary_serializer(ctx, serializer)), ctx.new_id()
    _undecodable(ctx, client, task_id, kind, cut)
    outcome = client.attempt("forget", task_id=task_id)
    ctx.require("VALUE-8", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the entry is removed")
    there = ctx.probe.read(task_id)
    ctx.require("VALUE-8", there is None, got=show(there), allowed="nothing in the store")


# -- compression ---------------------------------------------------------------------------------


def _compressed(document: Mapping[str, Value], size: int, level: int) -> bytes:
    """Return a meta as compressed json, padded with blanks to `size` bytes, without holding or compressing them all.

    A deflate block that was flushed stands by itself, so the block of the blanks is made once and repeated.
    """
    blanks, text = b" " * 2**18, json.dumps(document).encode()
    count, rest = divmod(max(0, size - len(text)), len(blanks))
    tail = blanks[:rest]
    checksum = zlib.adler32(text)
    for _ in range(count):
        checksum = zlib.adler32(blanks, checksum)
    parts = [_deflated(text, level, zlib.Z_FULL_FLUSH), _deflated(blanks, level, zlib.Z_FULL_FLUSH) * count]
    parts += [_deflated(tail, level, zlib.Z_FINISH), zlib.adler32(tail, checksum).to_bytes(4, "big")]
    return COMPRESSED + b"\x78\x9c" + b"".join(parts)


def _limit(ctx: Context) -> int:
    """Return the declared limit of a payload in bytes. Raises Unobserved where there is none."""
    if ctx.capabilities.payload_limit is None:
        raise Unobserved("the subject declares no limit")
    return ctx.capabilities.payload_limit


def _deflated(data: bytes, level: int, end: int) -> bytes:
    stream = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush(end)


@check(
    "VALUE-11",
    given={"result": portable_values, "level": st.integers(0, 9), "size": st.sampled_from([0, 4_096, 2**16])},
    effort=0.1,
)
def compressed_payload_is_read(ctx: Context, result: Value, level: int, size: int) -> None:
    """A compressed payload is read by a client that is not configured for compression."""
    reader, task_id = json_client(ctx), ctx.new_id()
    document = {**WHOLE, "result": result, "task_id": task_id}
    ctx.plant(task_id, _compressed(document, min(size, ctx.capabilities.payload_limit or size), level))
    outcome = reader.member(task_id, "result")
    _require_value(ctx, "VALUE-11", outcome, result, "json")


@check("VALUE-11", needs=["payload-limit"])
def compressed_payload_at_the_limit_is_read(ctx: Context) -> None:
    """A compressed payload that grows to the declared limit, and not beyond, is read."""
    reader, task_id = json_client(ctx), ctx.new_id()
    ctx.plant(task_id, _compressed({**WHOLE, "task_id": task_id}, _limit(ctx), 1))
    outcome = reader.member(task_id, "result")
    _require_value(ctx, "VALUE-11", outcome, 7, "json")


@contextmanager
def _peak() -> Iterator[list[int]]:
    """Measure the most memory in bytes that Python objects of this process take within a block, beside those before."""
    measured = [0]
    tracemalloc.start()
    try:
        yield measured
        measured[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@check("VALUE-12", cases=[{"times": 1, "excess": 1}, {"times": 4, "excess": 0}])
def compression_bomb_is_refused(ctx: Context, times: int, excess: int) -> None:
    """A compressed payload that grows beyond the limit is refused, and decompression stops there."""
    limit = _limit(ctx)
    reader, task_id = json_client(ctx), ctx.new_id()
    payload = _compressed({**WHOLE, "task_id": task_id}, limit * times + excess, 1)
    ctx.plant(task_id, payload)
    with _peak() as peak:
        outcome = reader.attempt("get_task_meta", task_id=task_id)
    ctx.require("VALUE-12", outcome.raised, got=ctx.describe(outcome), allowed="an error")
    if ctx.session.subject.in_process and times > 1:
        # a reader may hold what it grew up to the limit, and for a moment a second time
        held = f"{peak[0]} bytes at once, of a payload that may grow to {limit}"
        ctx.require("VALUE-12", peak[0] < 3 * limit + len(payload), got=held, allowed="no more than the limit")
