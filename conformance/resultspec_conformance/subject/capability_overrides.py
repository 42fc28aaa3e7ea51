"""A subject whose capabilities are given by the user of the suite, instead of those that it declares."""

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
        """The suite's view of the stored bytes, if the suite has one."""
        return self.subject.probe

    @property
    def clock(self) -> Clock | None:
        """The clock of the subject, if it can be moved."""
        return clock_of(self.subject)

    @property
    def in_process(self) -> bool:
        """Whether the backend is a Python object in this process."""
        return self.subject.in_process

    @property
    def broker(self) -> bool:
        """Whether the suite stands in for the broker of each client."""
        return self.subject.broker

    @property
    def overlap(self) -> bool:
        """Whether one client serves several calls at once."""
        return self.subject.overlap

    @property
    def outbox(self) -> Outbox:
        """The calls that clients of the backend have made."""
        return self.subject.outbox

    @property
    def fault(self) -> Exception | None:
        """The fault that ended the subject, if it is of a kind that can have one."""
        found: Exception | None = getattr(self.subject, "fault", None)
        return found

    def connect(self, options: ClientOptions) -> Connection:
        """Open an independent client. Raises SubjectError."""
        return self.subject.connect(options)

    def close(self) -> None:
        """Close the subject."""
        self.subject.close()


def claiming(subject: Subject, claims: Mapping[str, Any]) -> Subject:
    """Return a subject that claims the `classes` and the `choices` of a map. Raises UsageError."""
    if not claims:
        return subject
    document = {**subject.capabilities.to_json(), **claims}
    try:
        claimed = Capabilities.from_json(document)
    except ValueError as error:
        raise UsageError(str(error)) from error
    choices = {**subject.capabilities.choices, **claimed.choices}
    return ClaimingSubject(subject, replace(subject.capabilities, classes=claimed.classes, choices=choices))
