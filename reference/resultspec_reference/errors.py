"""The errors of a backend, by the names that the specification gives them.

Each class has a `kind`: its name in the closed list of `operations.json`, which says whether it is
definite (the operation certainly had no effect). If kombu has an error with the same meaning, ours is a
subclass of it, so that code that catches kombu's errors keeps working.
"""

import builtins
from typing import ClassVar

from kombu import exceptions as kombu_errors


class BackendError(Exception):
    """Any error of a backend."""

    kind: ClassVar[str] = "Unknown"


class EncodeError(BackendError, kombu_errors.EncodeError):
    """The serializer cannot carry the value; the store was not accessed."""

    kind = "EncodeError"


class DecodeError(BackendError, kombu_errors.DecodeError):
    """The stored entry cannot be decoded; the message names the task id."""

    kind = "DecodeError"


class ContentDisallowed(BackendError, kombu_errors.ContentDisallowed):
    """The reader does not accept the content type of the entry; no byte of it was decoded."""

    kind = "ContentDisallowed"


class SecurityError(BackendError):
    """The stored exception names something that must not be called."""

    kind = "SecurityError"


class TimeoutError(BackendError, builtins.TimeoutError):
    """No read that began before the deadline saw a ready state."""

    kind = "TimeoutError"


class ImproperlyConfigured(BackendError):
    """The backend was opened with options that it does not support."""

    kind = "ImproperlyConfigured"


class BackendGetMetaError(BackendError):
    """Reading failed after all retries; nothing was changed."""

    kind = "BackendGetMetaError"


class BackendStoreError(BackendError):
    """Storing failed after all retries; it may have taken effect."""

    kind = "BackendStoreError"


class OperationalError(BackendError, kombu_errors.OperationalError):
    """The connection to the store was lost; the operation may have taken effect.

    `permanent` means that a retry cannot help, for example because the store refuses the password.
    """

    kind = "OperationalError"

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class TaskRevokedError(Exception):
    """The exception of a revoked task; its argument is the reason.

    On the wire it has the name of Celery's class.
    """


class ChordError(Exception):
    """The exception of a chord's body when a part has failed; the message names the part.

    On the wire it has the name of Celery's class.
    """
