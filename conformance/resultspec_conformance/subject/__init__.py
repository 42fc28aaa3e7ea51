"""What a backend under test is to the suite: a subject, whichever route leads to it.

A :class:`Subject` opens independent :class:`Connection` s, says its :class:`Capabilities`, and may have a
:class:`Probe` by which the suite looks at the stored bytes behind the backend's back. An :class:`Adapter`,
found in the entry-point group ``resultspec.adapters``, turns a target of the command line into a subject.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.outbox import Outbox
from resultspec_conformance.wire.values import Value


class SubjectError(Exception):
    """A subject that cannot be opened or used. The text is one or two lines and names the cure."""

    exit_code = 3
    refusal = ""
    """The kind of error with which a backend refused to be opened, where it was the backend that did."""


class UsageError(SubjectError):
    """A subject that was asked for in a wrong way."""

    exit_code = 2


DEFAULT_LIFE = 3600
"""Seconds that an entry lives where a check says nothing else."""


@dataclass(frozen=True)
class ClientOptions:
    """How a client is configured.

    ``accept``: content types or serializer names that it may read; None: only its own serializer.
    ``max_cached_results``: -1 is no cache, 0 an unlimited one. ``prefix``: the global key prefix *before*
    its completion (KEY-2), put behind the prefix of the run; None takes the subject's own. ``extended``: whether the
    client stores the extended members (EXT-1). ``expires``: the life of an entry in seconds, None for ever; for an
    object in this process a timedelta too. ``timezone``: that of the app of an object in this process, None for UTC.
    """

    serializer: str = "json"
    accept: tuple[str, ...] | None = None
    max_cached_results: int = -1
    prefix: str | None = None
    extended: bool = False
    expires: Value = DEFAULT_LIFE
    timezone: str | None = None

    def non_default(self) -> dict[str, Value]:
        """Return the options that differ from their defaults."""
        default = ClientOptions()
        return {
            name: getattr(self, name)
            for name in ("serializer", "accept", "max_cached_results", "prefix", "extended", "expires", "timezone")
            if getattr(self, name) != getattr(default, name)
        }


class Connection(Protocol):
    """One client of the backend under test."""

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Perform an operation. Never raises for what the backend does; raises DriverFault for a broken
        route.
        """
        ...

    def close(self) -> None:
        """Let go of what the client holds. Idempotent."""
        ...


@runtime_checkable
class InProcess(Protocol):
    """A connection whose backend is a Python object in this process."""

    @property
    def backend(self) -> object:
        """The backend itself."""
        ...


