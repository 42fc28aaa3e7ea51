"""What takes part in a benchmark, and what can be measured of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Client(Protocol):
    """One client of a store. A contender is two of them: one writes and reads, the other waits in another thread."""

    def store(self, task_id: str, state: str) -> None:
        """Store the result of a task, with a notification."""
        ...

    def get(self, task_id: str) -> object:
        """Read the entry of a task, past any cache."""
        ...

    def get_many(self, task_ids: Sequence[str]) -> int:
        """Read the entries of tasks that are all ready, and return how many there were."""
        ...

    def wait(self, task_id: str, timeout: float) -> object:
        """Wait until a task is ready, at most ``timeout`` seconds. Raises where it does not become ready."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


@dataclass(frozen=True)
class Contender:
    """One way to keep results in a store.

    ``open(url)`` returns a new client. ``color`` is for the plot. ``lacks``: measures that it has nothing for.
    """

    name: str
    open: Callable[[str], Client]
    color: str
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Store:
    """A store and its contenders. The first is the yardstick: the least that anybody has to do.

    ``server``: the bare name by which a throw-away server is started. ``subscribers(url, task_id)`` returns how many
    clients wait for a task, so that a store is not measured before its waiter is there.
    """

    server: str
    contenders: tuple[Contender, ...]
    subscribers: Callable[[str], Callable[[str], int]]


RESULT: Any = {"total": 1234.5, "items": ["one", "two", "three"], "ok": True}
"""What a task of a benchmark returns: small, as most results are."""
