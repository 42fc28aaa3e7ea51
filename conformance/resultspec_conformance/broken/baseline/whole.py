"""A small correct backend of the suite's own, which every broken backend differs from in one place.

Each subject of the specification is a module and a class; here they become one.
"""

from typing import Any

from resultspec_conformance.broken.baseline.chords import WithChords
from resultspec_conformance.broken.baseline.core import (
    COMPRESSED,
    MEMBERS,
    DecodeError,
    EncodeError,
    SecurityError,
    WaitTimeout,
)
from resultspec_conformance.broken.baseline.expiry import WithExpiry
from resultspec_conformance.broken.baseline.extended import WithExtended
from resultspec_conformance.broken.baseline.groups import WithGroups
from resultspec_conformance.broken.baseline.joining import WithJoining
from resultspec_conformance.broken.baseline.workers import WithWorkerCalls

__all__ = ["COMPRESSED", "MEMBERS", "Correct", "DecodeError", "EncodeError", "SecurityError", "WaitTimeout"]


class Correct(WithExpiry, WithJoining, WithExtended, WithWorkerCalls, WithGroups, WithChords):
    """A correct client of a `Server`."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Put a group, for its own life where that is not the server's."""
        super().put_group(group_id, payload)
        if self.life_of_groups != self.link.life:
            self.steadily(lambda: self.link.expire(self.group_key(group_id), self.life_of_groups))

    def task_ended(self, request: Any, state: str, result: Any) -> None:
        """Count a task that has ended as a part of its chord, if it is one."""
        if request is not None and request.group and request.chord:
            self.on_chord_part_return(request, state, result)
