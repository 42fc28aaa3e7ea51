"""The contenders of a benchmark, and the operations that are measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from resultspec_reference.app import App


class Client(Protocol):
    """One client of a store. A contender is two of them: one writes and reads, the other waits in another thread."""

    def store(self, task_id: str, state: str) -> None:
        """Store the result of a task, with a notification."""
        ...

    def get(self, task_id: str) -> object:
        """Read the entry of a task, past any cache."""
        ...

    def get_many(self, task_ids: Sequence[str]) -> int:
        """Read the entries of ready tasks, and return their number."""
        ...

    def wait(self, task_id: str, timeout: float) -> object:
        """Wait until a task is ready, at most `timeout` seconds. Raises where it does not become ready."""
        ...

    def begin_chord(self, group_id: str, size: int) -> None:
        """Prepare a chord of so many parts."""
        ...

    def part_returned(self, group_id: str, index: int, size: int) -> None:
        """Deliver one part of a chord; the last one calls the body."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


@dataclass(frozen=True)
class Contender:
    """One way to keep results in a store.

    `open(url)` returns a new client. `color` is for the plot. `lacks`: measures that it has nothing for.
    """

    name: str
    open: Callable[[str], Client]
    color: str
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Store:
    """A store and its contenders. The first is the yardstick: the least that anybody has to do.

    `server`: the bare name by which a throw-away server is started. `subscribers(url, task_id)` returns how many
    clients wait for a task, so that a store is not measured before its waiter is there. `pace`: the part of the
    configured number of calls and rounds that is measured here, where one of the contenders is slow.
    """

    server: str
    contenders: tuple[Contender, ...]
    subscribers: Callable[[str], Callable[[str], int]]
    pace: float = 1.0


RESULT: Any = {"total": 1234.5, "items": ["one", "two", "three"], "ok": True}
"""What a task of a benchmark returns: small, as most results are."""

BODY: Any = {
    "task": "body",
    "args": (),
    "kwargs": {},
    "options": {},
    "subtask_type": None,
    "immutable": False,
    "chord_size": None,
}
"""What a chord of a benchmark calls: nobody executes it."""


class CallingApp(App):
    """An app without workers."""

    def signature(self, varies: Mapping[str, Any]) -> "CallingApp":  # noqa: ARG002 - whatever is called is dropped
        """Return an object that can be sent."""
        return self

    def apply_async(self, args: tuple[Any, ...]) -> None:
        """Send it to nobody."""


@dataclass
class Part:
    """The request of a part of a chord, as far as a backend looks at it."""

    group: str
    id: str
    group_index: int
    chord: Mapping[str, Any] = field(default_factory=lambda: dict(BODY))
    chord_size: int | None = None

    @classmethod
    def of(cls, group_id: str, index: int) -> "Part":
        """Return the request of the part with an index."""
        return cls(group_id, f"{group_id}-{index}", index, {**BODY, "options": {"task_id": f"{group_id}-body"}})
