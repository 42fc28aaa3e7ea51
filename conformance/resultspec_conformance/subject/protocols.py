"""The backend under test as the suite uses it, however it is reached.

A `Subject` opens independent connections, declares its `Capabilities`, and may have a
`resultspec_conformance.subject.probe_protocols.Probe`, by which the suite reads the stored bytes without the backend.
An `Adapter`, found in the entry-point group `resultspec.adapters`, opens the subject of a target on the command line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.outbox import Outbox, Sender
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.wire.values import Value

DEFAULT_LIFE = 3600
"""The default lifetime of an entry in seconds."""


@dataclass(frozen=True)
class ClientOptions:
    """How a client is configured.

    `accept`: content types or serializer names that it may read; None: only its own serializer. `max_cached_results`:
    -1 is no cache, 0 an unlimited one. `prefix`: the global key prefix *before* its completion (KEY-2), appended to the
    prefix of the run; None: the subject's own. `extended`: whether the client stores the extended members (EXT-1).
    `expires`: the lifetime of an entry in seconds, None for forever; for an object in this process also a timedelta.
    `timezone`: the time zone of the app of an object in this process, None for UTC.
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
        """Perform an operation. Never raises errors of the backend; raises DriverFault for a faulty driver."""
        ...

    def close(self) -> None:
        """Release what the client holds. Idempotent."""
        ...


@runtime_checkable
class SendingConnection(Connection, Protocol):
    """A client for which the suite stands in for the broker."""

    @property
    def sender(self) -> Sender:
        """What becomes of the calls that the client makes."""
        ...


class Clock(Protocol):
    """The clock by which a store and its clients measure the age of entries."""

    def advance(self, seconds: float) -> None:
        """Move the clock forward by some seconds."""
        ...

    def restore(self) -> None:
        """Set the clock back to the real time."""
        ...


@runtime_checkable
class Clocked(Protocol):
    """A subject that may have a movable clock."""

    @property
    def clock(self) -> Clock | None:
        """The clock, or None."""
        ...


def clock_of(subject: "Subject") -> Clock | None:
    """Return the movable clock of a subject, or None."""
    return subject.clock if isinstance(subject, Clocked) else None


class Subject(Protocol):
    """A backend under test."""

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities that the subject declares."""
        ...

    @property
    def probe(self) -> Probe | None:
        """The suite's view of the stored bytes, if the suite has one."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether the backend is a Python object in this process."""
        ...

    @property
    def broker(self) -> bool:
        """Whether each client is a SendingConnection: the suite can refuse its calls, and let it crash during one."""
        ...

    @property
    def overlap(self) -> bool:
        """Whether one client serves several calls at once."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The calls that clients of the backend have made."""
        ...

    def connect(self, options: ClientOptions) -> Connection:
        """Open an independent client. Raises SubjectError."""
        ...

    def close(self) -> None:
        """Remove everything that the run has written, and release all resources. Idempotent."""
        ...


Role = Literal["first", "again", "helper"]


@dataclass(frozen=True)
class Target:
    """A target of the command line, and the id of the run, which is part of every key and name that the run makes.

    `role` is the role of the process that opens it: `first` is the run's first process before it has run any check,
    `again` the same one later, `helper` another process, which may be refused.
    """

    text: str
    run: str
    role: Role = "first"

    @property
    def scheme(self) -> str:
        """The text before the first colon."""
        return self.text.partition(":")[0].lower()


@dataclass(frozen=True)
class Adapter:
    """The object of an entry point in the group `resultspec.adapters`; the name of the entry point is the scheme.

    `open` opens the subject and raises SubjectError. `extra` is the distribution extra that installs what the adapter
    imports. `server` is the name of the store for which a throw-away server can be started, or empty. `example` is a
    target to show in help. `construct` is for the standalone scripts of failures: Python statements that define
    `make(url, **options)`, which returns a backend without importing the suite; or empty.
    """

    open: Callable[[Target], Subject]
    summary: str
    example: str
    extra: str = ""
    server: str = ""
    schemes: tuple[str, ...] = field(default=())
    construct: str = ""
