"""Results in the memory of this process: safe in threads, gone with the process.

``memory://name`` is one store per name, shared by all backends of the process that have this URL;
``memory://`` is a store of the backend's own. A forked child begins with empty stores.

**Lives.** An entry whose life is over is not there for any reader, from that moment on. Its memory is given back a
little later: every store also looks at two entries, those that were looked at longest ago, so that what is over goes
without a thread of its own, and no store takes long. ``cleanup`` looks at all of them.
"""

import functools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from resultspec_adapters.memory.chords import MemoryChordStore, MemoryLedgers
from resultspec_adapters.subject_support import CHORD_LEASE, FEATURES, SERIALIZERS, construct, factory
from resultspec_conformance.subject import Adapter, Target
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.python_object import PythonSubject
from resultspec_reference import expiry
from resultspec_reference.app import AppProtocol
from resultspec_reference.chords.ledger import life_of_bookkeeping, life_of_mark
from resultspec_reference.guard import Guard
from resultspec_reference.keyvalue import KeyValueStoreBackend
from resultspec_reference.per_process import PerProcess

_NOTHING: Final = (None, math.inf)
"""What is found under a key that is not there."""


class Change:
    """The subscription of one waiter to one key."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def notify(self, key: bytes) -> None:  # noqa: ARG002 - there is but one
        """End the rest of the waiter."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Return when the key has changed since the last call, or after the seconds."""
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
        """Return the keys that have changed since the last call, or none after the seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._changed, seconds)
            changed, self._changed = self._changed, set()
        return changed


class MemoryClock:
    """The clock of a store in memory: monotonic, and moved on by whoever tests."""

    def __init__(self) -> None:
        self._made_up = 0.0

    def __call__(self) -> float:
        """Return the seconds of this clock."""
        return time.monotonic() + self._made_up

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._made_up += seconds

    def restore(self) -> None:
        """Go back to the time of the machine."""
        self._made_up = 0.0


SWEEP: Final = 2
"""How many entries a store looks at for those that are over. With 1, a store that is always full would never shrink."""

BATCH: Final = 1000
"""How many entries a cleanup looks at before it lets others have the store."""


class MemoryStore:
    """Bytes under keys, each with a life, and who waits for a change of which. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._changes: dict[bytes, list[Change | Changes]] = {}
        self.ledgers = MemoryLedgers(clock)

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None."""
        value, end = self._values.get(key, _NOTHING)
        return value if end > self.clock() else None

    def set(self, key: bytes, value: bytes, life: float | None = None) -> None:
        """Put bytes under a key for so many seconds, None for ever, and notify who waits for it."""
        with self._lock:
            self._set(key, value, life)

    def put_silently(self, key: bytes, value: bytes) -> None:
        """Put bytes under a key as a foreign writer may do: nobody is notified."""
        with self._lock:
            self._values[key] = value, math.inf

    def replace(self, key: bytes, expected: bytes | None, value: bytes, life: float | None = None) -> bool:
        """Put bytes under a key if ``expected`` is still what is there; return whether it was."""
        with self._lock:
            if self.get(key) != expected:
                return False
            self._set(key, value, life)
            return True

    def expire(self, key: bytes, life: float | None) -> None:
        """Give what is under a key a life that begins now, if there is something."""
        with self._lock:
            value = self.get(key)
            if value is not None:
                self._values[key] = value, self._end(life)

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        with self._lock:
            self._values.pop(key, None)

    def sweep(self) -> None:
        """Give back the memory of all entries that are over, a batch at a time."""
        left = len(self._values)
        while left > 0:
            with self._lock:
                self._sweep(min(left, BATCH))
            left -= BATCH

    def __len__(self) -> int:
        """How many entries take up memory, those included that are over and were not swept yet."""
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
        """Return the keys that somebody waits for."""
        with self._lock:
            return list(self._changes)

    def _end(self, life: float | None) -> float:
        return math.inf if life is None else self.clock() + life

    def _sweep(self, entries: int) -> None:
        """Look at the entries that were looked at longest ago, and remove those that are over."""
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
    """Return the name in a ``memory://`` URL, empty if it has none."""
    return (url or "").partition("://")[2].strip("/")


def named_store(name: str) -> MemoryStore:
    """Return the store of a name, which is made when it is first asked for."""
    return _NAMED.get().get(name)


def drop_store(name: str) -> None:
    """Let go of the store of a name; backends that have it keep it."""
    _NAMED.get().drop(name)


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


class MemoryProbe:
    """The suite's view of a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        return self._store.get(_key(task_id))

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification."""
        self._store.put_silently(_key(task_id), payload)

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        return self._store.get(_group_key(group_id))

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        self._store.put_silently(_group_key(group_id), payload)

    def ping(self) -> None:
        """Do nothing: memory can always be reached."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _key(task_id: str) -> bytes:
    return f"{MemoryBackend.task_keyprefix}{task_id}".encode()


def _group_key(group_id: str) -> bytes:
    return f"{MemoryBackend.group_keyprefix}{group_id}".encode()


CLASSES: Final = ("core", "waiting", "join", "atomic", "groups", "chords", "extended", "expiry")

WAKE_UP: Final = 0.25
"""Seconds within which a waiter ends. On an idle machine it is less than a millisecond."""


def open_subject(target: Target) -> PythonSubject:
    """Put a store in memory under test; each run has its own."""
    name = f"{store_name(target.text)}-{target.run}"
    store, clock = named_store(name), MemoryClock()
    store.clock = clock
    capabilities = Capabilities(
        classes=CLASSES,
        choices={"late_unready": MemoryBackend.late_unready},
        sharing="thread",
        serializers=SERIALIZERS,
        values="tagged",
        features=FEATURES | {"expire"},
        wake_up=WAKE_UP,
        chord_lease=CHORD_LEASE,
        payload_limit=MemoryBackend.payload_limit,
        implementation={"name": "resultspec memory backend", "language": "Python"},
    )
    return PythonSubject(
        factory(functools.partial(MemoryBackend, url=f"memory://{name}", chord_lease=CHORD_LEASE)),
        capabilities,
        MemoryProbe(store),
        on_close=functools.partial(drop_store, name),
        clock=clock,
    )


adapter: Final = Adapter(
    open_subject,
    "results in the memory of one process",
    "memory://",
    # a store without a name would be each client's own
    construct=construct(MemoryBackend, "'memory://script'"),
)
