"""A store in memory, put under test: each run has a store of its own, and a clock that can be moved."""

import functools
from typing import Final

from resultspec_adapters.memory.backend import MemoryBackend
from resultspec_adapters.memory.store import MemoryClock, MemoryStore, drop_store, named_store, store_name
from resultspec_adapters.subject_support import CHORD_LEASE, FEATURES, SERIALIZERS, construct, factory
from resultspec_conformance.subject import Adapter, Target
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.python_object import PythonSubject


class MemoryProbe:
    """The suite's view of a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        return self._store.get(_key(task_id))

    def write(self, task_id: str, payload: bytes) -> None:
        """Store bytes as the entry of a task, without a notification."""
        self._store.put_silently(_key(task_id), payload)

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        return self._store.get(_group_key(group_id))

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Store bytes as the entry of a group."""
        self._store.put_silently(_group_key(group_id), payload)

    def ping(self) -> None:
        """Do nothing: memory is always reachable."""

    def close(self) -> None:
        """Do nothing: a store in memory has no connection."""


def _key(task_id: str) -> bytes:
    return f"{MemoryBackend.task_keyprefix}{task_id}".encode()


def _group_key(group_id: str) -> bytes:
    return f"{MemoryBackend.group_keyprefix}{group_id}".encode()


CLASSES: Final = ("core", "waiting", "join", "atomic", "groups", "chords", "extended", "expiry")

WAKE_UP: Final = 0.25
"""Seconds within which a waiter ends. On an idle machine, it takes less than a millisecond."""


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
    # without a name, each client would have a store of its own
    construct=construct(MemoryBackend, "'memory://script'"),
)
