"""A subject that only reads and waits: what it reads is stored by the suite, which writes into the store itself.

Whatever stores or removes, `store_result` and `forget`, is done by a writer of the suite's own, through the probe; all
else is asked of the subject. So every check is the same for it, and what concerns a writer is not applicable.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from resultspec import OPERATIONS
from resultspec_conformance.broken.baseline.core import CorrectCore
from resultspec_conformance.broken.baseline.server import Server
from resultspec_conformance.subject.capability_overrides import ClaimingSubject
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.probe_protocols import KeyProbe, WireProbe
from resultspec_conformance.subject.protocols import ClientOptions, Connection, Subject
from resultspec_conformance.subject.python_object import PythonConnection
from resultspec_conformance.wire.values import Value


class ProbeLink:
    """The writer's way to the store: a value is set, then published where the store publishes.

    The guard of SUCCESS is one step among the writers of one process; no other process writes the same tasks.
    """

    def __init__(self, probe: KeyProbe, guard: threading.Lock) -> None:
        self._probe = probe
        self._guard = guard

    def put(self, key: str, value: bytes, keep: Callable[[bytes], bool]) -> bool:
        """Set a value and publish it, unless `keep` says that the existing one stays."""
        with self._guard:
            existing = self._probe.get(key)
            if existing is not None and keep(existing):
                return False
            self._probe.set(key, value)
            if isinstance(self._probe, WireProbe):
                self._probe.publish(key, value)
            return True

    def delete(self, key: str) -> None:
        """Remove a key, if it exists."""
        self._probe.delete(key)

    def close(self) -> None:
        """Leave the probe open: it is the run's."""


def _writer(probe: KeyProbe, guard: threading.Lock, prefix: str, serializer: str) -> PythonConnection:
    """Return a client that stores and forgets through a probe. `prefix` is already completed."""
    backend: Any = CorrectCore(Server(), serializer=serializer)
    backend.link, backend.prefix = ProbeLink(probe, guard), prefix
    return PythonConnection(backend)


class WaiterConnection:
    """A client of which the suite does the writing."""

    def __init__(self, reader: Connection, writer: Connection) -> None:
        self._reader = reader
        self._writer = writer

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Perform an operation: by the suite if it writes, and else by the subject."""
        client = self._writer if OPERATIONS[op].effect == "write" else self._reader
        return client.call(op, args)

    def close(self) -> None:
        """Close the client."""
        self._reader.close()


@dataclass(frozen=True)
class WaitingSubject(ClaimingSubject):
    """A subject in the role of the waiter."""

    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def broker(self) -> bool:
        """A subject that only waits calls no task."""
        return False

    def connect(self, options: ClientOptions) -> Connection:
        """Open an independent client, and a writer for it. Raises SubjectError."""
        writer = _writer(key_probe(self.subject), self.guard, self.capabilities.prefix, options.serializer)
        return WaiterConnection(self.subject.connect(options), writer)


def key_probe(subject: Subject) -> KeyProbe:
    """Return the probe through which the suite stores what a subject reads. Raises UsageError if there is none."""
    probe = subject.probe
    if isinstance(probe, KeyProbe):
        return probe
    raise UsageError(
        "the target declares the role waiter, and the suite cannot write into its store.\n"
        "Name a store with keys in the member store of its capabilities: a Redis, a memcached or a folder of files."
    )


def in_its_role(subject: Subject) -> Subject:
    """Return a subject that only waits, with a writer for it. Raises UsageError."""
    try:
        key_probe(subject)
    except UsageError:
        with suppress(SubjectError):
            subject.close()
        raise
    return WaitingSubject(subject, subject.capabilities)
