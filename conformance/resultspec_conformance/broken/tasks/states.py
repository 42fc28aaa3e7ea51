"""Backends that break chapter 3."""

import time
from collections.abc import Mapping
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import broken


@broken("STATE-1", "custom-states-upper-cased", also=["META-1", "META-9", "WAIT-2"])
class CustomStatesUpperCased(Correct):
    """Writes every state in upper case."""

    def check_state(self, state: Any) -> str:
        """Return the state in upper case."""
        return super().check_state(state).upper()


@broken("STATE-1", "custom-states-refused", also=["META-1", "META-9", "META-11", "WAIT-2"])
class CustomStatesRefused(Correct):
    """Takes the seven named states only."""

    def check_state(self, state: Any) -> str:
        """Refuse what is neither named nor reserved nor PROGRESS."""
        if isinstance(state, str) and state and STATES.row(state) == "custom" and state != "PROGRESS":
            raise ValueError(f"unknown state {state}")
        return super().check_state(state)


@broken("STATE-2", "state-of-any-type")
class StateOfAnyType(Correct):
    """Takes a null state for a state, as Celery does."""

    def check_state(self, state: Any) -> str:
        """Let null pass."""
        return super().check_state("None" if state is None else state)


@broken("STATE-16", "empty-state")
class EmptyState(Correct):
    """Takes an empty state for PENDING."""

    def check_state(self, state: Any) -> str:
        """Let the empty text pass."""
        return super().check_state(state if state != "" else "PENDING")


@broken("STATE-3", "success-overwritten")
class SuccessOverwritten(Correct):
    """Lets whatever arrives replace SUCCESS, as Celery did before 4.4.3."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep nothing."""
        return False


@broken("STATE-3", "success-over-success")
class SuccessOverSuccess(Correct):
    """Lets a second SUCCESS replace the first."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep SUCCESS against all but SUCCESS."""
        return super().keeps(there, arriving) and arriving != "SUCCESS"


@broken("STATE-4", "failure-is-final", also=["EXC-7", "READ-5"])
class FailureIsFinal(Correct):
    """Takes FAILURE for final too, so that a second run cannot succeed."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep FAILURE against SUCCESS."""
        return super().keeps(there, arriving) or (there == "FAILURE" and arriving == "SUCCESS")


@broken("STATE-5", "retry-after-started-refused")
class PrecedenceRefused(Correct):
    """Refuses RETRY over STARTED, by the order in which displays rank states."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep STARTED against RETRY."""
        return super().keeps(there, arriving) or (there == "STARTED" and arriving == "RETRY")


@broken("STATE-5", "same-state-not-stored-again", also=["KEY-4", "META-5", "META-7", "META-11", "VALUE-1"])
class SameStateNotStoredAgain(Correct):
    """Ignores a write in the same state as the existing entry, so that progress never moves.

    What is added to an empty PENDING is then as if that member alone were lost.
    """

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep an entry against one of the same unready state."""
        return super().keeps(there, arriving) or (there == arriving and not STATES.is_ready(there))


@broken("STATE-6", "first-failure-stays", also=["KEY-4"])
class FirstFailureStays(Correct):
    """Keeps the first failure against later ones."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Keep a failure against a failure."""
        failed = STATES.sets["PROPAGATE"]
        return super().keeps(there, arriving) or (there in failed and arriving in failed)


@broken("STATE-7", "sticky-but-says-latest")
class StickyButSaysLatest(Correct):
    """Keeps FAILURE when an unready state arrives, and declares that it does not."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Decide by the choice that was not declared."""
        return STATES.decide(there, arriving, late_unready="ready-sticky") == "keep"


@broken("STATE-7", "sticky-for-revoked-only")
class StickyForRevokedOnly(Correct):
    """Replaces FAILURE and keeps REVOKED when an unready state arrives: no choice at all."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Decide by the existing state."""
        choice = "ready-sticky" if there == "REVOKED" else "latest"
        return STATES.decide(there, arriving, late_unready=choice) == "keep"


class _Merging(Correct):
    """Fills null members of an arriving entry from the existing entry."""

    merged: tuple[str, ...] = ()

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build a meta out of two."""
        built = super().build(task_id, result, state, traceback, request)
        payload = self.link.get(self.key(task_id))
        try:
            there: Mapping[str, Any] = self.load(payload, task_id) if payload is not None else {}
        except DecodeError:
            there = {}
        kept = {name: there[name] for name in self.merged if there.get(name) and not built.get(name)}
        return {**built, **kept}


@broken("STATE-8", "traceback-survives", also=["STATE-5"])
class TracebackSurvives(_Merging):
    """Keeps the traceback of an earlier attempt under the next state."""

    merged = ("traceback",)


@broken("STATE-8", "parent-survives", also=["META-11", "STATE-5", "STATE-9"])
class ParentSurvives(_Merging):
    """Keeps parent and group of an earlier request."""

    merged = ("group_id", "parent_id")


@broken("STATE-9", "refused-store-touches-date", also=["EXP-4", "KEY-6"])
class RefusedStoreTouchesDate(Correct):
    """Keeps SUCCESS when a duplicate arrives, but updates its date."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write; where the entry stays, write that with another date."""
        if super().write(task_id, payload, state):
            return True
        there = self.link.get(self.key(task_id))
        if there is not None:
            meta = {**self.load(there, task_id), "date_done": self.now().isoformat()}
            self.link.put(self.key(task_id), self.dump(meta), lambda found: found != there)
        return False


