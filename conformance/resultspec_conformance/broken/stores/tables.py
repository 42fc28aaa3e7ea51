"""Backends that break chapter 15: the rows of tasks in a table."""

import datetime as dt
import pickle
from collections.abc import Mapping
from typing import Any

from kombu import serialization
from kombu.exceptions import ContentDisallowed

from resultspec_conformance.broken.baseline.tables import CorrectTables, Row
from resultspec_conformance.broken.catalogue import broken, variation

_kombu: Any = serialization


@variation("tables")
class Tables(CorrectTables):
    """The small correct backend over a table, unchanged."""


@variation("tables-of-whole-seconds", time_resolution=1.0)
class WholeSeconds(CorrectTables):
    """Dates rows to the second, as a column of MariaDB without fractions does, and stores an empty list of children."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Cut the fraction."""
        row = super().row(meta)
        if row["date_done"] is not None:
            row["date_done"] = row["date_done"].replace(microsecond=0)
        row["children"] = self.encoded(list(meta["children"] or ()))
        return row


@broken("SQL-1", "another-row-for-each-store")
class AnotherRow(CorrectTables):
    """Inserts a row for each store and reads the newest, as a table without a unique id lets one do."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Put the row before those that are there."""
        key = self.key(task_id)
        there = self.steadily(lambda: self.link.get(key))
        older = pickle.loads(there) if there is not None else []
        rows = pickle.dumps([*pickle.loads(payload), *older])
        written: bool = self.steadily(lambda: self.link.put(key, rows, lambda now: self.stays(now, state)))
        return written


MARK = b"\xc1mine"
"""The prefix of bytes that a broken backend has written in its own form, so that it recognizes them."""


@broken("SQL-1", "state-with-a-mark-in-the-column")
class StateMarked(CorrectTables):
    """Puts a mark before the states that it has written, and takes it away when it reads."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Mark it."""
        row = super().row(meta)
        return {**row, "status": f"={row['status']}"}

    def unmarked(self, row: Row) -> Row:
        """Take the mark away."""
        state = row["status"]
        return {**row, "status": state.removeprefix("=") if isinstance(state, str) else state}

    def row_stays(self, row: Row, arriving: str) -> bool:
        """Compare the names."""
        return super().row_stays(self.unmarked(row), arriving)

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Read the names."""
        return super().meta_of(self.unmarked(row))


@broken("SQL-2", "every-result-pickled")
class EveryResultPickled(CorrectTables):
    """Pickles results whatever the serializer, as Celery did up to 5.6, behind a mark of its own."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Pickle what the serializer would give back."""
        row = super().row(meta)
        value = meta["result"] if self.serializer == "pickle" else self.deserialize(row["result"])
        return {**row, "result": MARK + pickle.dumps(value)}

    def decoded(self, payload: bytes | None) -> Any:
        """Unpickle what has the mark."""
        if payload is None or not payload.startswith(MARK):
            return super().decoded(payload)
        self.check_accepted(_kombu.registry._encoders[self.serializer][0])
        return pickle.loads(payload[len(MARK) :])


@broken("SQL-2", "result-in-a-map")
class ResultInAMap(CorrectTables):
    """Stores the result inside a map of one member."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Put a map around it."""
        return {**super().row(meta), "result": self.encoded({"result": meta["result"]})}

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Take the map away."""
        meta = super().meta_of(row)
        if isinstance(meta["result"], Mapping) and set(meta["result"]) == {"result"}:
            meta["result"] = meta["result"]["result"]
        return meta


@broken("SQL-2", "null-result-not-encoded")
class NullResult(CorrectTables):
    """Stores NULL for a result that is null."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Leave it out."""
        row = super().row(meta)
        return {**row, "result": None} if meta["result"] is None else row


@broken("SQL-3", "children-pickled")
class ChildrenPickled(CorrectTables):
    """Pickles the children, whatever the serializer."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Pickle them."""
        row = super().row(meta)
        return {**row, "children": MARK + pickle.dumps(meta["children"]) if meta["children"] else None}

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Unpickle them, or read what others have stored."""
        stored = row["children"]
        if stored is None or not stored.startswith(MARK):
            return super().meta_of(row)
        return {**super().meta_of({**row, "children": None}), "children": pickle.loads(stored[len(MARK) :])}


@broken("SQL-3", "traceback-in-the-serializer")
class TracebackEncoded(CorrectTables):
    """Stores the traceback as a text of json."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Quote it."""
        row = super().row(meta)
        told = row["traceback"]
        return {**row, "traceback": None if told is None else f"={told}"}

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Take the mark away."""
        meta = super().meta_of(row)
        told = meta["traceback"]
        return {**meta, "traceback": told.removeprefix("=") if isinstance(told, str) else told}


@broken("SQL-4", "date-in-local-time", also=["SQL-8", "SQL-9", "META-15"])
class DateInLocalTime(CorrectTables):
    """Dates rows by the clock on the wall, two hours east of UTC."""

    def stored_date(self, date: str | None, state: str) -> Any:
        """Move it."""
        stored = super().stored_date(date, state)
        return stored and stored + dt.timedelta(hours=2)

    def read_stored_date(self, date: dt.datetime | None, state: str) -> str | None:
        """Move it back."""
        return super().read_stored_date(date and date - dt.timedelta(hours=2), state)


@broken("SQL-4", "unready-rows-dated")
class UnreadyRowsDated(CorrectTables):
    """Dates every row, and leaves it to readers not to look at the date of one that is not ready."""

    def stored_date(self, date: str | None, state: str) -> Any:
        """Date it."""
        return super().stored_date(date or self.now().isoformat(), state)


@broken("SQL-5", "group-in-the-serializer")
class GroupEncoded(CorrectTables):
    """Stores the ids of group and parent as the serializer writes them."""

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Encode them."""
        row = super().row(meta)
        ids = {name: meta[name] for name in ("group_id", "parent_id") if meta.get(name)}
        return {**row, **{name: self.encoded(value) for name, value in ids.items()}}

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Decode them."""
        ids = {name: row[name] for name in ("group_id", "parent_id")}
        decoded = {name: self.decoded(value) if isinstance(value, bytes) else value for name, value in ids.items()}
        return super().meta_of({**row, **decoded})


@broken("SQL-6", "stamps-of-an-earlier-entry-left", also=["EXT-7"])
class StampsLeft(CorrectTables):
    """Leaves the stamps as they are where an entry has none, as Celery 5.7.0 does."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Keep them."""
        there = self.steadily(lambda: self.link.get(self.key(task_id)))
        (row,) = pickle.loads(payload)
        if there is not None and row["stamps"] is None:
            row = {**row, "stamps": pickle.loads(there)[0]["stamps"]}
        return super().write(task_id, pickle.dumps([row]), state)


