"""Result tuples: how the handle of a task or group is stored.

A result tuple is `[[id, parent], members]`: `parent` is the result tuple of the task that sent this one,
or null; `members` are the result tuples of a group, and null for a task. Up to Celery 4.0.2 the result
tuple of a group was `[id, members]`.
"""

from collections.abc import Callable
from typing import Any

from resultspec_reference.errors import DecodeError


def is_result_object(value: object) -> bool:
    """Whether a value is the handle of a task or group: an object with an `id` and a method `as_tuple`."""
    return _has_tuple(value) and (hasattr(type(value), "id") or "id" in getattr(value, "__dict__", ()))


def _has_tuple(value: object) -> bool:
    return callable(getattr(type(value), "as_tuple", None))


def to_stored(result: Any) -> Any:
    """Return the result tuple of a handle, or a given one, as lists, since every serializer returns lists."""
    found = result.as_tuple() if _has_tuple(result) else result
    return [to_stored(item) for item in found] if isinstance(found, (list, tuple)) else found


def read_children(stored: Any) -> list[Any] | None:
    """Return the stored children of a task in the current form. Raises DecodeError for anything but children."""
    if stored is None:
        return None
    try:
        return _each(stored, _read)
    except RecursionError:
        raise DecodeError("the children are nested too deep") from None


def read_group(stored: Any) -> list[Any]:
    """Return a stored result tuple of a group in the current form. Raises DecodeError for anything else."""
    try:
        found = _read(stored)
    except RecursionError:
        raise DecodeError("the group is nested too deep") from None
    if found[1] is None:
        raise DecodeError("it is the result tuple of a task, not of a group")
    return found


def _read(stored: Any) -> list[Any]:
    head, members = _pair(stored)
    if isinstance(head, str) and members is not None:
        head = [head, None]
    task_id, parent = _pair(head)
    if not isinstance(task_id, str) or not task_id:
        raise DecodeError("a result tuple has no id")
    return [
        [task_id, None if parent is None else _read(parent)],
        None if members is None else _each(members, _read),
    ]


def _pair(stored: Any) -> tuple[Any, Any]:
    if not isinstance(stored, (list, tuple)) or len(stored) != 2:
        raise DecodeError("a result tuple is missing")
    return stored[0], stored[1]


def _each(stored: Any, read: Callable[[Any], Any]) -> list[Any]:
    if not isinstance(stored, (list, tuple)):
        raise DecodeError("children or members are not a list")
    return [read(item) for item in stored]
