"""Bytes and values: what was accepted comes back, and what is not accepted is not decoded."""

import bz2
import datetime as dt
import json
import lzma
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import kombu.serialization as kombu
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import EncodeError as KombuEncodeError

from resultspec import Vector, vectors
from resultspec_reference.entries.serialization import COMPRESSED, MAX_DEPTH, Codec, decompress
from resultspec_reference.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured

EVERY = ["json", "pickle", "yaml", "msgpack"]

kombu_dumps: Callable[..., Any] = kombu.dumps


def nested(depth: int) -> Any:
    """Return a list in a list, and so on."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def codec(serializer: str) -> Codec:
    """Return a codec that accepts its own serializer."""
    return Codec(serializer, [serializer])


def outcome(serializer: str, value: Any) -> Any:
    """Return what comes back of a value, or EncodeError."""
    try:
        return codec(serializer).decode(codec(serializer).encode({"result": value}))["result"]
    except EncodeError:
        return EncodeError


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        {None: 1, "null": 2},
        {True: 1, "true": 2},
        {1.5: 1, "1.5": 2},
        {"__type__": "datetime", "__value__": "2026-01-02"},
        [{"__type__": "nonsense", "__value__": 1}],
        "\ud83d\ude00",
        {"\ud83d\ude00": 1},
        nested(MAX_DEPTH),
        nested(100_000),
        10**5000,
        {1, 2},
        {(1, 2): 3},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_refuses_what_it_would_change(value: Any) -> None:
    """Each of these would come back as something else, or not at all (VALUE-2)."""
    assert outcome("json", value) is EncodeError


@pytest.mark.parametrize(
    "value", ["\ud800", "\ude00\ud83d", float("inf"), 10**4000, nested(200), {1: "a"}, b"\xff", ""]
)
def test_json_keeps_what_it_can(value: Any) -> None:
    """Lone surrogates, infinities, large integers and depth come back."""
    assert outcome("json", value) == ({"1": "a"} if value == {1: "a"} else value)


TAGS = [
    b'{"__type__": "datetime", "__value__": "2026-01-02T03:04:05"}',
    rb'{"\u005f_type__": "datetime", "__value__": "2026-01-02T03:04:05"}',
    rb'{"__t\u0079pe__": "datetime", "__valu\u0065__": "2026-01-02T03:04:05"}',
    rb'{"__value__": "2026-01-02T03:04:05", "\u005F\u005F\u0074\u0079\u0070\u0065\u005f\u005f": "datetime"}',
]


@pytest.mark.parametrize("payload", TAGS)
def test_a_tagged_value_is_read_however_its_tag_is_written(payload: bytes) -> None:
    """The short way past kombu's search for tags is taken only where there can be none."""
    assert codec("json").decode(b'{"result": %s}' % payload) == {"result": dt.datetime(2026, 1, 2, 3, 4, 5)}


@pytest.mark.parametrize("text", ["", "\u00e4", "\u20ac", "\ud83d", "plain", '"quoted"', "\\u00e4", "__type_"])
def test_text_is_read_alike_on_both_ways(text: str) -> None:
    """With and without a tag beside it, text comes back as it is."""
    tagged = b'{"__type__": "datetime", "__value__": "2026-01-02T03:04:05"}'
    for payload in (b'{"result": %s}', b'{"tag": ' + tagged + b', "result": %s}'):
        assert codec("json").decode(payload % json.dumps(text).encode())["result"] == text


def decoded(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    """Return what was decoded as text in which 1, True and 1.0 differ, or DecodeError."""
    try:
        return repr(decode(payload))
    except DecodeError:
        return DecodeError


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["__type__", "\\u005f"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["__type__", "__value__"]), inner),
)


@given(
    st.binary()
    | st.text(alphabet='[]{}",:\\u0 1eE.-_NaInfty\ufeff\n').map(str.encode)
    | st.builds(json.dumps, JSON_VALUES, ensure_ascii=st.booleans()).map(lambda text: text.encode("utf-8", "replace"))
    | st.builds(
        lambda value, before, after: before + json.dumps(value).encode() + after,
        JSON_VALUES, st.sampled_from([b"", b" ", b"\xef\xbb\xbf"]), st.sampled_from([b"", b"\n", b" 1", b"\x00"]),
    )
)  # fmt: skip
def test_the_short_way_to_decode_json_says_what_the_careful_one_says(payload: bytes) -> None:
    """The same value, or an error from both."""
    assert decoded(codec("json").decode, payload) == decoded(codec("json").decode_with_care, payload)


@pytest.mark.parametrize("vector", [*vectors("valid"), *vectors("invalid")], ids=lambda vector: vector.name)
def test_both_ways_read_the_vectors_alike(vector: Vector) -> None:
    """Whatever their serializer: in the wrong one they are an error for both."""
    assert decoded(codec("json").decode, vector.stored) == decoded(codec("json").decode_with_care, vector.stored)


