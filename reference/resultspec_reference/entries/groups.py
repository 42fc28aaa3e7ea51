"""Groups: what is stored for a group, and the handles that a caller saves and gets back.

An entry is a map that has a result tuple (`resultspec_reference.entries.result_tuples`) as `result`. A restored
group is a handle: one of Celery's if the app can make them, else one of the two small classes of this module.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from resultspec_reference.entries.result_tuples import read_group, to_stored
from resultspec_reference.errors import DecodeError
from resultspec_reference.ids import task_id_text

CHORD_SUFFIXES: Final = (".j", ".t", ".s", ".d", ".c")
"""The suffixes that make the keys of a chord from the key of its group; a group id cannot end in one (GROUP-12)."""

ResultTuple = list[Any]
"""`[[id, parent], members]`."""


@dataclass(frozen=True)
class TaskHandle:
    """A task of a restored group: its id, and the handle of its parent, or None."""

    id: str
    parent: "TaskHandle | GroupHandle | None" = None

    def as_tuple(self) -> tuple[Any, Any]:
        """Return the result tuple."""
        return (self.id, self.parent and self.parent.as_tuple()), None


@dataclass
class GroupHandle:
    """A restored group: its id, the handles of its members in order, and the handle of its parent, or None."""

    id: str
    results: list[Any] = field(default_factory=list)
    parent: "TaskHandle | GroupHandle | None" = None

    def __len__(self) -> int:
        return len(self.results)

    def __bool__(self) -> bool:
        """Return true, so that a group without members is not taken for a missing one."""
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def as_tuple(self) -> tuple[Any, list[Any]]:
        """Return the result tuple."""
        return (self.id, self.parent and self.parent.as_tuple()), [member.as_tuple() for member in self.results]


def group_id_text(group_id: object) -> str:
    """Return a group id as text, as `task_id_text` does for a task id.

    Also raises ValueError for an id that ends like the keys of chords (GROUP-8, GROUP-9, GROUP-10, GROUP-12).
    """
    text = task_id_text(group_id, "group id")
    if text.endswith(CHORD_SUFFIXES):
        raise ValueError(f"a group id must not end in {' '.join(CHORD_SUFFIXES)}, as the keys of chords do: {text!r}")
    return text


def to_entry(result: Any) -> dict[str, Any]:
    """Return the entry of a group, which is given as a handle with `as_tuple()` or a result tuple. Raises TypeError."""
    try:
        return {"result": read_group(_with_text(to_stored(result)))}
    except DecodeError as error:
        raise TypeError(f"what was to be saved is not a group: {error}") from None


def _with_text(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_with_text(item) for item in stored]
    return str(stored) if isinstance(stored, UUID) else stored


def from_entry(decoded: Any) -> dict[str, Any]:
    """Return a decoded entry, its result tuple in the current form. Raises DecodeError (GROUP-19, GROUP-20)."""
    if not isinstance(decoded, dict) or "result" not in decoded:
        raise DecodeError("the entry is not a map with a result")
    return {**decoded, "result": read_group(decoded["result"])}


def handle(result: ResultTuple, app: object) -> Any:
    """Return the handle of a result tuple, made by the app if it can make handles, as Celery's can."""
    return _made(result, getattr(app, "GroupResult", GroupHandle), getattr(app, "AsyncResult", TaskHandle))


def _made(result: ResultTuple, group: Callable[..., Any], task: Callable[..., Any]) -> Any:
    (identifier, above), members = result
    parent = None if above is None else _made(above, group, task)
    if members is None:
        return task(identifier, parent=parent)
    return group(identifier, [_made(member, group, task) for member in members], parent=parent)