@broken("STATE-10", "refused-store-raises", also=["KEY-6", "KEY-8"])
class RefusedStoreRaises(Correct):
    """Raises when a write loses to an existing SUCCESS."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, or complain."""
        if not super().write(task_id, payload, state):
            raise ValueError(f"task {task_id} has succeeded already")
        return True


@broken("STATE-11", "tombstones", also=["EXP-15", "READ-6", "KEY-7", "VALUE-1", "VALUE-7", "WAIT-9"])
class Tombstones(Correct):
    """Remembers which tasks succeeded and refuses later stores even after they were forgotten."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.succeeded = self.link.server.__dict__.setdefault("succeeded", set())

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write unless the task has ever succeeded."""
        if task_id in self.succeeded:
            return False
        if state == "SUCCESS":
            self.succeeded.add(task_id)
        return super().write(task_id, payload, state)


class _GetThenSet(Correct):
    """Reads, decides, and writes, in three steps, as a client of a store without conditional writes does."""

    window = 0.001

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Read, decide, write."""
        there = self.link.get(self.key(task_id))
        if there is not None and self.stays(there, state):
            return False
        # the round trip between the two commands, in which another client's command gets in
        time.sleep(self.window)
        return self.link.put(self.key(task_id), payload, lambda _: False)


@broken("STATE-12", "get-then-set")
class GetThenSet(_GetThenSet):
    """Guards SUCCESS by reading first and writing then, as Celery's Redis backend does."""


class _Lagging(Correct):
    """While a write of a task is in progress, a read may return the version before the current one."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and let it take a moment."""
        versions, under_way = self.replica(task_id)
        under_way.append(state)
        try:
            time.sleep(0.001)
            written = super().write(task_id, payload, state)
            if written:
                versions.append(payload)
            return written
        finally:
            under_way.pop()

    def replica(self, task_id: str) -> tuple[list[bytes | None], list[str]]:
        """Return the versions of a task, the oldest first, and the stores that are under way."""
        replicas = self.link.server.__dict__.setdefault("replicas", {})
        found: tuple[list[bytes | None], list[str]] = replicas.setdefault(task_id, ([None], []))
        return found

    def lags(self, current: bytes | None) -> bool:
        """Whether a read returns the version before this one."""
        return True

    def read(self, task_id: str) -> dict[str, Any]:
        """Read, from the replica while a store is under way."""
        versions, under_way = self.replica(task_id)
        meta = super().read(task_id)
        if not (under_way and len(versions) > 1 and self.lags(versions[-1])):
            return meta
        before = versions[-2]
        if before is None:
            return self.unknown(task_id)
        stale = self.load(before, task_id)
        stale["result"] = self.restore(stale["result"], stale["status"])
        return {**stale, "task_id": task_id}


@broken("STATE-13", "stale-reads", also=["STATE-15"])
class StaleReads(_Lagging):
    """Reads an older version while another client writes, as an asynchronous replica does."""

    def lags(self, current: bytes | None) -> bool:
        """Whether the current version is no SUCCESS."""
        return current is not None and self.load(current, "replica")["status"] != "SUCCESS"


@broken("STATE-14", "success-flickers")
class SuccessFlickers(_Lagging):
    """Reads the version before SUCCESS again while a late store is being refused."""

    def lags(self, current: bytes | None) -> bool:
        """Whether the current version is a SUCCESS."""
        return current is not None and self.load(current, "replica")["status"] == "SUCCESS"


@broken("STATE-15", "written-in-place")
class WrittenInPlace(Correct):
    """Writes a large payload in two parts, as a file that is written in place."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write the first half, then all of it."""
        if len(payload) > 100_000:
            half = len(payload) // 2
            self.link.put(self.key(task_id), payload[:half], lambda there: self.stays(there, state), publish=False)
            time.sleep(0.001)
        return super().write(task_id, payload, state)


@broken("STATE-15", "removed-before-it-is-written", also=["STATE-12", "STATE-13", "STATE-14"])
class RemovedBeforeItIsWritten(Correct):
    """Removes the entry that it replaces and then writes its own, as by DELETE and INSERT in two transactions."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Remove what may be replaced, and then write."""
        there = self.steadily(lambda: self.link.get(self.key(task_id)))
        if there is not None and not self.stays(there, state):
            self.steadily(lambda: self.link.delete(self.key(task_id)))
            time.sleep(0.001)
        return super().write(task_id, payload, state)
