"""Errors of reading an entry, which name the task or group (VALUE-6, GROUP-20)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from resultspec_reference.errors import BackendError, ContentDisallowed, DecodeError, SecurityError

UNREADABLE: Final = (DecodeError, ContentDisallowed, SecurityError)
"""The errors that are raised for an entry that cannot be read."""


@contextmanager
def naming(entry_id: str, kind: str = "task") -> Iterator[None]:
    """Name the task or group in every error of reading its entry."""
    try:
        yield
    except UNREADABLE as error:
        raise named(error, entry_id, kind) from error


def named(error: BackendError, entry_id: str, kind: str = "task") -> BackendError:
    """Return an error of the same kind that also names the task or group."""
    return type(error)(f"the entry of {kind} {entry_id!r} cannot be read: {error}")
