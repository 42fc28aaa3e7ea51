"""Backends that break chapter 14: the calls of a worker."""

from typing import Any

from resultspec_conformance.broken.baseline.disabled import CorrectDisabled
from resultspec_conformance.broken.baseline.server import LinkCut
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.baseline.workers import TaskRevokedError
from resultspec_conformance.broken.catalogue import broken


@broken("WORK-1", "started-with-nothing-is-null")
class StartedWithNothingIsNull(Correct):
    """Stores null if nothing is known about a run that begins."""

    def mark_as_started(self, task_id: Any, **meta: Any) -> None:
        """Store what there is."""
        self.mark(task_id, meta or None, "STARTED")


@broken("WORK-1", "started-with-pid-and-host-only", also=["WORK-6"])
class StartedWithPidAndHostOnly(Correct):
    """Stores only those members of a run that begins which Celery's worker passes today."""

    def mark_as_started(self, task_id: Any, **meta: Any) -> None:
        """Store what is known."""
        self.mark(task_id, {name: meta[name] for name in ("pid", "hostname") if name in meta}, "STARTED")


@broken("WORK-2", "done-without-its-request", also=["WORK-13"])
class DoneWithoutItsRequest(Correct):
    """Forgets the request of a task that returned."""

    def mark_as_done(self, task_id: Any, result: Any, request: Any = None) -> None:
        """Store the result alone."""
        if not self.is_ignored(request):
            self.mark(task_id, result, "SUCCESS")


@broken("WORK-2", "retry-without-its-traceback")
class RetryWithoutItsTraceback(Correct):
    """Keeps the traceback of failures only."""

    def mark_as_retry(self, task_id: Any, exc: Any, traceback: Any = None, request: Any = None) -> None:
        """Store the cause alone."""
        self.mark(task_id, exc, "RETRY", None, request)


@broken("WORK-2", "failure-that-may-be-retried-is-a-retry")
class FailureIsARetry(Correct):
    """Stores RETRY for the failure of a task that has been retried."""

    def mark_as_failure(self, task_id: Any, exc: Any, traceback: Any = None, request: Any = None) -> None:
        """Look at the retries."""
        retried = request is not None and request.retries
        self.mark(task_id, exc, "RETRY" if retried else "FAILURE", traceback, request)


@broken("WORK-2", "falsy-value-is-null")
class FalsyValueIsNull(Correct):
    """Stores null for a task that returned nothing but 0, false or an empty list."""

    def mark_as_done(self, task_id: Any, result: Any, request: Any = None) -> None:
        """Store what is true."""
        super().mark_as_done(task_id, result or None, request)


@broken("WORK-3", "reason-lost")
class ReasonLost(Correct):
    """Says of every task that was revoked that it was terminated."""

    def revoked(self, reason: Any) -> BaseException:
        """Return the usual one."""
        return TaskRevokedError("terminated")


@broken("WORK-3", "revoked-by-an-exception-of-its-own")
class RevokedByAnother(Correct):
    """Stores an exception of another name for a task that was revoked."""

    def revoked(self, reason: Any) -> BaseException:
        """Return a runtime error."""
        return RuntimeError(reason)


@broken("WORK-3", "no-reason-no-argument")
class NoReasonNoArgument(Correct):
    """Stores an exception without arguments where no reason is given."""

    def revoked(self, reason: Any) -> BaseException:
        """Return one with a reason, or with nothing."""
        return TaskRevokedError(reason) if reason else TaskRevokedError()


@broken("WORK-4", "started-hides-the-result")
class StartedHidesTheResult(Correct):
    """Writes STARTED past the guard, since a task that starts cannot have a result."""

    def mark_as_started(self, task_id: Any, **meta: Any) -> None:
        """Write without a look."""
        payload = self.dump(self.build(self.normal_id(task_id), meta, "STARTED", None, None))
        self.link.put(self.key(task_id), payload, lambda _: False)


