"""Correct backends that count chords differently: a check that accuses one of them is wrong."""

from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.chords import ChordError, Record
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import variation


class Busy(Exception):
    """Another counter holds the decision."""


@variation("busy-while-another-decides")
class BusyWhileAnotherDecides(Correct):
    """Raises Busy while another counter decides, instead of waiting for it."""

    def meet_claim(self, seconds: float) -> None:
        """Refuse."""
        raise Busy(f"another worker decides; try again after {seconds:.3f} s")


@variation("at-most-once", choices={"chord_crash": "at-most-once"})
class AtMostOnce(Correct):
    """Records that a chord is decided before it calls the body."""

    def decide(self, request: Any, record: Record, token: str) -> None:
        """Finish first, and call only if the claim was not lost."""
        if self.step(request.group, lambda there: self.finish(there, token)):
            self.deliver(request, record)


@variation("fails-at-the-first-failed-part")
class FailsAtOnce(Correct):
    """Fails a chord as soon as its first part has failed."""

    def is_full(self, record: Record, hint: int | None) -> bool:
        """Do not wait for the others."""
        failed = any(self.has_failed(part[2]) for part in record.get("parts", {}).values())
        return failed or super().is_full(record, hint)


@variation("success-replaces-a-failed-part")
class SuccessReplaces(Correct):
    """Lets the SUCCESS of a later delivery replace the failure of a part until the chord is decided."""

    def record_part(self, record: Record, name: str, part: list[Any], hint: int | None) -> str:
        """Forget a failure that is made good."""
        there = record.get("parts", {}).get(name)
        if there is not None and there[2] != "SUCCESS" and part[2] == "SUCCESS":
            del record["parts"][name]
        return super().record_part(record, name, part, hint)


@variation("nothing-can-be-added")
class NothingCanBeAdded(Correct):
    """Refuses to add a part to a chord."""

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """Refuse."""
        raise NotImplementedError("parts cannot be added to a chord that has begun")


@variation("joins-stored-results")
class JoinsStoredResults(Correct):
    """Reads the stored results of a header, and fails a chord at once if one is missing."""

    def deliver(self, request: Any, record: Record) -> None:
        """Look for what is missing."""
        missing = [part[1] for part in record["parts"].values() if not self.is_stored(part[1])]
        if missing:
            self.fail(request.chord, ChordError(f"part {missing[0]} has no stored result"))
            self.call_errbacks(request.chord)
        else:
            super().deliver(request, record)

    def is_stored(self, task_id: str) -> bool:
        """Whether the result of a task is in the store."""
        return self.read(task_id)["status"] in STATES.sets["READY"]


@variation("decides-when-it-looks")
class DecidesWhenItLooks(Correct):
    """Only counts when a part returns, and decides when a timer makes it look, as stores that poll do."""

    @property
    def full(self) -> dict[str, Any]:
        """The chords that are full, counted by any client."""
        found: dict[str, Any] = vars(self.link.server).setdefault("full_chords", {})
        return found

    def take_over(self, request: Any, hint: int | None) -> None:
        """Leave it for later."""
        self.full[request.group] = (request, hint)

    def settle(self, deadline: float) -> None:
        """Look."""
        while self.full:
            _, (request, hint) = self.full.popitem()
            super().take_over(request, hint)
