"""A small correct backend of the suite's own, which every broken backend differs from in one place.

Each subject of the specification is a module and a class; here they become one.
"""

from resultspec_conformance.broken.correct_chords import WithChords
from resultspec_conformance.broken.correct_core import (
    COMPRESSED,
    MEMBERS,
    DecodeError,
    EncodeError,
    SecurityError,
    WaitTimeout,
)
from resultspec_conformance.broken.correct_expiry import WithExpiry
from resultspec_conformance.broken.correct_extended import WithExtended
from resultspec_conformance.broken.correct_groups import WithGroups
from resultspec_conformance.broken.correct_joining import WithJoining
from resultspec_conformance.broken.correct_workers import WithWorkerCalls

__all__ = ["COMPRESSED", "MEMBERS", "Correct", "DecodeError", "EncodeError", "SecurityError", "WaitTimeout"]


class Correct(WithExpiry, WithJoining, WithExtended, WithWorkerCalls, WithGroups, WithChords):
    """A correct client of a :class:`Server`."""
