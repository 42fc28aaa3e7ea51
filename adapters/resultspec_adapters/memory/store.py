"""A store in memory: bytes under keys, each with a life, and the subscriptions of waiters."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from resultspec_adapters.memory.chords import MemoryLedgers
from resultspec_reference.per_process import PerProcess

_ABSENT: Final = (None, math.inf)
"""The value and the end of life of a key that does not exist."""


class Change:
    """The subscription of one waiter to one key."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def notify(self, key: bytes) -> None:  # noqa: ARG002 - there is only one
        """End the rest of the waiter."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Return when the key has changed since the last call, or after some seconds."""
        self._event.wait(seconds)
        self._event.clear()


class Changes:
    """The subscription of one join to its keys."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changed: set[bytes] = set()

    def notify(self, key: bytes) -> None:
        """End the rest of the join."""
        with self._condition:
            self._changed.add(key)
            self._condition.notify()

    def wait(self, seconds: float) -> set[bytes]:
        """Return the keys that have changed since the last call, or none after some seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._changed, seconds)
            changed, self._changed = self._changed, set()
        return changed


class MemoryClock:
    """The clock of a store in memory: monotonic, and advanced by tests."""

    def __init__(self) -> None:
        self._offset = 0.0

    def __call__(self) -> float:
        """Return the time of this clock, in seconds."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._offset += seconds

    def restore(self) -> None:
        """Return to the time of the machine."""
        self._offset = 0.0


SWEEP: Final = 2
"""How many entries each store checks for expiry. With 1, a store that is always full would never shrink."""

BATCH: Final = 1000
"""How many entries a cleanup checks before it releases the lock."""


class MemoryStore:
    """Bytes under keys, each with a life, and the subscriptions of waiters. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._changes: dict[bytes, list[Change | Changes]] = {}
        self.ledgers = MemoryLedgers(clock)

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None."""
        value, end = self._values.get(key, _ABSENT)
        return value if end > self.clock() else None

    def set(self, key: bytes, value: bytes, life: float | None = None) -> None:
        """Store bytes under a key for `life` seconds, None for ever, and notify its waiters."""
        with self._lock:
            self._set(key, value, life)

    def put_silently(self, key: bytes, value: bytes) -> None:
        """Store bytes under a key without a notification, as a foreign writer may."""
        with self._lock:
            self._values[key] = value, math.inf

    def replace(self, key: bytes, expected: bytes | None, value: bytes, life: float | None = None) -> bool:
        """Store bytes under a key if it still has the `expected` ones; return whether it had."""
        with self._lock:
            if self.get(key) != expected:
                return False
            self._set(key, value, life)
            return True

    def expire(self, key: bytes, life: float | None) -> None:
        """Give the value of a key, if it exists, a life that begins now."""
        with self._lock:
            value = self.get(key)
            if value is not None:
                self._values[key] = value, self._end(life)

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        with self._lock:
            self._values.pop(key, None)

    def sweep(self) -> None:
        """Free the memory of all expired entries, one batch at a time."""
        left = len(self._values)
        while left > 0:
            with self._lock:
                self._sweep(min(left, BATCH))
            left -= BATCH

    def __len__(self) -> int:
        """The number of entries in memory, those included that have expired and were not removed yet."""
        return len(self._values)

    @contextmanager
    def subscribe(self, key: bytes) -> Iterator[Change]:
        """Watch a key."""
        change = Change()
        with self._subscribed(change, [key]):
            yield change

    @contextmanager
    def subscribe_many(self, keys: Iterable[bytes]) -> Iterator[Changes]:
        """Watch keys."""
        changes = Changes()
        with self._subscribed(changes, list(keys)):
            yield changes

    @contextmanager
    def _subscribed(self, change: Change | Changes, keys: Sequence[bytes]) -> Iterator[None]:
        with self._lock:
            for key in keys:
                self._changes.setdefault(key, []).append(change)
        try:
            yield
        finally:
            with self._lock:
                for key in keys:
                    self._changes[key].remove(change)
                    if not self._changes[key]:
                        del self._changes[key]

    def watched(self) -> list[bytes]:
        """Return the keys that have subscriptions."""
        with self._lock:
            return list(self._changes)

    def _end(self, life: float | None) -> float:
        return math.inf if life is None else self.clock() + life

    def _sweep(self, entries: int) -> None:
        """Check the entries that were not checked for the longest time, and remove the expired ones."""
        now = self.clock()
        for _ in range(min(entries, len(self._values))):
            key = next(iter(self._values))
            if self._values[key][1] <= now:
                del self._values[key]
            else:
                self._values.move_to_end(key)

    def _set(self, key: bytes, value: bytes, life: float | None) -> None:
        self._sweep(SWEEP)
        self._values[key] = value, self._end(life)
        for change in self._changes.get(key, ()):
            change.notify(key)


class _NamedStores:
    def __init__(self) -> None:
        self._stores: dict[str, MemoryStore] = {}

    def get(self, name: str) -> MemoryStore:
        return self._stores.setdefault(name, MemoryStore())

    def drop(self, name: str) -> None:
        self._stores.pop(name, None)


_NAMED: Final = PerProcess(_NamedStores)


def store_name(url: str | None) -> str:
    """Return the name in a `memory://` URL, empty if it has none."""
    return (url or "").partition("://")[2].strip("/")


def named_store(name: str) -> MemoryStore:
    """Return the store of a name, which is created at the first call."""
    return _NAMED.get().get(name)


def drop_store(name: str) -> None:
    """Forget the store of a name; backends that use it keep it."""
    _NAMED.get().drop(name)