@broken("WORK-4", "late-failure-refused-loudly")
class LateFailureRefusedLoudly(Correct):
    """Raises where a task that has its result is said to have failed or to be retried."""

    def mark(self, task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None) -> None:
        """Look first."""
        if state in ("FAILURE", "RETRY") and self.get_task_meta(task_id, cache=False)["status"] == "SUCCESS":
            raise ValueError("the task has succeeded")
        super().mark(task_id, result, state, traceback, request)


@broken("WORK-5", "ignored-value-stored")
class IgnoredValueStored(Correct):
    """Stores the value of a task though nobody wants it."""

    def is_ignored(self, request: Any) -> bool:
        """Ignore nothing."""
        return False


@broken("WORK-5", "ignored-value-stored-as-null")
class IgnoredValueStoredAsNull(Correct):
    """Stores SUCCESS without the value of a task that ignores it."""

    def mark_as_done(self, task_id: Any, result: Any, request: Any = None) -> None:
        """Store null."""
        self.mark(task_id, None if self.is_ignored(request) else result, "SUCCESS", request=request)


@broken("WORK-5", "ignored-failure-not-stored")
class IgnoredFailureNotStored(Correct):
    """Stores nothing at all for a task whose value is ignored."""

    def mark(self, task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None) -> None:
        """Store what is not ignored."""
        if not self.is_ignored(request):
            super().mark(task_id, result, state, traceback, request)


@broken("WORK-6", "failed-store-logged", also=["WORK-12"])
class FailedStoreLogged(Correct):
    """Writes into its log that a store has failed, and goes on."""

    def mark(self, task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None) -> None:
        """Go on in any case."""
        try:
            super().mark(task_id, result, state, traceback, request)
        except Exception:  # noqa: BLE001 - that is the defect
            return


@broken("WORK-6", "unencodable-value-becomes-null")
class UnencodableValueBecomesNull(Correct):
    """Stores null instead of a value that cannot be encoded, and then raises."""

    def mark_as_done(self, task_id: Any, result: Any, request: Any = None) -> None:
        """Store twice."""
        try:
            super().mark_as_done(task_id, result, request)
        except Exception:
            super().mark_as_done(task_id, None, request)
            raise


@broken("WORK-13", "parts-left-to-somebody-else")
class PartsLeftToSomebodyElse(Correct):
    """Stores what a worker says, and expects that somebody else counts the parts of chords."""

    def task_ended(self, request: Any, state: str, result: Any) -> None:
        """Do nothing."""


@broken("WORK-13", "revoked-part-is-not-counted")
class RevokedPartIsNotCounted(Correct):
    """Counts what a task has returned or raised, and not that it was called off."""

    def task_ended(self, request: Any, state: str, result: Any) -> None:
        """Look at the state."""
        if state != "REVOKED":
            super().task_ended(request, state, result)


@broken("WORK-13", "retry-fails-the-chord")
class RetryFailsTheChord(Correct):
    """Counts a part that is going to run again as one that has failed."""

    def mark_as_retry(self, task_id: Any, exc: Any, traceback: Any = None, request: Any = None) -> None:
        """Store RETRY, and count a failure."""
        super().mark_as_retry(task_id, exc, traceback, request)
        self.task_ended(request, "FAILURE", exc)


@broken("WORK-13", "part-counted-before-its-store")
class PartCountedBeforeItsStore(Correct):
    """Counts a part, and then stores its result, which may fail."""

    def mark(self, task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None) -> None:
        """Count first."""
        if state in ("SUCCESS", "FAILURE", "REVOKED"):
            self.task_ended(request, state, "lost" if state == "SUCCESS" and not self.fits(result) else result)
        self.store_result(task_id, result, state, traceback=traceback, request=request)

    def fits(self, result: Any) -> bool:
        """Whether a value can be stored."""
        try:
            self.dump({"result": result})
        except Exception:  # noqa: BLE001 - whatever a serializer raises
            return False
        return True


