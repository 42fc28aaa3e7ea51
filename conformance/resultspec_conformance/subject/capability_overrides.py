"""A subject whose capabilities are said by whoever runs the suite, in the place of what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.outbox import Outbox
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.protocols import ClientOptions, Clock, Connection, Subject, clock_of


@dataclass(frozen=True)
class ClaimingSubject:
    """A subject with other capabilities."""

    subject: Subject
    capabilities: Capabilities

    @property
    def probe(self) -> Probe | None:
        """The suite's view of the stored bytes, where there is one."""
        return self.subject.probe

    @property
    def clock(self) -> Clock | None:
        """The clock of the subject, where it can be moved."""
        return clock_of(self.subject)

    @property
    def in_process(self) -> bool:
        """Whether the backend is a Python object in this process."""
        return self.subject.in_process

    @property
    def outbox(self) -> Outbox:
        """What the clients of the backend have asked to be sent."""
        return self.subject.outbox

    @property
    def fault(self) -> Exception | None:
        """Why the subject is lost, where it is one that can be."""
        found: Exception | None = getattr(self.subject, "fault", None)
        return found

    def connect(self, options: ClientOptions) -> Connection:
        """Open an independent client. Raises SubjectError."""
        return self.subject.connect(options)

    def close(self) -> None:
        """Close the subject."""
        self.subject.close()


def claiming(subject: Subject, claims: Mapping[str, Any]) -> Subject:
    """Return a subject that claims the `classes` and has made the `choices` of a map. Raises
    UsageError.
    """
    if not claims:
        return subject
    document = {**subject.capabilities.to_json(), **claims}
    try:
        said = Capabilities.from_json(document)
    except ValueError as error:
        raise UsageError(str(error)) from error
    choices = {**subject.capabilities.choices, **said.choices}
    return ClaimingSubject(subject, replace(subject.capabilities, classes=said.classes, choices=choices))
