"""Values and bytes: encoding, decoding, and what both refuse.

The serializers are those of kombu. This module adds two guarantees that they do not give:

* **Every accepted value can be read back, unchanged.** Each serializer has values that it encodes into bytes that it
  cannot decode, or decodes into another value. They are found before the store is accessed (VALUE-2, VALUE-3): for json
  by rules, since it merges values that differ; for the others by decoding the encoded value and comparing.
* **Nothing is decoded that should not be.** The content type is compared with the accepted ones before any byte is
  decoded (VALUE-5), and a compressed payload is decompressed only up to a limit (VALUE-11, VALUE-12).
"""

import bz2
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

from kombu import exceptions as kombu_errors
from kombu import serialization as kombu
from kombu.utils import json as kombu_json
from kombu.utils.encoding import ensure_bytes

from resultspec_reference.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured

COMPRESSED: Final = b"\x00celery-compressed\x00"
"""The prefix of a compressed payload; the content type, a NUL and the body follow."""

PAYLOAD_LIMIT: Final = 64 * 2**20
"""The largest size in bytes of a payload after decompression."""

MAX_DEPTH: Final = 250
"""How deep lists and maps may be nested in what is stored.

The decoders are recursive and share the interpreter's stack with their callers, so this limit is far below
theirs: a value that was encoded on a shallow stack may be decoded on a deep one.
"""

_dumps: Final[Callable[..., Any]] = kombu.dumps
_loads: Final[Callable[..., Any]] = kombu.loads
_ENCODERS: Final[Mapping[str, Any]] = kombu.registry._encoders
_DECODERS: Final[Mapping[str, Any]] = kombu.registry._decoders
"""kombu's live registries, by name and by content type: if an application registers another json, it is used."""

_accept: Final[Callable[..., Any]] = kombu.prepare_accept_content
_dump_json: Final[Callable[[Any], str]] = cast(Any, kombu_json.JSONEncoder()).encode
_scan_json: Final[Callable[[str, int], tuple[Any, int]]] = cast(Any, json.JSONDecoder()).scan_once
_bytes: Final[Callable[..., bytes]] = ensure_bytes

_TAG: Final = "__type__"
_ESCAPE: Final = "\\u00"
"""Substrings of every JSON text in which kombu may find a tag: the tag, or an escape that may be a part of it."""

SELF_DESCRIBING: Final = frozenset({"__type__", "__value__"})
"""The members of the maps by which kombu's json represents types that JSON lacks."""

_LOOKS_TAGGED: Final = "a map with just the members __type__ and __value__ would be read as a tagged value"

_SPLIT_CHARACTER: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class Codec:
    """One serializer, and the full names of the content types that may be read.

    Raises ImproperlyConfigured for a serializer or a content type that kombu does not know.
    """

    def __init__(self, serializer: str, accept: Iterable[str], payload_limit: int = PAYLOAD_LIMIT) -> None:
        self.serializer = serializer
        self.payload_limit = payload_limit
        try:
            self.content_type, self.content_encoding, _ = _ENCODERS[serializer]
        except KeyError:
            known = ", ".join(sorted(_ENCODERS))
            raise ImproperlyConfigured(f"no serializer {serializer!r}; there are {known}") from None
        try:
            self.accept: frozenset[str] = frozenset(_accept(list(accept)))
        except kombu_errors.SerializerNotInstalled as error:
            raise ImproperlyConfigured(f"accepted content: {error}") from None

    def encode(self, data: Any) -> bytes:
        """Return data as bytes. Raises EncodeError for data that would not be decoded as the same."""
        try:
            if self.serializer == "json":
                check_json(data)
            payload = self._dump(data)
            if self.serializer != "json":
                self._check_back(data, payload)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(f"{self.serializer} cannot carry the value: {_reason(error)}") from error
        return payload

    def _dump(self, data: Any) -> bytes:
        if self.serializer == "json" and _ENCODERS["json"][2] is kombu_json.dumps:
            return _dump_json(data).encode()
        return _bytes(_dumps(data, serializer=self.serializer)[2])

    def _check_back(self, data: Any, payload: bytes) -> None:
        back = self._load(payload)
        # a pickled copy need not be equal to the object: its class defines equality
        if self.serializer != "pickle" and not is_same_value(data, back, set()):
            raise EncodeError(f"{self.serializer} would return a different value")

    def carries(self, data: Any) -> bool:
        """Whether data can be encoded."""
        try:
            self.encode(data)
        except EncodeError:
            return False
        return True

    def decode(self, payload: bytes | bytearray | memoryview | str) -> Any:
        """Return the data of a payload.

        Raises ContentDisallowed if the content type is not accepted, DecodeError for anything else.
        """
        if self.content_type not in self.accept:
            raise ContentDisallowed(f"content of type {self.content_type} is not accepted")
        kombus = self.serializer == "json" and _DECODERS.get("application/json") is kombu_json.loads
        if kombus and isinstance(payload, bytes):
            # nearly every payload is one JSON text without a tag: kombu makes the same of it, in twice the time
            try:
                text = payload.decode()
                found, end = _scan_json(text, 0)
            except (ValueError, StopIteration, RecursionError):
                return self.decode_with_care(payload)
            if end == len(text) and _TAG not in text and _ESCAPE not in text:
                return found
        return self.decode_with_care(payload)

    def decode_with_care(self, payload: bytes | bytearray | memoryview | str) -> Any:
        """Return the data of a payload of an accepted type, whatever is in it. Raises DecodeError."""
        try:
            return self._load(decompress(_bytes(payload), self.payload_limit))
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(_reason(error)) from error

    def _load(self, payload: bytes) -> Any:
        if not payload:
            raise DecodeError("the payload is empty")
        try:
            return _loads(payload, self.content_type, self.content_encoding, accept={self.content_type})
        except (SystemExit, GeneratorExit) as error:
            # pickle calls constructors: whatever they raise must not end the reader
            raise DecodeError(f"{type(error).__name__} was raised while decoding") from error


