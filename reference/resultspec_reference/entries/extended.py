"""Extended members: what a meta says about the call besides its outcome, if `result_extended` is set.

They come from the request and are stored in the meta beside the core members. Two rules make them harmless. A member
that the serializer cannot carry is replaced by a text of it, so that it never costs the task its result
(EXT-4). A stamp is a member with a name that the user chose, so it is stored only if it is declared, and never
under the name of another member (EXT-5, EXT-6).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from resultspec_reference.entries.exceptions import printable, text_of

CORE: Final = ("status", "result", "traceback", "children", "date_done", "task_id", "group_id", "parent_id")
"""The members of every meta."""

EXTENDED: Final = ("name", "args", "kwargs", "worker", "retries", "queue")
"""The extended members, which come from the request."""

STAMPED_HEADERS: Final = "stamped_headers"
"""The member that lists the names of the stamps."""

TAKEN: Final = frozenset({*CORE, *EXTENDED, STAMPED_HEADERS})
"""The names that a stamp cannot have."""

Carries = Callable[[Any], bool]
"""Whether the serializer can carry a value."""


def member_of(request: object | None, name: str) -> Any:
    """Return a member of a request, which is an object or a map; None if it does not have one."""
    if isinstance(request, Mapping):
        return request.get(name)
    return getattr(request, name, None)


def members(request: object | None, carries: Carries) -> dict[str, Any]:
    """Return the extended members and the stamps of a request as they are stored; empty without a request."""
    if request is None:
        return {}
    found = {**_from_request(request), **_stamps(request)}
    if carries(found):
        return found
    return {name: degraded(value, carries) for name, value in found.items() if carries({name: None})}


def _from_request(request: object) -> dict[str, Any]:
    delivery = member_of(request, "delivery_info")
    return {
        "name": member_of(request, "task") or member_of(request, "name"),
        "args": member_of(request, "args"),
        "kwargs": member_of(request, "kwargs"),
        "worker": member_of(request, "hostname"),
        "retries": member_of(request, "retries"),
        "queue": member_of(delivery, "routing_key"),
    }


def _stamps(request: object) -> dict[str, Any]:
    """Return the stamps that the request declares, and the list of their names; empty for a request without stamps."""
    stamps = member_of(request, "stamps")
    if not isinstance(stamps, Mapping) or not stamps:
        return {}
    headers: Iterable[Any] = member_of(request, STAMPED_HEADERS) or ()
    declared = [name for name in headers if isinstance(name, str) and name not in TAKEN]
    return {STAMPED_HEADERS: declared, **{name: stamps[name] for name in declared if name in stamps}}


def degraded(value: Any, carries: Carries) -> Any:
    """Return a value as the serializer can carry it: whole, with some parts as text, or as text (EXT-4)."""
    if carries(value):
        return value
    if isinstance(value, str):
        return printable(value)
    parts = value
    if isinstance(value, (list, tuple)):
        parts = [part if carries(part) else text_of(part) for part in value]
    elif isinstance(value, Mapping):
        parts = {
            (key if carries({key: None}) else text_of(key)): (part if carries(part) else text_of(part))
            for key, part in value.items()
        }
    return parts if parts is not value and carries(parts) else text_of(value)
