"""What a store has to be able to do, and what it may do better.

The least that a store needs is `Store`. With it the guard of SUCCESS is a read that is followed by a write,
which is right as long as writers of one task do not overlap, and a waiter polls. Two hooks lift both
limits:

* `GuardedStore.store_if` makes the read, the decision and the write one step. A store need not understand
  what it keeps for that: compare-and-set is enough, since the decision is a function of the bytes that are
  there.
* `WatchedStore.subscribe` lets a waiter rest until its entry changes, `WatchedStore.subscribe_many` a join until one of
  its entries does.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from resultspec_reference.state_guard import Guard


class Store(Protocol):
    """Bytes under keys. Reading never changes anything; a key that is not there reads as None."""

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key."""

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in their order."""

    def set(self, key: bytes, value: bytes) -> None:
        """Put bytes under a key: a reader sees the old ones or the new ones, never a part (STATE-15)."""

    def delete(self, key: bytes) -> None:
        """Remove a key; none is there is no error."""


class GuardedStore(Store, Protocol):
    """A store that decides and writes in one step (STATE-12)."""

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Put bytes under a key if the guard allows them what is there at that moment; return whether it did.

        The guard may be asked several times.
        """


class Subscription(Protocol):
    """Notice of the changes of one key, from the moment on at which it was returned."""

    def wait(self, seconds: float) -> None:
        """Return when the key has changed since the last call, or when the time is over."""


class KeysSubscription(Protocol):
    """Notice of the changes of some keys, from the moment on at which it was returned."""

    def wait(self, seconds: float) -> Iterable[bytes]:
        """Return the keys that have changed since the last call once there are any, or none when the time is over."""


class WatchedStore(Store, Protocol):
    """A store that tells who waits that a key has changed."""

    def subscribe(self, key: bytes) -> AbstractContextManager[Subscription]:
        """Watch a key. Leaving the context, however that comes about, leaves nothing behind (WAIT-12)."""

    def subscribe_many(self, keys: Iterable[bytes]) -> AbstractContextManager[KeysSubscription]:
        """Watch keys. Leaving the context leaves nothing behind (JOIN-16)."""