@broken("WORK-7", "children-of-whatever-task-runs")
class ChildrenOfWhateverRuns(Correct):
    """Gives the children of the task that runs to every task that is stored without a request, as Celery does."""

    def is_of(self, request: Any, task_id: str) -> bool:
        """Say yes."""
        return True


@broken("WORK-7", "own-children-lost")
class OwnChildrenLost(Correct):
    """Does not look at the task that runs."""

    def is_of(self, request: Any, task_id: str) -> bool:
        """Say no."""
        return False


@broken("WORK-8", "children-of-the-current-task-though-a-request-is-given")
class CurrentTaskFirst(Correct):
    """Prefers the task that runs to the request that it is given."""

    def current_task_children(self, request: Any = None) -> Any:
        """Look at the task that runs first."""
        running = self.current_request()
        return self.children_of(request if running is None else running)


@broken("WORK-8", "no-task-no-list")
class NoTaskNoList(Correct):
    """Fails where no task runs."""

    def current_task_children(self, request: Any = None) -> Any:
        """Index what may be missing."""
        found = self.current_request() if request is None else request
        return [child.as_tuple() for child in found.children]


@broken("WORK-9", "traceback-of-nothing")
class TracebackOfNothing(Correct):
    """Stores no traceback of an exception that was given."""

    def format_failure(self, error: BaseException) -> Any:
        """Return nothing."""
        return None


@broken("WORK-9", "handled-exception-counts-more")
class HandledCountsMore(Correct):
    """Stores the exception that is being handled instead of the given one."""

    def failure(self, given: BaseException | None, handled: BaseException | None) -> BaseException | None:
        """Return what is being handled."""
        return given if handled is None else handled


@broken("WORK-10", "cleanup-ends-all-waits")
class CleanupEndsAllWaits(Correct):
    """Ends every wait of the client when a task is over, as at the end of a process."""

    ended = 0

    def process_cleanup(self) -> None:
        """Tell the waits."""
        self.ended += 1

    def ends_wait(self, meta: Any) -> bool:
        """Raise where a cleanup has been since the wait began."""
        if self.ended:
            raise RuntimeError("the client has been cleaned up")
        return super().ends_wait(meta)


@broken("WORK-10", "second-cleanup-fails")
class SecondCleanupFails(Correct):
    """Closes what is closed."""

    is_open = True

    def process_cleanup(self) -> None:
        """Close once."""
        if not self.is_open:
            raise ValueError("the connection is closed already")
        self.is_open = False


@broken("WORK-10", "cleanup-removes-the-last-entry")
class CleanupRemovesTheLastEntry(Correct):
    """Takes the entry of the task that is over for a thing of the past."""

    last = ""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Remember the task."""
        self.last = task_id
        return super().write(task_id, payload, state)

    def process_cleanup(self) -> None:
        """Remove its entry."""
        if self.last:
            self.forget(self.last)


@broken("WORK-11", "call-stores-pending")
class CallStoresPending(Correct):
    """Stores PENDING for a task that is about to be sent, so that it is known."""

    def on_task_call(self, producer: Any, task_id: Any) -> Any:
        """Store it."""
        self.store_result(task_id, None, "PENDING")
        return {}


@broken("WORK-12", "never-connects-again", also=["WAIT-13", "JOIN-15"])
class NeverConnectsAgain(Correct):
    """Stays without a connection once it was cut."""

    def steadily(self, step: Any) -> Any:
        """Take a step, and cut the connection for good where it was cut."""
        try:
            return step()
        except LinkCut:
            self.link.is_cut = True
            raise


@broken("WORK-12", "acknowledged-on-a-dead-connection", also=["WORK-6"])
class AcknowledgedOnADeadConnection(Correct):
    """Takes a store whose connection was cut for done."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, or not."""
        try:
            return bool(self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state)))
        except LinkCut:
            return True


@broken("DIS-4", "disabled-failure-refused")
class DisabledFailureRefused(CorrectDisabled):
    """Refuses to be told of a failure."""

    def mark_as_failure(self, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        self.nothing()
