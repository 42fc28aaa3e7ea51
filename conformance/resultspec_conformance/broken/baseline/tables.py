"""The small correct backend over a table: the rows of tasks, in a server in memory.

The server keeps under the key of a task the list of its rows, pickled; that is how the table is made here, and says
nothing of what a row holds.
"""

import datetime as dt
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX, Server
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.subject.probes.rows import payload_of, row_of
from resultspec_conformance.wire.values import Value

COLUMNS = (
    "task_id", "status", "result", "date_done", "traceback", "children", "name", "args", "kwargs", "worker", "retries",
    "queue", "stamps", "group_id", "parent_id",
)  # fmt: skip
PICKLE = "application/x-python-serialize"

Row = dict[str, Any]


class CorrectTables(Correct):
    """A correct client of a table."""

    # -- storing -------------------------------------------------------------------------------

    def normal_id(self, task_id: Any) -> str:
        """Return the text of an id, which has no NUL."""
        return self.no_nul(super().normal_id(task_id))

    def no_nul(self, text: str) -> str:
        """Return a text that a column holds. Raises ValueError."""
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("no column holds NUL or a lone surrogate")
        return text

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the traceback with escapes for what no column holds."""
        if traceback is None:
            return None
        return traceback.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store a row."""
        task_id, state = self.normal_id(task_id), self.no_nul(self.check_state(state))
        row = self.row(self.build(task_id, result, state, traceback, request))
        self.write(task_id, pickle.dumps([row]), state)

    def row(self, meta: Mapping[str, Any]) -> Row:
        """Return the row of a meta."""
        row: Row = dict.fromkeys(COLUMNS)
        row |= {name: meta.get(name) for name in ("task_id", "status", "traceback", "group_id", "parent_id")}
        row["result"] = self.encoded(meta["result"])
        row["children"] = self.encoded(meta["children"]) if meta["children"] else None
        row["date_done"] = self.stored_date(meta["date_done"], meta["status"])
        return {**row, **self.columns_told(meta)}

    def encoded(self, value: Any) -> bytes:
        """Return a value in the serializer."""
        return self.dump(value)

    def stored_date(self, date: str | None, state: str) -> Any:
        """Return the date of a row: UTC, without a zone."""
        return None if date is None else dt.datetime.fromisoformat(date).astimezone(dt.UTC).replace(tzinfo=None)

    def columns_told(self, meta: Mapping[str, Any]) -> Row:
        """Return the columns of the extended members and of the stamps."""
        told = {name: meta.get(name) for name in ("name", "worker", "queue", "retries")}
        told |= {name: self.encoded(meta[name]) for name in ("args", "kwargs") if meta.get(name) is not None}
        if "stamped_headers" in meta:
            stamps = {name: meta[name] for name in meta["stamped_headers"] or () if name in meta}
            told["stamps"] = self.encoded({"stamped_headers": meta["stamped_headers"], "stamps": stamps})
        return told

    def stays(self, there: bytes, arriving: str) -> bool:
        """Whether the row that is there stays: its state is a column."""
        return self.row_stays(pickle.loads(there)[0], arriving)

    def row_stays(self, row: Row, arriving: str) -> bool:
        """Whether a row stays."""
        return self.keeps(row["status"], arriving)

    # -- reading -------------------------------------------------------------------------------

    def read(self, task_id: str) -> dict[str, Any]:
        """Return the meta of a row."""
        stored = self.steadily(lambda: self.link.get(self.key(task_id)))
        if stored is None:
            return self.unknown(task_id)
        row = pickle.loads(stored)[0]
        try:
            meta = self.shape(self.meta_of(row))
        except ContentDisallowed:
            raise
        except Exception as error:
            raise DecodeError(f"the row of task {task_id} cannot be decoded: {error}") from error
        meta["result"] = self.restore(meta["result"], meta["status"])
        meta["task_id"] = task_id
        return meta

    def meta_of(self, row: Row) -> dict[str, Any]:
        """Return what a row says."""
        meta = {name: row[name] for name in ("status", "traceback", "group_id", "parent_id")}
        meta |= {name: self.decoded(row[name]) for name in ("result", "children")}
        meta["date_done"] = self.read_stored_date(row["date_done"], row["status"])
        return {**self.read_told(row), **meta}

    def read_stored_date(self, date: dt.datetime | None, state: str) -> str | None:
        """Return the date of a ready row as text."""
        if date is None or not STATES.is_ready(state):
            return None
        return date.replace(tzinfo=dt.UTC).isoformat()

    def decoded(self, payload: bytes | None) -> Any:
        """Return a value of the serializer, or a pickle where it is accepted. Raises what decoding raises."""
        if payload is None:
            return None
        if self.serializer != "pickle" and payload[:1] == b"\x80" and payload.endswith(b".") and len(payload) > 2:
            self.check_accepted(PICKLE)
            return pickle.loads(payload)
        return self.parse(payload)

    def read_told(self, row: Row) -> dict[str, Any]:
        """Return the extended members and the stamps, without what cannot be decoded."""
        told = {name: row[name] for name in ("name", "worker", "queue", "retries") if row[name] is not None}
        for name in ("args", "kwargs", "stamps"):
            try:
                value = self.decoded(row[name])
            except Exception:  # noqa: BLE001 - an extended member must not cost the task its result
                value = None
            if name == "stamps" and isinstance(value, Mapping):
                told |= {"stamped_headers": value.get("stamped_headers"), **value.get("stamps", {})}
            elif value is not None:
                told[name] = value
        return told


class TableProbe:
    """A probe of the rows in a server in memory."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def rows(self, task_id: str) -> Sequence[Mapping[str, Value]]:
        """Return the rows of a task."""
        with self.server.lock:
            stored = self.server.data.get(TASK_KEY_PREFIX + task_id)
        found: Sequence[Mapping[str, Value]] = [] if stored is None else pickle.loads(stored)
        return found

    def columns(self) -> frozenset[str]:
        """Return the columns of the table."""
        return frozenset(COLUMNS)

    def put_row(self, row: Mapping[str, Value]) -> None:
        """Replace the rows with its id by a row."""
        whole = {**dict.fromkeys(COLUMNS), **row}
        if isinstance(whole["date_done"], str):
            whole["date_done"] = dt.datetime.fromisoformat(whole["date_done"])
        with self.server.lock:
            self.server.data[TASK_KEY_PREFIX + str(row["task_id"])] = pickle.dumps([whole])

    def read(self, task_id: str) -> bytes | None:
        """Return the row of a task as a payload, or None."""
        found = self.rows(task_id)
        return payload_of(found[0]) if found else None

    def write(self, task_id: str, payload: bytes) -> None:
        """Put a payload under a task, as a row."""
        self.put_row({**row_of(payload, COLUMNS), "task_id": task_id})

    def cut_connections(self) -> int:
        """Cut every client's connection."""
        return self.server.cut()

    def ping(self) -> None:
        """A server in memory is always there."""

    def close(self) -> None:
        """Nothing to let go of."""
