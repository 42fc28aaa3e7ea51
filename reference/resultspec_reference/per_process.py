"""A value that belongs to one process: after a fork the child makes its own, and does not use its parent's."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One value per process, made on first use.

    The parent's value stays referenced in the child, so that the child does not close the parent's sockets.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return the value of this process. Thread-safe: all threads get the same one."""
        pid = os.getpid()
        try:
            return self._made[pid]
        except KeyError:
            return self._made.setdefault(pid, self._make())