def _reason(error: Exception) -> str:
    """Return an error as one short line; kombu's errors have the error of the serializer as their only argument."""
    inner = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], Exception) else error
    try:
        text = " ".join(str(inner).split())
    except Exception:  # noqa: BLE001 - the text may contain the repr of the refused value
        text = ""
    return f"{type(inner).__name__}: {text[:200]}" if text else type(inner).__name__


def is_same_value(sent: Any, back: Any, seen: set[tuple[int, int]]) -> bool:
    """Whether a decoder returned the value that was encoded, apart from the types of lists and of bytes.

    `seen` has the pairs that are being compared, so that the comparison of a value that contains itself ends.
    """
    if (id(sent), id(back)) in seen:
        return True
    if isinstance(sent, (list, tuple)):
        seen.add((id(sent), id(back)))
        alike = isinstance(back, list) and len(sent) == len(back)
        return alike and all(is_same_value(*pair, seen) for pair in zip(sent, back, strict=True))
    if isinstance(sent, dict):
        seen.add((id(sent), id(back)))
        alike = isinstance(back, dict) and sent.keys() == back.keys()
        return alike and all(is_same_value(value, back[key], seen) for key, value in sent.items())
    return bool(sent == back or (sent != sent and back != back))  # NaN differs from itself


def check_json(data: Any) -> None:
    """Raise EncodeError for data that would be decoded from JSON as other data.

    These are keys that become the same text (1 and "1"), a map that looks like a tagged value of kombu's, two lone
    surrogates that become one character, and nesting deeper than `MAX_DEPTH`, which includes cycles.
    """
    levels: list[Iterator[Any]] = [iter((data,))]
    while levels:
        for item in levels[-1]:
            inner = _members(item)
            if inner is not None:
                levels.append(inner)
                break
        else:
            levels.pop()
        if len(levels) > MAX_DEPTH:
            raise EncodeError(f"nested deeper than {MAX_DEPTH} levels")


def _members(item: Any) -> Iterator[Any] | None:
    """Check an item; return an iterator over its content if it is a container, else None."""
    if isinstance(item, str):
        if not item.isascii() and _SPLIT_CHARACTER.search(item):
            raise EncodeError("two lone surrogates in a row would become one character")
        return None
    if isinstance(item, dict):
        if item.keys() == SELF_DESCRIBING:
            raise EncodeError(_LOOKS_TAGGED)
        _check_keys(item)
        return iter((*item.keys(), *item.values()))
    return iter(item) if isinstance(item, (list, tuple)) else None


def _check_keys(item: dict[Any, Any]) -> None:
    if all(type(key) is str for key in item):
        return
    texts = {_key_text(key) for key in item}
    if len(texts) < len(item):
        raise EncodeError("two keys of a map become the same text")
    if texts == SELF_DESCRIBING:
        raise EncodeError(_LOOKS_TAGGED)


def _key_text(key: Any) -> str:
    """Return the member name that JSON makes of a key."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    raise EncodeError(f"a key of type {type(key).__name__} has no JSON form")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def _zlib(body: bytes, most: int) -> tuple[bytes, _Decompressor]:
    stream = zlib.decompressobj()
    return stream.decompress(body, most), stream


def _bz2(body: bytes, most: int) -> tuple[bytes, _Decompressor]:
    stream = bz2.BZ2Decompressor()
    return stream.decompress(body, most), stream


def _lzma(body: bytes, most: int) -> tuple[bytes, _Decompressor]:
    stream = lzma.LZMADecompressor(memlimit=most + 2**26)
    return stream.decompress(body, most), stream


_DECOMPRESSORS: Final[dict[bytes, Callable[[bytes, int], tuple[bytes, _Decompressor]]]] = {
    b"application/x-gzip": _zlib,
    b"application/x-bz2": _bz2,
    b"application/x-lzma": _lzma,
}
"""By content type. The first one, despite its name, is a zlib stream and not gzip."""


def decompress(payload: bytes, limit: int = PAYLOAD_LIMIT) -> bytes:
    """Return a payload decompressed; a payload without the prefix is returned unchanged.

    Raises DecodeError for an unknown method, for a stream that is truncated or followed by other bytes, and for
    one that is longer than `limit` bytes, of which only one byte more is decompressed.
    """
    if not payload.startswith(COMPRESSED):
        return payload
    content_type, _, body = payload[len(COMPRESSED) :].partition(b"\x00")
    method = _DECOMPRESSORS.get(content_type)
    if method is None:
        raise DecodeError(f"unknown compression {content_type[:50]!r}")
    decompressed, stream = method(body, limit + 1)
    if len(decompressed) > limit:
        raise DecodeError(f"the compressed payload grows beyond {limit} bytes")
    if not stream.eof or stream.unused_data:
        raise DecodeError("the compressed payload is truncated, or other bytes follow it")
    return decompressed
