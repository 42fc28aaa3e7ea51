"""The part of the small correct backend that a worker calls."""

import sys
import traceback as tracebacks
from typing import Any

from resultspec_conformance.broken.baseline.core import CorrectCore


class TaskRevokedError(Exception):
    """Why a task was revoked; on the wire it is Celery's class of this name."""


TaskRevokedError.__module__ = "celery.exceptions"


class WithWorkerCalls(CorrectCore):
    """A correct client for a worker."""

    app: Any = None

    # -- the end of a task ---------------------------------------------------------------------

    def mark_as_started(self, task_id: Any, **meta: Any) -> None:
        """Store STARTED."""
        self.mark(task_id, meta, "STARTED")

    def mark_as_done(self, task_id: Any, result: Any, request: Any = None) -> None:
        """Store SUCCESS, unless nobody wants it."""
        if self.is_ignored(request):
            self.task_ended(request, "SUCCESS", result)
        else:
            self.mark(task_id, result, "SUCCESS", request=request)

    def mark_as_failure(self, task_id: Any, exc: Any, traceback: Any = None, request: Any = None) -> None:
        """Store FAILURE."""
        self.mark(task_id, exc, "FAILURE", traceback, request)

    def mark_as_retry(self, task_id: Any, exc: Any, traceback: Any = None, request: Any = None) -> None:
        """Store RETRY."""
        self.mark(task_id, exc, "RETRY", traceback, request)

    def mark_as_revoked(self, task_id: Any, reason: Any = "", request: Any = None) -> None:
        """Store REVOKED."""
        self.mark(task_id, self.revoked(reason), "REVOKED", request=request)

    def mark(self, task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None) -> None:
        """Store what a worker says."""
        self.store_result(task_id, result, state, traceback=traceback, request=request)
        if state != "RETRY":
            self.task_ended(request, state, result)

    def task_ended(self, request: Any, state: str, result: Any) -> None:
        """Do nothing: this backend does not have chords."""

    def is_ignored(self, request: Any) -> bool:
        """Whether nobody wants the value."""
        return bool(request is not None and request.ignore_result)

    def revoked(self, reason: Any) -> BaseException:
        """Return the exception of a task that was revoked."""
        return TaskRevokedError(reason)

    def fail_from_current_stack(self, task_id: Any, exc: BaseException | None = None) -> None:
        """Store FAILURE with an exception, or with the one that is being handled. Raises ValueError without any."""
        error = self.failure(exc, sys.exc_info()[1])
        if error is None:
            raise ValueError("no exception was given")
        self.mark_as_failure(task_id, error, traceback=self.format_failure(error))

    def failure(self, given: BaseException | None, handled: BaseException | None) -> BaseException | None:
        """Return the exception that is to be stored."""
        return handled if given is None else given

    def format_failure(self, error: BaseException) -> Any:
        """Return the traceback of an exception."""
        return "".join(tracebacks.format_exception(error))

    # -- around a task -------------------------------------------------------------------------

    def process_cleanup(self) -> None:
        """Do nothing: nothing is kept for a task."""

    def on_task_call(self, producer: Any, task_id: Any) -> Any:
        """Return no properties."""
        return {}

    # -- children ------------------------------------------------------------------------------

    def current_task_children(self, request: Any = None) -> Any:
        """Return the children of a request or of the task that runs."""
        return self.children_of(self.current_request() if request is None else request)

    def current_request(self) -> Any:
        """Return the request of the task that runs, or None."""
        return getattr(getattr(self.app, "current_task", None), "request", None)

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Return the meta that is stored, with the children of the task that runs if it is the one that is stored."""
        built = super().build(task_id, result, state, traceback, request)
        running = self.current_request() if request is None else None
        if running is not None and self.is_of(running, task_id):
            built["children"] = self.children_of(running)
        return built

    def is_of(self, request: Any, task_id: str) -> bool:
        """Whether a request is that of a task."""
        return bool(request.id == task_id)
