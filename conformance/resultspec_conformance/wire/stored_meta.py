"""A stored payload of the json serializer: whether a reader accepts it, and whether a writer may have written it.

The two differ on purpose: a reader accepts what every release wrote, a writer follows the task meta schema. This reader
shares no code with the reference, so that the same mistake is not in both.
"""

import base64
import json
import re
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from resultspec.schemas import errors

PREFIX = b"\x00celery-compressed\x00"
ZLIB_TYPES = frozenset({b"application/x-gzip", b"application/gzip", b"application/zlib", b"application/x-zlib"})
LIMIT = 128 * 1024 * 1024
"""The largest size in bytes of a payload after decompression."""

_LONGEST_EXCERPT = 200


@dataclass(frozen=True)
class Finding:
    """A defect of a payload, and the requirement that it violates. `fatal`: no reader accepts the payload."""

    requirement: str
    text: str
    fatal: bool


class _Unreadable(Exception):
    def __init__(self, text: str, requirement: str = "VALUE-9") -> None:
        super().__init__(text)
        self.finding = Finding(requirement, text, fatal=True)


def _inflate(payload: bytes, limit: int) -> bytes:
    """Return a payload decompressed. Raises _Unreadable."""
    if not payload.startswith(PREFIX):
        return payload
    content_type, separator, body = payload[len(PREFIX) :].partition(b"\x00")
    if not separator or content_type not in ZLIB_TYPES:
        raise _Unreadable(f"the compression prefix is not followed by a known content type: {content_type[:80]!r}")
    stream = zlib.decompressobj()
    try:
        grown = stream.decompress(body, limit)
    except zlib.error as error:
        raise _Unreadable(f"what follows the compression prefix is not a zlib stream: {error}") from error
    if stream.unconsumed_tail:
        raise _Unreadable(f"the compressed payload grows beyond {limit} bytes", "VALUE-12")
    if not stream.eof:
        raise _Unreadable("the zlib stream is truncated")
    if stream.unused_data:
        raise _Unreadable(f"{len(stream.unused_data)} bytes follow the zlib stream")
    return grown


def _parse(text: bytes) -> tuple[Any, list[str]]:
    """Return the document of JSON text, and the names that occur twice in one map. Raises _Unreadable."""
    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(sorted({name for name in names if names.count(name) > 1}))
        return found

    if text.startswith(b"\xef\xbb\xbf"):
        raise _Unreadable("it begins with a byte order mark")
    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=members)
    except UnicodeDecodeError as error:
        raise _Unreadable(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _Unreadable(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise _Unreadable("it is nested too deeply") from error
    except ValueError as error:
        raise _Unreadable("a number has more digits than a reader takes") from error
    return document, twice


def _text_or_null(meta: dict[str, Any]) -> Iterator[str]:
    for name in ("traceback", "group_id", "parent_id"):
        if not isinstance(meta.get(name), (str, type(None))):
            yield f"{name} is neither text nor null"


def _is_head(head: Any) -> bool:
    if not isinstance(head, list) or len(head) != 2 or not isinstance(head[0], str) or not head[0]:
        return False
    return head[1] is None or _is_tuple(head[1])


def _is_tuple(child: Any) -> bool:
    """Whether a reader accepts this as a result tuple."""
    if not isinstance(child, list) or len(child) != 2:
        return False
    head, members = child
    # a group of Celery before 4.3 began with its bare id
    if not (isinstance(head, str) and head and members is not None) and not _is_head(head):
        return False
    return members is None or (isinstance(members, list) and all(_is_tuple(member) for member in members))


def _names_an_instant(text: Any) -> bool:
    if not isinstance(text, str) or not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]\d", text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_hex(value: Any) -> None:
    uuid.UUID(hex=value["hex"])


_TAGS: Mapping[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "uuid": _of_hex,
    "decimal": Decimal,
    "bytes": str.encode,
    "base64": lambda text: base64.b64decode(text, validate=True),
}
"""The function that reads the value of each type tag; it raises for an invalid value."""


def _wrong_tags(value: Any) -> Iterator[str]:
    """Yield the type tags whose value is not one of their type."""
    if isinstance(value, list):
        for item in value:
            yield from _wrong_tags(item)
    if not isinstance(value, dict):
        return
    if value.keys() == {"__type__", "__value__"} and value["__type__"] in _TAGS:
        try:
            _TAGS[value["__type__"]](value["__value__"])
        except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError):
            yield f"the tag {value['__type__']} has an invalid value: {value['__value__']!r:.80}"
        return
    for member in value.values():
        yield from _wrong_tags(member)


def _unreadable_members(meta: dict[str, Any]) -> Iterator[str]:
    status = meta.get("status")
    if not isinstance(status, str) or not status:
        yield "its status is not text, or empty"
    yield from _text_or_null(meta)
    children = meta.get("children")
    if children is not None and not (isinstance(children, list) and all(_is_tuple(child) for child in children)):
        yield "children is neither null nor a list of result tuples"
    if meta.get("date_done") is not None and not _names_an_instant(meta["date_done"]):
        yield "date_done is neither null nor a text that names an instant"
    yield from _wrong_tags(meta)


_BY_MEMBER = {"children": "META-7", "date_done": "META-10", "status": "STATE-1", "traceback": "META-5"}


def _of_schema(meta: dict[str, Any]) -> Iterator[Finding]:
    """Yield where a meta differs from the schema that writers follow."""
    for error in sorted(errors(meta, "task-meta"), key=lambda found: found.json_path):
        first = str(error.absolute_path[0]) if error.absolute_path else ""
        if error.validator == "required":
            requirement = "META-1"
        elif first == "date_done" and error.validator == "type":
            requirement = "META-9"
        else:
            requirement = _BY_MEMBER.get(first, "KEY-3")
        text = error.message if len(error.message) <= _LONGEST_EXCERPT else f"{error.message[:_LONGEST_EXCERPT]} …"
        yield Finding(requirement, f"{error.json_path}: {text}", fatal=False)


def examine(payload: bytes, limit: int = LIMIT) -> Sequence[Finding]:
    """Return what is wrong with a stored payload; empty if a writer may have written it."""
    try:
        meta, twice = _parse(_inflate(payload, limit))
    except _Unreadable as error:
        return [error.finding]
    if not isinstance(meta, dict):
        return [Finding("VALUE-9", f"it is not a map but a {type(meta).__name__}", fatal=True)]
    if "status" not in meta:
        return [Finding("VALUE-9", "it has no status", fatal=True)]
    unreadable = [Finding("VALUE-14", text, fatal=True) for text in _unreadable_members(meta)]
    if unreadable:
        return unreadable
    doubled = [Finding("KEY-3", f"the member {name!r} occurs twice", fatal=False) for name in twice]
    return [*doubled, *_of_schema(meta)]
