"""Rows as payloads: conversion between the row of a task and one string of bytes.

The checks of the classes that every backend claims deal with payloads, of which a key/value store has one for each
task. Here a row whose values are json becomes the meta that such a store would keep, and a meta in json becomes a
row. Any other bytes are the column `result` of a task in STARTED. A row that is neither of these has its own form, so
that it can be restored.
"""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.wire.values import Value, decode, encode, show

TASK_TABLE: Final = "celery_taskmeta"
GROUP_TABLE: Final = "celery_tasksetmeta"
CHORD_TABLE: Final = "resultspec_chords"
PART_TABLE: Final = "resultspec_chord_parts"

RAW_ROW_PREFIX: Final = b"\xc1row"
"""The prefix of the form of other rows. No serializer produces or accepts its first byte."""

ResultRow = Mapping[str, Any]
"""A row by the names of its columns."""


def _dumped(value: Value) -> bytes:
    return json.dumps(value).encode()


def _dumped_or_null(value: Value) -> bytes | None:
    return None if value is None else _dumped(value)


def _text(value: Value) -> str | None:
    if (isinstance(value, str) and "\x00" not in value and value.isprintable()) or value is None:
        return value
    raise Unobserved(f"a text column cannot hold {show(value)}")


def _multiline_text(value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Unobserved(f"a text column cannot hold {show(value)}")


def _number(value: Value) -> int | None:
    if value is None or (type(value) is int and abs(value) < 2**31):
        return value
    raise Unobserved(f"a column of small integers cannot hold {show(value)}")


def _datetime(value: Value) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)


_CELLS: Final[Mapping[str, Callable[[Value], Any]]] = {
    "status": _text,
    "result": _dumped,
    "traceback": _multiline_text,
    "children": _dumped_or_null,
    "date_done": _datetime,
    "group_id": _text,
    "parent_id": _text,
    "name": _text,
    "args": _dumped_or_null,
    "kwargs": _dumped_or_null,
    "worker": _text,
    "retries": _number,
    "queue": _text,
}
"""The function that converts each member of a meta to its column."""


def row_of(payload: bytes, columns: Collection[str]) -> dict[str, Any]:
    """Return the row for a payload, without its id. Raises Unobserved for a meta that does not fit the columns."""
    raw_row, meta = _raw_row_of(payload), _meta(payload)
    if raw_row is not None:
        return raw_row
    if meta is None:
        return {"status": "STARTED", "result": payload}
    known = {name: value for name, value in meta.items() if name != "task_id"}
    without = [name for name in known if name not in _CELLS or name not in columns]
    # a table of an older release, which lacks a column, says by that that there is nothing in it
    unknown = sorted(name for name in without if known[name] not in (None, []))
    if unknown:
        raise Unobserved(f"the table has no column for {', '.join(map(repr, unknown))}")
    return {name: _CELLS[name](value) for name, value in known.items() if name not in without}


def _meta(payload: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("status"), str) and found["status"] else None


def payload_of(row: ResultRow) -> bytes:
    """Return a row as a meta in json, or as the bytes of its result if it has no more, or in its own form."""
    try:
        meta = {
            "status": row["status"],
            "result": _loaded(row.get("result")),
            "traceback": row.get("traceback"),
            "children": _loaded(row.get("children")),
            "date_done": _instant(row.get("date_done")),
            **{name: row[name] for name in ("group_id", "parent_id") if row.get(name) is not None},
            "task_id": row["task_id"],
        }
        return _dumped(meta)
    except (ValueError, TypeError, RecursionError):
        return _raw_payload_of(row)


_AMBIGUOUS_PAYLOADS: Final = {b"\x00": "compressed", b"\x80": "pickled"}
"""Payloads, by their first byte, that mean something else in a column than under a key."""


def group_cell_of(payload: bytes) -> bytes:
    """Return the content of a group's column for a payload under a key: the tuple without the map around it.

    Any other payload is returned unchanged. Raises Unobserved for a payload that would mean something else.
    """
    kind = _AMBIGUOUS_PAYLOADS.get(payload[:1]) if payload.strip(b"\x00") else None
    if kind is not None:
        raise Unobserved(f"a {kind} payload would be a different entry in a column than under a key")
    try:
        found = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return payload
    if isinstance(found, list):
        raise Unobserved("a list is the entry of a group in a column, but not under a key")
    return _dumped(found["result"]) if isinstance(found, dict) and "result" in found else payload


def _raw_payload_of(row: ResultRow) -> bytes:
    cells = {name: value for name, value in row.items() if value is not None and name not in ("id", "task_id")}
    if cells.keys() == {"status", "result"} and cells["status"] == "STARTED":
        return bytes(cells["result"])
    written = {
        name: value.isoformat() if isinstance(value, datetime) else encode(value) for name, value in cells.items()
    }
    return RAW_ROW_PREFIX + _dumped(written)


def _raw_row_of(payload: bytes) -> dict[str, Any] | None:
    """Return the row of a payload in the form of other rows; None for any other or a truncated payload."""
    if not payload.startswith(RAW_ROW_PREFIX):
        return None
    try:
        return {name: decode(value) for name, value in json.loads(payload[len(RAW_ROW_PREFIX) :]).items()}
    except ValueError:
        return None


def _loaded(payload: bytes | None) -> Any:
    return None if payload is None else json.loads(bytes(payload).decode())


def _instant(date: Any) -> str | None:
    if date is None:
        return None
    moment = date if isinstance(date, datetime) else datetime.fromisoformat(date)
    return moment.replace(tzinfo=UTC).isoformat()
