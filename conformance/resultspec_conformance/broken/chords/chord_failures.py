"""Backends that break chapter 12: how chords fail, what comes late, who dies, and what is left behind."""

import contextlib
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from resultspec_conformance.broken.baseline.chords import ChordError, Record
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken


class Busy(Exception):
    """Another counter holds the decision."""


@broken("CHORD-10", "exceptions-are-results", also=["CHORD-7", "CHORD-11", "CHORD-12", "CHORD-14"])
class ExceptionsAreResults(Correct):
    """Calls the body with the exceptions among the results."""

    def has_failed(self, state: str) -> bool:
        """Take every part for a success."""
        return False


@broken("CHORD-10", "revoked-part-is-not-a-failure")
class RevokedIsNoFailure(Correct):
    """Calls the body though a part was revoked."""

    def has_failed(self, state: str) -> bool:
        """Look for FAILURE only."""
        return state == "FAILURE"


@broken("CHORD-10", "failed-chord-stays-pending", also=["CHORD-12", "CHORD-14"])
class FailedChordStaysPending(Correct):
    """Calls the errbacks of a failed chord, and leaves its body pending."""

    def fail(self, body: Mapping[str, Any], error: Exception) -> None:
        """Store nothing, unless the body could not be called."""
        if "cannot be called" in str(error):
            super().fail(body, error)


@broken("CHORD-10", "failure-without-its-cause", also=["CHORD-12"])
class FailureWithoutItsCause(Correct):
    """Says which part has failed, and not why."""

    def error_of(self, part: Sequence[Any]) -> Exception:
        """Return a text without the exception of the part."""
        return ChordError(f"part {part[1]} has failed")


@broken("CHORD-24", "failure-names-no-part")
class FailureNamesNoPart(Correct):
    """Says only that something went wrong."""

    def error_of(self, part: Sequence[Any]) -> Exception:
        """Return a text without the id."""
        return ChordError(f"a dependency has failed: {self.value_of(part)!r}")


@broken("CHORD-24", "failure-names-a-part-that-succeeded")
class NamesTheWrongPart(Correct):
    """Names the part that returned last, whether that is the one that failed or not."""

    def deliver(self, request: Any, record: Record) -> None:
        """Remember who was last."""
        self.last = request.id
        super().deliver(request, record)

    def error_of(self, part: Sequence[Any]) -> Exception:
        """Name it."""
        return ChordError(f"part {self.last} has failed: {self.value_of(part)!r}")


@broken("CHORD-11", "no-errbacks")
class NoErrbacks(Correct):
    """Fails the body and calls no errback."""

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """Do nothing."""


@broken("CHORD-11", "errbacks-for-every-failed-delivery", also=["CHORD-15"])
class ErrbacksForEachDelivery(Correct):
    """Calls the errbacks whenever a failed part returns, decided or not."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> None:
        """Call them first."""
        if state == "FAILURE":
            super().call_errbacks(request.chord)
        super().on_chord_part_return(request, state, result)

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """They were called."""


@broken("CHORD-11", "errbacks-without-the-id")
class ErrbacksWithoutTheId(Correct):
    """Calls errbacks with the name of the body's task instead of its id."""

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """Give them the name."""
        for errback in body["options"].get("link_error", ()):
            self.send(errback, body["task"])


@broken("CHORD-11", "refused-errback-is-the-last")
class RefusedErrbackIsTheLast(Correct):
    """Gives up on the remaining errbacks when the broker refuses one."""

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """Try all of them at once."""
        with contextlib.suppress(Exception):
            super().call_errbacks(body)

    def call_errback(self, errback: Mapping[str, Any], task_id: str) -> None:
        """Let the error pass."""
        self.send(errback, task_id)


@broken("CHORD-11", "errbacks-are-for-failed-parts")
class ErrbacksForFailedParts(Correct):
    """Calls no errback for a body that cannot be called."""

    def refused(self, body: Mapping[str, Any], error: Exception) -> None:
        """Fail it, and that is all."""
        self.fail(body, error)


