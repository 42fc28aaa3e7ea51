"""Rows and metas: how the members of a meta are put into columns, and what is made of a row that was found."""

import logging
from datetime import UTC, datetime
from typing import Any, Final

from resultspec_adapters.sql.statements import Row
from resultspec_reference.errors import ContentDisallowed, DecodeError
from resultspec_reference.meta import TaskMeta
from resultspec_reference.serialization import Codec
from resultspec_reference.states import is_ready

logger: Final = logging.getLogger(__name__)

TEXTS: Final = frozenset({"task_id", "status", "traceback", "name", "worker", "queue", "group_id", "parent_id"})
VALUES: Final = frozenset({"result", "children", "args", "kwargs", "stamps"})
"""The columns that hold bytes, each a value in the serializer."""

COLUMNS: Final = (*sorted(TEXTS | VALUES), "date_done", "retries")
"""All columns that are written, but for the number of the row."""

INFORMATIVE: Final = ("name", "args", "kwargs", "worker", "retries", "queue")
"""Columns that say more of a task than its result: nothing that is wrong with them keeps it from being read."""

PICKLES: Final = frozenset(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
"""How a pickle begins. In no other serializer does a whole payload begin so."""


def is_pickle(payload: bytes) -> bool:
    """Whether a payload can only be a pickle: up to Celery 5.6 every result was stored as one."""
    return payload[:2] in PICKLES and payload.endswith(b".")


def text(name: str, value: str | None) -> str | None:
    """Return a text as a column takes it. Raises ValueError for NUL and lone surrogates."""
    if value is not None and ("\x00" in value or not _is_unicode(value)):
        raise ValueError(f"a {name} with NUL or lone surrogates cannot be stored in a table: {value!a}")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class RowCodec:
    """Puts metas into rows and reads them again, in one serializer."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._pickle = Codec("pickle", codec.accept, codec.payload_limit)

    def row(self, meta: TaskMeta) -> dict[str, Any]:
        """Return the row of a meta, with null in every column that the meta says nothing of.

        Raises EncodeError for a value that the serializer cannot carry, ValueError for a text that no column holds.
        """
        return {name: self._cell(name, meta.get(name)) for name in COLUMNS}

    def _cell(self, name: str, value: Any) -> Any:
        if name == "result":
            return self._codec.encode(value)
        if value is None:
            return None
        if name == "date_done":
            return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
        if name in VALUES:
            # no children are stored as Celery does it, as null
            return self._codec.encode(value) if value else None
        return text(name, value) if name in TEXTS else value

    def meta(self, row: Row) -> TaskMeta:
        """Return what a row says, still to be completed.

        Raises DecodeError for a result or children that cannot be decoded, ContentDisallowed for a pickle that
        is not accepted.
        """
        status = row["status"]
        found: TaskMeta = {"status": status, "task_id": row["task_id"]}
        found["result"] = self._value(row.get("result"))
        found["children"] = self._value(row.get("children"))
        found["traceback"] = row.get("traceback")
        # Celery up to 5.7 dates unready rows too
        found["date_done"] = row.get("date_done") if isinstance(status, str) and is_ready(status) else None
        found |= {name: row[name] for name in ("group_id", "parent_id") if row.get(name) is not None}
        return {**self._more(row), **found}

    def _more(self, row: Row) -> TaskMeta:
        more = {}
        for name in INFORMATIVE:
            stored = row.get(name)
            if stored is None:
                continue
            try:
                more[name] = self._value(stored) if name in VALUES else stored
            except (DecodeError, ContentDisallowed) as error:
                logger.warning("%s of task %r cannot be read: %s", name, row["task_id"], error)
        return more

    def _value(self, payload: Any) -> Any:
        if payload is None:
            return None
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            raise DecodeError(f"where bytes belong there is {type(payload).__name__}")
        found = bytes(payload)
        codec = self._pickle if is_pickle(found) else self._codec
        return codec.decode(found)
