"""What belongs to one process: after a fork the child makes its own, and touches nothing of its parent's."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A holder of one thing per process, made when it is first asked for.

    What the parent made stays referenced in the child, so that nothing closes the parent's sockets from
    there.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return the thing of this process. Safe in threads: all get the same."""
        pid = os.getpid()
        try:
            return self._made[pid]
        except KeyError:
            return self._made.setdefault(pid, self._make())
