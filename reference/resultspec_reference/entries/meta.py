"""The task meta: the map that is stored for a task, and the one that a reader returns."""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from resultspec_reference.entries.extended import member_of
from resultspec_reference.entries.result_tuples import read_children, to_stored
from resultspec_reference.errors import DecodeError
from resultspec_reference.states import PENDING, is_ready

logger: Final = logging.getLogger(__name__)

TaskMeta = dict[str, Any]
"""`status`, `result`, `traceback`, `children`, `date_done`, `task_id`, and any other members that are stored."""

NO_EXTENDED_MEMBERS: Final[Mapping[str, Any]] = MappingProxyType({})

_AS_WRITTEN: Final = re.compile(
    r"\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d(?:\.(?!0{6})\d{6})?(?:\+|-(?!00:00))\d\d:\d\d", re.ASCII
)
"""Text that `datetime.isoformat` writes for an instant with an offset of whole minutes."""

_UNKNOWN: Final[dict[str, Any]] = {
    "status": PENDING,
    "result": None,
    "traceback": None,
    "children": None,
    "date_done": None,
    "task_id": None,
}


def build(
    task_id: str,
    status: str,
    result: Any,
    traceback: str | None,
    request: object | None,
    zone: tzinfo | None,
    extended: Mapping[str, Any] = NO_EXTENDED_MEMBERS,
    own: object | None = None,
) -> TaskMeta:
    """Return the meta to be stored, its members in the order in which Celery writes them.

    `result` is prepared for the serializer, `request` is an object or a map, `zone` the time zone of
    `date_done` (None: the machine's), `extended` has further members. `own` is the request of the running task, if
    it stores its own result; the children come from it if `request` is None. Rules: META-7 to META-11, WORK-7.
    """
    meta: TaskMeta = {
        "status": status,
        "result": result,
        "traceback": traceback,
        "children": children(own if request is None else request),
        "date_done": date_done(status, zone),
    }
    for member, name in (("group_id", "group"), ("parent_id", "parent_id")):
        value = member_of(request, name)
        if value:
            meta[member] = str(value)
    return {**meta, **extended, "task_id": task_id}


def children(request: object | None) -> list[Any] | None:
    """Return the result tuples of the tasks that a request's task sent; None without a request."""
    if request is None:
        return None
    return [to_stored(child) for child in member_of(request, "children") or ()]


def date_done(status: str, zone: tzinfo | None) -> str | None:
    """Return the current instant as RFC 3339 text if the state is ready, else None (META-9, META-10)."""
    return datetime.now(UTC).astimezone(zone).isoformat() if is_ready(status) else None


def unknown(task_id: str) -> TaskMeta:
    """Return the meta of a task that has no entry (META-2, META-3)."""
    return {**_UNKNOWN, "task_id": task_id}


def checked(decoded: Any) -> TaskMeta:
    """Return a decoded entry if it is a map with a state. Raises DecodeError if not."""
    if not isinstance(decoded, dict):
        raise DecodeError(f"the entry is not a map, but {type(decoded).__name__}")
    status = decoded.get("status")
    if not isinstance(status, str) or not status:
        raise DecodeError("the entry has no status")
    return decoded


def complete(meta: TaskMeta, task_id: str) -> TaskMeta:
    """Return a decoded meta with all members.

    Missing members are null and the id is the requested one (META-4, META-13); unknown members stay.
    Raises DecodeError for a member of the wrong type.
    """
    found = _UNKNOWN | meta
    if found["task_id"] != task_id:
        if found["task_id"] is not None:
            logger.warning("the entry of task %r names task %r; the latter is ignored", task_id, found["task_id"])
        found["task_id"] = task_id
    for member in ("traceback", "group_id", "parent_id"):
        value = found.get(member)
        if value is not None and not isinstance(value, str):
            raise DecodeError(f"{member} is not text")
    if found["children"] is not None:
        found["children"] = read_children(found["children"])
    found["date_done"] = instant(found["date_done"])
    return found


def instant(date: Any) -> str | None:
    """Return a stored `date_done` with a numeric offset; without one it is in UTC (META-15). Raises DecodeError."""
    if date is None:
        return None
    try:
        moment = date if isinstance(date, datetime) else datetime.fromisoformat(date)
    except (TypeError, ValueError):
        raise DecodeError("date_done does not name an instant") from None
    if isinstance(date, str) and _AS_WRITTEN.fullmatch(date):
        # formatting it again would take three times as long
        return date
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