@broken("SQL-7", "success-that-cannot-be-decoded-replaced")
class UndecodableSuccessReplaced(CorrectTables):
    """Replaces a row of which the result cannot be decoded, whatever its state."""

    def row_stays(self, row: Row, arriving: str) -> bool:
        """Look at the result too."""
        try:
            readable = self.decoded(row["result"]) is not None or row["result"] is not None
        except Exception:  # noqa: BLE001 - whatever decoding raises
            readable = False
        return readable and super().row_stays(row, arriving)


@broken("SQL-8", "stamps-of-celery-refused")
class CelerysStampsRefused(CorrectTables):
    """Stores a version beside the stamps, and takes stamps without one for a row of the future."""

    def columns_told(self, meta: Mapping[str, Any]) -> Row:
        """Add the version."""
        told = super().columns_told(meta)
        if told.get("stamps") is not None:
            told["stamps"] = self.encoded({**self.deserialize(told["stamps"]), "version": 1})
        return told

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Insist on the version."""
        stamps = self.read_told({**dict.fromkeys(row), "stamps": row["stamps"]})
        if "stamped_headers" in stamps and b"version" not in row["stamps"]:
            raise ValueError("its stamps are of another version")
        return super().meta_of(row)


@broken("SQL-9", "pickles-not-read")
class PicklesNotRead(CorrectTables):
    """Reads rows in the configured serializer and no other."""

    def decoded(self, payload: bytes | None) -> Any:
        """Refuse a pickle in any case."""
        return None if payload is None else self.parse(payload)


@broken("SQL-9", "pickles-read-by-everybody", also=["VALUE-5"])
class PicklesReadByAll(CorrectTables):
    """Unpickles what it cannot decode, as Celery 5.7.0 does."""

    def decoded(self, payload: bytes | None) -> Any:
        """Try pickle last."""
        if payload is None:
            return None
        try:
            return self.parse(payload)
        except ContentDisallowed:
            raise
        except Exception:
            if payload[:1] != b"\x80":
                raise
            return pickle.loads(payload)


@broken("SQL-10", "date-of-unready-rows-shown")
class UnreadyDateShown(CorrectTables):
    """Shows the date of any row."""

    def read_stored_date(self, date: dt.datetime | None, state: str) -> str | None:
        """Show it."""
        return None if date is None else date.replace(tzinfo=dt.UTC).isoformat()


@broken("EXT-11", "columns-for-readers-with-the-option-only")
class ColumnsWithTheOptionOnly(CorrectTables):
    """Maps the columns of the extended members only with the option, as Celery does."""

    def read_told(self, row: Row) -> dict[str, Any]:
        """Look at them with the option."""
        return super().read_told(row) if self.extended else {}


@broken("SQL-11", "null-result-is-a-decode-error", also=["META-13", "SQL-9"])
class NullResultRefused(CorrectTables):
    """Takes a row without a result for one that is torn."""

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Insist on a result."""
        if row["result"] is None:
            raise ValueError("it has no result")
        return super().meta_of(row)


@broken("SQL-11", "arguments-that-do-not-decode-hide-the-result")
class ArgumentsHideResult(CorrectTables):
    """Decodes the arguments and the stamps with the result, and fails for either."""

    def read_told(self, row: Row) -> dict[str, Any]:
        """Decode them first."""
        for name in ("args", "kwargs", "stamps"):
            self.decoded(row[name])
        return super().read_told(row)


@broken("VALUE-7", "row-without-a-status-stays")
class RowWithoutStatusStays(CorrectTables):
    """Compares the status in the database, where NULL is unlike nothing, not even SUCCESS."""

    def row_stays(self, row: Row, arriving: str) -> bool:
        """Keep a row of which the comparison says nothing."""
        return row["status"] is None or super().row_stays(row, arriving)
