"""The body of a chord, as data: a signature, which may be a group, a chain or a chord itself.

A signature is a map with the members `task`, `args`, `kwargs`, `options`, which may have a `task_id`, and
`subtask_type`, which names the kind of a composed signature. Celery's signatures are such maps.
"""

import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

Signature = Mapping[str, Any]

_BODY_ID_NAMESPACE: Final = uuid.UUID("6f8a2f0e-5d8e-4c8f-9b54-4d2f0c1b7a55")
"""The UUID namespace of the ids that are given to bodies without an id."""


def options_of(signature: Signature) -> Mapping[str, Any]:
    """Return the options of a signature."""
    return signature.get("options") or {}


def id_of(signature: Signature) -> str | None:
    """Return the task id that a signature has, or None."""
    found = options_of(signature).get("task_id")
    return None if found is None else str(found)


def parts_of(signature: Signature) -> list[Signature]:
    """Return the signatures inside a signature: the tasks of a group or chain, the header and body of a chord."""
    given = signature.get("kwargs") or {}
    match signature.get("subtask_type"):
        case "group" | "chain":
            return list(given.get("tasks") or ())
        case "chord":
            header = given.get("header") or ()
            inner = header if not isinstance(header, Mapping) else [header]
            body = given.get("body")
            return [*inner, *([body] if body else [])]
    return []


def tasks_of(signature: Signature) -> Iterator[Signature]:
    """Yield the signatures of the single tasks in a signature: the signature itself if it is a single task."""
    if signature.get("subtask_type") in ("group", "chain", "chord"):
        for part in parts_of(signature):
            yield from tasks_of(part)
    else:
        yield signature


def with_id(signature: Signature, group_id: str) -> Signature:
    """Return a signature with a task id; a single task without one gets an id that is derived from the group's.

    A mutable signature is changed in place, since the header that is about to be sent refers to it.
    """
    if signature.get("subtask_type") in ("group", "chain", "chord"):
        return signature
    if id_of(signature) is not None:
        return signature
    options = {**options_of(signature), "task_id": str(uuid.uuid5(_BODY_ID_NAMESPACE, group_id))}
    if isinstance(signature, MutableMapping):
        signature["options"] = options
        return signature
    return {**signature, "options": options}


def errbacks_of(signature: Signature) -> list[tuple[Signature, str | None]]:
    """Return the errbacks to call when a signature has failed as a whole, each with the task id to call it with.

    The errbacks of a group or chain are called with the first id in it. Of a chain only the first step can have failed.
    """
    found = [(errback, id_of(signature) or _first_id(signature)) for errback in _own_errbacks(signature)]
    parts = parts_of(signature)
    if signature.get("subtask_type") == "chain":
        parts = parts[:1]
    for part in parts:
        found.extend(errbacks_of(part))
    return found


def _first_id(signature: Signature) -> str | None:
    return next((id_of(task) for task in tasks_of(signature) if id_of(task)), None)


def _own_errbacks(signature: Signature) -> list[Signature]:
    found = options_of(signature).get("link_error") or ()
    return [found] if isinstance(found, Mapping) else list(found)


def enclosing(signature: Signature, task_id: str) -> Mapping[str, Any] | None:
    """Return the request of a task as a part of the enclosing chord, or None if it is not in a chord."""
    options = options_of(signature)
    if not options.get("chord") or not options.get("group_id"):
        return None
    return {
        "id": task_id,
        "group": options["group_id"],
        "group_index": options.get("group_index"),
        "chord": options["chord"],
    }
