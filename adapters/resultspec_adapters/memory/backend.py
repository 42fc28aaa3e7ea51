"""Results in the memory of this process. Thread-safe; the results are lost when the process ends.

`memory://name` is one store per name, which all backends of the process with this URL share; with `memory://`, the
backend has a store of its own. A forked child begins with empty stores.

**Lives.** From the moment of its expiry, an entry is absent for every reader. Its memory is freed a little later: each
store operation also checks the two entries that were not checked for the longest time. So expired entries are removed
without a thread, and no operation takes long. `cleanup` checks all entries.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from resultspec_adapters.memory.chords import MemoryChordStore
from resultspec_adapters.memory.store import MemoryStore, named_store, store_name
from resultspec_reference import expiry
from resultspec_reference.app import AppProtocol
from resultspec_reference.chords.ledger import life_of_bookkeeping, life_of_mark
from resultspec_reference.keyvalue import KeyValueStoreBackend
from resultspec_reference.per_process import PerProcess
from resultspec_reference.state_guard import Guard


class MemoryBackend(KeyValueStoreBackend):
    """A result backend in memory; the docstring of the module explains its URL."""

    reread_interval = 1.0
    persistent = False
    supports_autoexpire = True

    def __init__(self, app: AppProtocol, url: str = "memory://", **options: Any) -> None:
        super().__init__(app, url=url, **options)
        name = store_name(url)
        self._chord_lives = life_of_bookkeeping(self.expires), life_of_mark(self.expires)
        self._stores = PerProcess(functools.partial(named_store, name) if name else MemoryStore)

    @property
    def store(self) -> MemoryStore:
        """The store of this process."""
        return self._stores.get()

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None."""
        return self.store.get(key)

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in their order."""
        return [self.store.get(key) for key in keys]

    def set(self, key: bytes, value: bytes) -> None:
        """Store bytes under a key and notify its waiters."""
        self.store.set(key, value, self.expires)

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        self.store.delete(key)

    def expire(self, key: bytes, value: Any) -> None:
        """Give the value of a key, if it exists, a life that begins now."""
        self.store.expire(key, expiry.life(value))

    def cleanup(self) -> None:
        """Free the memory of all expired entries, which can no longer be read."""
        self.store.sweep()

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Store bytes under a key if the guard allows it, atomically, by compare and set."""
        while True:
            there = self.store.get(key)
            if not guard.allows(there):
                return False
            if self.store.replace(key, there, value, self.expires):
                return True

    def subscribe(self, key: bytes) -> Any:
        """Watch a key."""
        return self.store.subscribe(key)

    def subscribe_many(self, keys: Iterable[bytes]) -> Any:
        """Watch keys."""
        return self.store.subscribe_many(keys)

    @property
    def chord_store(self) -> MemoryChordStore:
        """The store in which the parts of chords are counted."""
        return self.store.ledgers.of(*self._chord_lives)
