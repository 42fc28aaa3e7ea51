"""What a backend under test is to the suite, whichever route leads to it.

A `Subject` opens independent `Connection` s, says its `Capabilities`, and may have a
`resultspec_conformance.subject.probe_protocols.Probe` by which the suite looks at the stored bytes behind the
backend's back. An `Adapter`, found in the entry-point group `resultspec.adapters`, turns a target of the
command line into a subject.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.outbox import Outbox
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.wire.values import Value

DEFAULT_LIFE = 3600
"""Seconds that an entry lives where a check says nothing else."""


@dataclass(frozen=True)
class ClientOptions:
    """How a client is configured.

    `accept`: content types or serializer names that it may read; None: only its own serializer.
    `max_cached_results`: -1 is no cache, 0 an unlimited one. `prefix`: the global key prefix *before*
    its completion (KEY-2), put behind the prefix of the run; None takes the subject's own. `extended`: whether the
    client stores the extended members (EXT-1). `expires`: the life of an entry in seconds, None for ever; for an
    object in this process a timedelta too. `timezone`: that of the app of an object in this process, None for UTC.
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

    `role` is that of the process that opens it: the first of the run before it has run any check, the same
    `again`, or a `helper` beside it, which may be refused.
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
    """What an entry point of the group `resultspec.adapters` has to be; the name of the entry point is
    the scheme.

    `open` makes the subject and raises SubjectError. `extra` is the distribution extra that brings what
    the adapter imports. `server` is the bare store name for which a throw-away server can be started, or
    empty. `example` is a target to show in help. `construct` is for the standalone scripts of failures:
    Python statements that define `make(url, **options)`, which returns a backend and imports nothing of
    the suite; or empty.
    """

    open: Callable[[Target], Subject]
    summary: str
    example: str
    extra: str = ""
    server: str = ""
    schemes: tuple[str, ...] = field(default=())
    construct: str = ""