class Probe(Protocol):
    """The suite's own view of the store: the raw bytes of a task's entry.

    Where an entry is several columns, as in a table, it is read and written as one payload all the same: a meta in
    json for columns that can be read as one, and otherwise the bytes of the result alone.
    """

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        ...

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification; what `read` returned makes the same entry again."""
        ...

    def ping(self) -> None:
        """Raise SubjectError if the store itself cannot be reached, takes no writes, or has lost what was in it."""
        ...

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        ...


@dataclass(frozen=True)
class Notification:
    """A message seen on a channel, with the value that was readable under the key of that name when it
    came.
    """

    channel: str
    body: bytes
    value_then: bytes | None


class Listener(Protocol):
    """A subscription of the suite's own to a set of channels."""

    def collect(self, count: int, timeout: float) -> Sequence[Notification]:
        """Return what has come: at least ``count`` messages, or what there is after ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """End the subscription."""
        ...


@runtime_checkable
class CuttingProbe(Probe, Protocol):
    """A probe that can cut connections."""

    def cut_connections(self) -> int:
        """Cut all connections of other clients that belong to the subject; return how many there were."""
        ...


@runtime_checkable
class GroupProbe(Probe, Protocol):
    """A probe of a store that keeps a group as one value: its raw bytes, too."""

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        ...

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        ...


@runtime_checkable
class RowProbe(Probe, Protocol):
    """A probe of tables: the rows of tasks, a map of columns to values each."""

    def rows(self, task_id: str) -> Sequence[Mapping[str, Value]]:
        """Return the rows of a task, of which there should be one at most."""
        ...

    def columns(self) -> frozenset[str]:
        """Return the columns of the table."""
        ...

    def put_row(self, row: Mapping[str, Value]) -> None:
        """Put a row in the place of those with its ``task_id``; columns that it does not name are null.

        Columns that the table does not have are left out.
        """
        ...


@runtime_checkable
class WireProbe(CuttingProbe, Protocol):
    """A probe of a key/value store: keys, channels and connections too."""

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""
        ...

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""
        ...

    def delete(self, *keys: str) -> None:
        """Remove keys; absent ones are no error."""
        ...

    def keys(self) -> frozenset[str]:
        """Return all keys of the store, of others too."""
        ...

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        ...

    def listen(self, channels: Sequence[str]) -> Listener:
        """Subscribe to channels; returns when the subscription is in force."""
        ...

    def subscribers(self, channel: str) -> int:
        """Return how many subscriptions to a channel there are."""
        ...


@runtime_checkable
class LifeProbe(Probe, Protocol):
    """A probe that sees how long entries live, and can make them older."""

    def remaining(self, task_id: str) -> float | None:
        """Return the seconds that the store will keep an entry: infinity for ever, None for no entry."""
        ...

    def age(self, task_id: str, seconds: float) -> bool:
        """Make an entry as old as if it had been stored so many seconds earlier.

        Returns False, and changes nothing, where the store has nothing written down by which the entry ends.
        """
        ...


class Clock(Protocol):
    """The clock by which a store, and every client of it, tells how old an entry is."""

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        ...

    def restore(self) -> None:
        """Go back to the time of day."""
        ...


@runtime_checkable
class Clocked(Protocol):
    """A subject that may have a clock which can be moved."""

    @property
    def clock(self) -> Clock | None:
        """The clock, or None."""
        ...


def clock_of(subject: "Subject") -> Clock | None:
    """Return the clock of a subject that can be moved, or None."""
    return subject.clock if isinstance(subject, Clocked) else None


@runtime_checkable
class BookkeepingProbe(Probe, Protocol):
    """A probe that sees what is kept for a chord."""

    def bookkeeping(self, group_id: str) -> Mapping[str, float]:
        """Return what is kept for a chord, by the names of keys or rows, and the seconds that each of them will live.

        Infinity is for ever. Raises Unobserved where it cannot tell what is kept.
        """
        ...


@runtime_checkable
class TrafficProbe(Probe, Protocol):
    """A probe that sees what goes back and forth between the store and its clients."""

    def traffic(self) -> int:
        """Return the bytes that went back and forth so far, in which those of others may be.

        0 where the probe sees nothing of the subject's clients.
        """
        ...


class Subject(Protocol):
    """A backend under test."""

    @property
    def capabilities(self) -> Capabilities:
        """What the subject says of itself."""
        ...

    @property
    def probe(self) -> Probe | None:
        """The suite's view of the stored bytes, where there is one."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether the backend is a Python object in this process."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What the clients of the backend have asked to be sent."""
        ...

    def connect(self, options: ClientOptions) -> Connection:
        """Open an independent client. Raises SubjectError."""
        ...

    def close(self) -> None:
        """Remove all that the run has written, and let go of everything. Idempotent."""
        ...


Role = Literal["first", "again", "helper"]


@dataclass(frozen=True)
class Target:
    """A target of the command line, with the id of the run, which is part of every key and name that is
    made up.

    ``role`` is that of the process that opens it: the first of the run before it has run any check, the same
    ``again``, or a ``helper`` beside it, which may be refused.
    """

    text: str
    run: str
    role: Role = "first"

    @property
    def scheme(self) -> str:
        """What stands before the first colon."""
        return self.text.partition(":")[0].lower()


@dataclass(frozen=True)
class Adapter:
    """What an entry point of the group ``resultspec.adapters`` has to be; the name of the entry point is
    the scheme.

    ``open`` makes the subject and raises SubjectError. ``extra`` is the distribution extra that brings what
    the adapter imports. ``server`` is the bare store name for which a throw-away server can be started, or
    empty. ``example`` is a target to show in help. ``construct`` is for the standalone scripts of failures:
    Python statements that define ``make(url, **options)``, which returns a backend and imports nothing of
    the suite; or empty.
    """

    open: Callable[[Target], Subject]
    summary: str
    example: str
    extra: str = ""
    server: str = ""
    schemes: tuple[str, ...] = field(default=())
    construct: str = ""
