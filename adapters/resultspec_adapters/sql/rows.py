"""Rows and metas: how the members of a meta become columns, and how a row becomes a meta."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from resultspec_adapters.sql.statements import Row
from resultspec_adapters.sql.tables import REQUIRED, Layout
from resultspec_reference.entries.exceptions import printable, text_of
from resultspec_reference.entries.extended import STAMPED_HEADERS, TAKEN
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.entries.serialization import Codec
from resultspec_reference.errors import ContentDisallowed, DecodeError
from resultspec_reference.states import SUCCESS, is_ready

logger: Final = logging.getLogger(__name__)

PLAIN_TEXTS: Final = ("task_id", "status", "traceback", "group_id", "parent_id")
"""The columns of text that hold the member of the same name."""

EXTENDED_COLUMNS: Final = frozenset({"name", "worker", "retries", "queue", "args", "kwargs", "stamps"})
"""The columns of the extended members, which are null in most rows."""

EXTENDED_MEMBERS: Final = EXTENDED_COLUMNS - {"stamps"} | {STAMPED_HEADERS}
"""The extended members of a meta."""

LARGEST_INTEGER: Final = 2**31 - 1
"""The largest value of the column `retries`."""

PICKLES: Final = frozenset(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
"""The first bytes of a pickle. A payload of another serializer never begins with them."""


Found = tuple[Any, ...] | Row
"""The row of a task: a tuple of the columns that every table has if all others are null, else a map without nulls."""


def found_by_id(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> dict[str, Found]:
    """Return rows by the ids of their tasks. `columns` begins with those that every table has."""
    plain = len(REQUIRED)
    nulls = (None,) * (len(columns) - plain)
    return {row[0]: row[:plain] if row[plain:] == nulls else _named(columns, row) for row in rows}


def _named(columns: Sequence[str], row: tuple[Any, ...]) -> Row:
    return {name: value for name, value in zip(columns, row, strict=True) if value is not None}


def is_pickle(payload: bytes) -> bool:
    """Whether a payload can only be a pickle: up to Celery 5.6, every result was stored as one."""
    return payload[:2] in PICKLES and payload.endswith(b".")


def text(name: str, value: str | None) -> str | None:
    """Return a text that a column can hold. Raises ValueError for NUL and lone surrogates."""
    if value is not None and ("\x00" in value or not (value.isascii() or _is_unicode(value))):
        raise ValueError(f"a {name} with NUL or lone surrogates cannot be stored in a table: {value!a}")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_id(layout: Layout, kind: str, entry_id: str) -> None:
    """Raise ValueError for an id that does not fit its column."""
    text(kind, entry_id)
    if len(entry_id) > layout.id_length:
        raise ValueError(f"a {kind} in table {layout.table.name} has at most {layout.id_length} characters")


class RowCodec:
    """Makes rows from metas and metas from rows, with one serializer."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._pickle = Codec("pickle", codec.accept, codec.payload_limit)

    def row(self, meta: TaskMeta) -> dict[str, Any]:
        """Return the columns of the row of a meta, without those that are null.

        Raises EncodeError for a value that the serializer cannot carry, ValueError for a text that no column can hold.
        """
        row: dict[str, Any] = {"result": self._codec.encode(meta["result"])}
        # like Celery, store an empty list of children as null
        if meta["children"]:
            row["children"] = self._codec.encode(meta["children"])
        if meta["date_done"] is not None:
            row["date_done"] = datetime.fromisoformat(meta["date_done"]).astimezone(UTC).replace(tzinfo=None)
        for name in PLAIN_TEXTS:
            if (value := meta.get(name)) is not None:
                row[name] = text(name, value)
        if not EXTENDED_MEMBERS.isdisjoint(meta):
            row |= {name: value for name, value in self._extended(meta).items() if value is not None}
        return row

    def _extended(self, meta: TaskMeta) -> dict[str, Any]:
        """Return the columns of the extended members. What no column can hold degrades (EXT-4)."""
        columns: dict[str, Any] = {name: _readable(meta.get(name)) for name in ("name", "worker", "queue")}
        columns |= {name: self._encoded(meta.get(name)) for name in ("args", "kwargs")}
        retries = meta.get("retries")
        columns["retries"] = retries if isinstance(retries, int) and abs(retries) <= LARGEST_INTEGER else None
        if STAMPED_HEADERS in meta:
            headers = meta[STAMPED_HEADERS]
            stamps = {name: meta[name] for name in headers if name in meta} if isinstance(headers, list) else {}
            columns["stamps"] = self._encoded({STAMPED_HEADERS: headers, "stamps": stamps})
        return columns

    def _encoded(self, value: Any) -> bytes | None:
        return None if value is None else self._codec.encode(value)

    def plain(self, found: Found) -> TaskMeta | None:
        """Return the complete meta of a plain SUCCESS, one that has only a result; None for any other row.

        A fast path: the result is that of `meta`, completed, in a third of the time. Raises what that raises.
        """
        if not isinstance(found, tuple):
            return None
        task_id, status, result, date, traceback = found
        if status != SUCCESS or traceback is not None or type(result) is not bytes or result[:1] == b"\x80":
            return None
        if type(date) is not datetime or date.tzinfo is not None:
            return None
        return {
            "status": status,
            "result": self._codec.decode(result),
            "traceback": None,
            "children": None,
            "date_done": f"{date.isoformat()}+00:00",
            "task_id": task_id,
        }

    def meta(self, found: Found) -> TaskMeta:
        """Return the meta of a row, still to be completed.

        Raises DecodeError for a result or children that cannot be decoded, ContentDisallowed for a refused pickle.
        """
        return self._meta(dict(zip(REQUIRED, found, strict=True)) if isinstance(found, tuple) else found)

    def _meta(self, row: Row) -> TaskMeta:
        status = row.get("status")
        found: TaskMeta = {"status": status, "task_id": row["task_id"]}
        found["result"] = self.value(row.get("result"))
        found["children"] = self.value(row.get("children"))
        found["traceback"] = row.get("traceback")
        # Celery dates unready rows too
        found["date_done"] = row.get("date_done") if isinstance(status, str) and is_ready(status) else None
        for name in ("group_id", "parent_id"):
            if row.get(name) is not None:
                found[name] = row[name]
        return found if EXTENDED_COLUMNS.isdisjoint(row) else {**self._extended_members(row), **found}

    def _extended_members(self, row: Row) -> TaskMeta:
        """Return the extended members and the stamps of a row, without those that cannot be decoded."""
        members = {name: row[name] for name in ("name", "worker", "retries", "queue") if row.get(name) is not None}
        for name in ("args", "kwargs", "stamps"):
            try:
                value = self.value(row.get(name))
            except (DecodeError, ContentDisallowed) as error:
                logger.warning("%s of task %r cannot be read: %s", name, row["task_id"], error)
            else:
                members |= _stamps(value) if name == "stamps" else {} if value is None else {name: value}
        return members

    def value(self, payload: Any) -> Any:
        """Return the value in a column of bytes, None for null. Raises DecodeError and ContentDisallowed."""
        if payload is None:
            return None
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            raise DecodeError(f"a column of bytes holds a value of type {type(payload).__name__}")
        found = bytes(payload)
        codec = self._pickle if is_pickle(found) else self._codec
        return codec.decode(found)


def _readable(value: Any) -> str | None:
    """Return a value as a text that every column can hold, with escapes where necessary."""
    if value is None:
        return None
    return printable(value if isinstance(value, str) else text_of(value)).replace("\x00", "\\x00")


def _stamps(value: Any) -> TaskMeta:
    """Return the stamps in a decoded value, by their names, without names of other members."""
    if not isinstance(value, dict) or STAMPED_HEADERS not in value:
        return {}
    stamps = value.get("stamps")
    named = stamps if isinstance(stamps, dict) else {}
    return {STAMPED_HEADERS: value[STAMPED_HEADERS], **{name: named[name] for name in named if name not in TAKEN}}
