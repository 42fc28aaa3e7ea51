"""Results in the memory of this process: safe in threads, gone with the process.

`memory://name` is one store per name, shared by all backends of the process that have this URL;
`memory://` is a store of the backend's own. A forked child begins with empty stores.

**Lives.** An entry whose life is over is not there for any reader, from that moment on. Its memory is given back a
little later: every store also looks at two entries, those that were looked at longest ago, so that what is over goes
without a thread of its own, and no store takes long. `cleanup` looks at all of them.
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
    """A result backend in memory; see the module for what its URL means."""

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
        """Put bytes under a key and notify who waits for it."""
        self.store.set(key, value, self.expires)

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        self.store.delete(key)

    def expire(self, key: bytes, value: Any) -> None:
        """Give what is under a key a life that begins now, if there is something."""
        self.store.expire(key, expiry.life(value))

    def cleanup(self) -> None:
        """Give back the memory of all entries that are over; nobody could read them any more."""
        self.store.sweep()

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Put bytes under a key if the guard allows it; atomic, by compare and set."""
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
        """What counts the parts of chords."""
        return self.store.ledgers.of(*self._chord_lives)
