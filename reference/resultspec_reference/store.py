"""What a store has to implement, and what it may implement in addition.

`Store` is the minimum. With it the guard of SUCCESS is a read followed by a write, which is correct as long as writers
of one task do not overlap, and a waiter polls. Two hooks remove both limits:

* `GuardedStore.store_if` makes the read, the decision and the write one step. The store need not understand
  its entries for that: compare-and-set is enough, since the decision depends only on the stored bytes.
* `WatchedStore.subscribe` lets a waiter rest until its entry changes, `WatchedStore.subscribe_many`
  a join until one of its entries does.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from resultspec_reference.state_guard import Guard


class Store(Protocol):
    """Bytes under keys. Reading never changes anything; an absent key reads as None."""

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key."""

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in order."""

    def set(self, key: bytes, value: bytes) -> None:
        """Put bytes under a key: a reader sees the old value or the new one, never a part of one (STATE-15)."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it exists."""


class GuardedStore(Store, Protocol):
    """A store that decides and writes in one step (STATE-12)."""

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Put bytes under a key if the guard allows that for the value at that moment; return whether it did.

        The guard may be called several times.
        """


class Subscription(Protocol):
    """Notifies of all changes of one key that come after it was returned."""

    def wait(self, seconds: float) -> None:
        """Return when the key has changed since the last call, or after `seconds`."""


class KeysSubscription(Protocol):
    """Notifies of all changes of some keys that come after it was returned."""

    def wait(self, seconds: float) -> Iterable[bytes]:
        """Return the keys that have changed since the last call as soon as there are any, or none after `seconds`."""


class WatchedStore(Store, Protocol):
    """A store that notifies waiters when a key has changed."""

    def subscribe(self, key: bytes) -> AbstractContextManager[Subscription]:
        """Watch a key. However the context is left, nothing stays behind (WAIT-12)."""

    def subscribe_many(self, keys: Iterable[bytes]) -> AbstractContextManager[KeysSubscription]:
        """Watch keys. However the context is left, nothing stays behind (JOIN-16)."""