@broken("CHORD-11", "errbacks-of-members-forgotten")
class ErrbacksOfMembersForgotten(Correct):
    """Calls the errbacks of a body as a whole, and not those of the members of a group."""

    def errbacks_of(self, body: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
        """Look at the body alone."""
        return [(errback, body["options"]["task_id"]) for errback in body["options"].get("link_error", ())]


@broken("CHORD-11", "errbacks-of-the-whole-forgotten")
class ErrbacksOfTheWholeForgotten(Correct):
    """Calls the errbacks of single tasks, and not those of a group or chain."""

    def errbacks_of(self, body: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
        """Look at the tasks alone."""
        tasks = self.tasks_of(body)
        return [(link, task["options"]["task_id"]) for task in tasks for link in task["options"].get("link_error", ())]


@broken("CHORD-12", "first-task-of-the-body-fails")
class FirstTaskFails(Correct):
    """Makes the first task of a body that is a group or chain a failure, and leaves the others."""

    def tasks_of(self, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the first."""
        return super().tasks_of(body)[:1]


@broken("CHORD-12", "last-step-of-a-chain-fails")
class LastStepFails(Correct):
    """Makes the last step of a chain a failure, by which the chain is known, and leaves the others."""

    def tasks_of(self, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the last."""
        found = super().tasks_of(body)
        return found[-1:] if body.get("subtask_type") == "chain" else found


@broken("CHORD-12", "enclosing-chord-is-not-failed")
class EnclosingChordNotFailed(Correct):
    """Fails the body of an inner chord, and does not count it for the enclosing chord."""

    def fail_around(self, options: Mapping[str, Any], error: Exception) -> None:
        """Do nothing."""


@broken("CHORD-13", "refusal-of-the-broker-is-dropped")
class RefusalDropped(Correct):
    """Ignores the error of the broker, so that the body is neither called nor failed."""

    def call(self, body: Mapping[str, Any], values: list[Any]) -> None:
        """Ignore it."""
        try:
            self.send(body, values)
        except Exception:  # noqa: BLE001 - it is dropped
            return


@broken("CHORD-13", "refusal-of-the-broker-is-the-counters")
class RefusalRaised(Correct):
    """Raises the error of the broker in the worker that counted, so that a wait for the body never learns of it."""

    def call(self, body: Mapping[str, Any], values: list[Any]) -> None:
        """Let it pass."""
        self.send(body, values)


@broken("CHORD-14", "body-stays-without-an-id")
class BodyWithoutId(Correct):
    """Makes up an id for the body when it is called or fails."""

    numbers = itertools.count()

    def give_id(self, body: Any, group_id: str) -> None:
        """Do nothing."""

    def body_of(self, request: Any) -> Mapping[str, Any]:
        """Make one up."""
        body = dict(super().body_of(request))
        if not body.get("subtask_type"):
            body["options"] = {"task_id": f"made-up-{next(self.numbers)}", **body["options"]}
        return body


@broken("CHORD-14", "id-of-a-body-is-forgotten")
class IdForgotten(Correct):
    """Gives the body an id when the chord is applied, and another one when it is called."""

    def body_of(self, request: Any) -> Mapping[str, Any]:
        """Give another id to a body whose id was not the client's."""
        body = super().body_of(request)
        if str(body["options"].get("task_id", "")).startswith("body-of-"):
            return {**body, "options": {**body["options"], "task_id": f"other-{request.group}"}}
        return body


@broken("CHORD-15", "late-duplicate-fails-the-body")
class LateDuplicateFails(Correct):
    """Takes a part of a chord that it no longer knows for an error of the chord, as Celery's cache backend does."""

    def recorded(self, request: Any, found: str) -> None:
        """Fail the body, if it has not run yet."""
        task_id = request.chord["options"].get("task_id")
        if found == "done" and task_id and self.read(task_id)["status"] == "PENDING":
            self.fail(request.chord, ChordError("the saved header is gone"))


@broken("CHORD-15", "late-duplicate-replaces-the-failure")
class LateDuplicateReplaces(Correct):
    """Stores another error for a chord that has failed when one of its parts comes again."""

    def recorded(self, request: Any, found: str) -> None:
        """Replace the failure of the body, and call nothing."""
        task_id = request.chord["options"].get("task_id")
        if found == "done" and task_id and self.read(task_id)["status"] == "FAILURE":
            self.store_result(task_id, ChordError("the saved header is gone"), "FAILURE")


@broken("CHORD-15", "late-duplicate-leaves-keys")
class LateDuplicateLeavesKeys(Correct):
    """Keeps a part that comes too late under its own key."""

    def recorded(self, request: Any, found: str) -> None:
        """Keep it."""
        if found == "done":
            self.step(f"{request.group}.late", lambda record: record.update(part=request.id))


@broken("CHORD-16", "bookkeeping-without-lifetime")
class NoLifetime(Correct):
    """Keeps the bookkeeping of a chord until it is decided, however long that takes."""

    life_of_record = None


@broken("CHORD-16", "bookkeeping-for-ever-as-results")
class BookkeepingForEver(Correct):
    """Keeps the bookkeeping of a chord for as long as results, even if these are kept forever."""

    def life_of_chord(self, record: Record) -> float | None:
        """Return the life of a result."""
        return None if math.isinf(self.link.life) else super().life_of_chord(record)


@broken("CHORD-16", "mark-for-as-long-as-results")
class MarkForAsLongAsResults(Correct):
    """Remembers that a chord is decided only for as long as results are kept, even if that is a minute."""

    def life_of_chord(self, record: Record) -> float | None:
        """Return the life of a result, unless that is longer."""
        life = super().life_of_chord(record)
        return min(life or 0.0, self.link.life) if record.get("done") else life


@broken("CHORD-16", "mark-without-lifetime")
class MarkWithoutLifetime(Correct):
    """Keeps the mark of a decision forever."""

    life_of_mark = None


@broken("CHORD-16", "mark-for-half-a-minute")
class MarkForHalfAMinute(Correct):
    """Remembers only for half a minute that a chord is decided."""

    life_of_mark = 30.0


@broken("CHORD-17", "part-within-a-claim-is-swallowed")
class SwallowedWithinAClaim(Correct):
    """Leaves a chord to the counter that has claimed it, alive or dead, as Celery's Redis backend does."""

    def take_claim(self, request: Any, token: str, hint: int | None) -> Any:
        """Give up at a claim that is held."""
        found = super().take_claim(request, token, hint)
        return None if isinstance(found, float) else found


@broken("CHORD-18", "claim-of-the-dead-is-for-ever")
class ClaimForEver(Correct):
    """Never takes over a claim, and makes other counters try again."""

    def claim(self, record: Record, token: str, hint: int | None) -> Any:
        """Leave a claim where it is."""
        return 1.0 if record.get("claim") and not record.get("done") else super().claim(record, token, hint)

    def meet_claim(self, seconds: float) -> None:
        """Refuse."""
        raise Busy("another worker decides")


@broken("CHORD-18", "claim-of-the-dead-is-waited-for")
class ClaimWaitedFor(Correct):
    """Waits for the counter that has claimed a chord, alive or dead."""

    def claim(self, record: Record, token: str, hint: int | None) -> Any:
        """Leave a claim where it is."""
        return 1.0 if record.get("claim") and not record.get("done") else super().claim(record, token, hint)


@broken("CHORD-18", "every-call-has-an-id-of-its-own", also=["CHORD-1", "CHORD-10", "CHORD-11", "CHORD-12", "CHORD-14"])
class IdOfItsOwn(Correct):
    """Calls the body under a new id when it takes over the claim of a dead counter."""

    def body_of(self, request: Any) -> Mapping[str, Any]:
        """Add the claim to the id."""
        body = super().body_of(request)
        if not self.taken_over or body.get("subtask_type"):
            return body
        group = {"tasks": [body, {**body, "options": {"task_id": f"again-{time.monotonic_ns()}"}}]}
        return {**body, "options": {}, "kwargs": group, "subtask_type": "group"}

    taken_over = False

    def claim(self, record: Record, token: str, hint: int | None) -> Any:
        """See whether somebody had the claim before."""
        self.taken_over = bool(record.get("claim")) and not record.get("done")
        return super().claim(record, token, hint)


@broken("CHORD-18", "called-again-though-at-most-once", choices={"chord_crash": "at-most-once"})
class CalledAgain(Correct):
    """Declares to call the body at most once, and notes that it did after the call."""


@broken("CHORD-19", "every-part-reads-all-parts")
class EveryPartReadsAll(Correct):
    """Fetches the whole header for each part, as Celery's cache backend does."""

    def recorded(self, request: Any, found: str) -> None:
        """Fetch it."""
        self.step(request.group, dict)