def test_a_decoder_that_was_replaced_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever registers another json with kombu gets it."""
    before = codec("json")
    monkeypatch.setitem(kombu.registry._decoders, "application/json", lambda _payload: "another")
    assert codec("json").decode(b'"one"') == before.decode(b'"one"') == "another"


def test_an_encoder_that_was_replaced_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with decoders, also where it was registered after the backend was made."""
    before = codec("json")
    monkeypatch.setitem(kombu.registry._encoders, "json", ("application/json", "utf-8", lambda _value: '"another"'))
    assert codec("json").encode("one") == before.encode("one") == b'"another"'


@given(
    st.recursive(
        JSON_VALUES | st.binary() | st.datetimes(timezones=st.none() | st.timezones()) | st.decimals() | st.uuids(),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    )
)
def test_json_is_encoded_as_kombu_does_it(value: Any) -> None:
    """To the byte, although the encoder is not created again for each value."""
    try:
        payload = codec("json").encode(value)
    except EncodeError:
        return
    assert payload == kombu_dumps(value, serializer="json")[2].encode()


class Unreadable:
    """Pickles, and cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


@pytest.mark.parametrize(
    ("serializer", "value"),
    [
        ("yaml", dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, seconds=30)))),
        ("msgpack", {1: 2}),
        ("msgpack", 2**64),
        ("msgpack", "\ud800"),
        ("yaml", {(1, 2): 3}),
        ("pickle", Unreadable()),
    ],
)
def test_what_the_decoder_refuses_is_not_accepted(serializer: str, value: Any) -> None:
    """An encoder that takes what its decoder refuses would lose the result."""
    assert outcome(serializer, value) is EncodeError


@pytest.mark.parametrize("serializer", EVERY)
def test_a_megabyte_and_the_portable_depth_come_back(serializer: str) -> None:
    """VALUE-4, and depth 100 of the portable domain."""
    for value in ("x" * 2**20, nested(97)):
        assert outcome(serializer, value) == value


def test_an_error_is_kombus_too() -> None:
    """Code that catches kombu's keeps working."""
    with pytest.raises(KombuEncodeError, match="object"):
        codec("json").encode(object())


class Explosive:
    """Says so when it is unpickled."""

    exploded = False

    def __reduce__(self) -> Any:
        return Explosive.explode, ()

    @staticmethod
    def explode() -> None:
        """Be unpickled."""
        Explosive.exploded = True


def test_what_is_not_accepted_is_not_looked_at() -> None:
    """The content type is checked before any byte, also of a compressed payload (VALUE-5)."""
    payload = pickle.dumps(Explosive())
    for stored in (payload, COMPRESSED + b"application/x-gzip\0" + zlib.compress(payload)):
        with pytest.raises(ContentDisallowed):
            Codec("pickle", ["json"]).decode(stored)
    assert not Explosive.exploded


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"application/x-gzip", zlib.compress(b'{"a": 1}')),
        (b"application/x-bz2", bz2.compress(b'{"a": 1}')),
        (b"application/x-lzma", lzma.compress(b'{"a": 1}')),
    ],
)
def test_compressed_payloads_are_read(content_type: bytes, body: bytes) -> None:
    """Whatever the reader's own configuration (VALUE-11); torn and followed ones are refused."""
    payload = COMPRESSED + content_type + b"\0" + body
    assert codec("json").decode(payload) == {"a": 1}
    for broken in (payload[:-3], payload + b"x"):
        with pytest.raises(DecodeError):
            codec("json").decode(broken)


def test_a_bomb_is_noticed_without_being_held() -> None:
    """The output is bounded while it grows (VALUE-12)."""
    body = zlib.compress(b"0" * 50_000_000, 9)
    payload = COMPRESSED + b"application/x-gzip\0" + body
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="beyond"):
            decompress(payload, limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert decompress(COMPRESSED + b"application/x-gzip\0" + zlib.compress(b"0" * 1000), limit=1000) == b"0" * 1000


@pytest.mark.parametrize("serializer", EVERY)
def test_torn_bytes_are_a_decode_error(serializer: str) -> None:
    """Whatever the decoder of the serializer raises."""
    payload = codec(serializer).encode({"status": "SUCCESS", "result": ["x" * 50]})
    for torn in (b"", b"{" + payload, b"\xff\xfe\xfd", b"[" * 2000):
        with pytest.raises(DecodeError):
            codec(serializer).decode(torn)


@pytest.mark.parametrize(("serializer", "accept"), [("nonsense", ["json"]), ("json", ["nonsense"])])
def test_unknown_serializers_are_refused(serializer: str, accept: list[str]) -> None:
    """The answer is an error of configuration."""
    with pytest.raises(ImproperlyConfigured, match="nonsense"):
        Codec(serializer, accept)


class Silent:
    """Has no text representation."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("serializer", ["json", "yaml", "msgpack"])
def test_an_object_whose_repr_raises_is_refused_all_the_same(serializer: str) -> None:
    """The serializer's message holds it."""
    assert outcome(serializer, Silent()) is EncodeError
