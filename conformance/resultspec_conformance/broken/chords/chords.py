"""Backends that break chapter 12: how they count, when they call the body, and what they call it with."""

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.chords import Record
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken


@broken("CHORD-1", "deliveries-counted", also=["CHORD-2", "CHORD-3", "CHORD-6", "CHORD-7"])
class DeliveriesCounted(Correct):
    """Counts each delivery, as a counter in the store does that is increased by one."""

    numbers = itertools.count()

    def part_name(self, request: Any) -> str:
        """Return a new name each time."""
        return f"{super().part_name(request)}:{next(self.numbers)}"


@broken("CHORD-3", "failure-delivered-again-is-a-success")
class FailureDeliveredAgainIsASuccess(Correct):
    """Takes a part that failed and is delivered again for one that was retried and has succeeded."""

    def record_part(self, record: Record, name: str, part: list[Any], hint: int | None) -> str:
        """Change the state of a part that is there."""
        there = name in record.get("parts", {})
        found = super().record_part(record, name, part, hint)
        if there and found != "done" and self.has_failed(record["parts"][name][2]):
            record["parts"][name][2] = "SUCCESS"
        return found


@broken("CHORD-1", "called-by-every-delivery-of-a-full-chord", also=["CHORD-2", "CHORD-3", "CHORD-11", "CHORD-15"])
class CalledByEveryDelivery(Correct):
    """Does not record that the body was called, and calls it again for a duplicate that finds all parts present."""

    def finish(self, record: Record, token: str) -> bool:
        """Keep the parts, and open the decision again."""
        record.pop("claim", None)
        return True


class _ClaimsInTwoSteps(Correct):
    """Looks whether somebody decides, and then says that it does."""

    def take_claim(self, request: Any, token: str, hint: int | None) -> Any:
        """Look in one step and write in another."""
        seen = self.step(request.group, dict)
        if seen.get("done") or not self.is_full(seen, hint):
            return None
        holder, until = seen.get("claim", ("", 0.0))
        if holder and time.monotonic() < until:
            return until - time.monotonic()
        # long enough for another to look, also where threads wait for a processor
        time.sleep(0.005)
        return self.step(request.group, lambda record: self.force(record, token))

    def force(self, record: Record, token: str) -> Any:
        """Claim, even if another worker has claimed in the meantime."""
        if record.get("done"):
            return None
        record["claim"] = [token, time.monotonic() + self.lease]
        return dict(record)


@broken("CHORD-2", "claim-looked-up-and-then-written")
class ClaimLookedUp(_ClaimsInTwoSteps):
    """Checks for a claim, and then claims: two steps, between which another counter can claim too."""


@broken("CHORD-2", "full-is-enough-to-decide", also=["CHORD-1", "CHORD-18"])
class FullIsEnough(Correct):
    """Lets every counter decide that finds the chord full and not yet decided."""

    def claim(self, record: Record, token: str, hint: int | None) -> Any:
        """Grant it to all."""
        if record.get("done") or not self.is_full(record, hint):
            return None
        record["claim"] = [token, 0.0]
        return dict(record)


@broken("CHORD-3", "part-is-its-task-id")
class PartIsItsTaskId(Correct):
    """Takes two parts with one task id for one."""

    def part_name(self, request: Any) -> str:
        """Return the id alone."""
        return str(request.id)


@broken("CHORD-3", "last-delivery-counts")
class LastDeliveryCounts(Correct):
    """Replaces the result of a part with that of a later delivery."""

    def record_part(self, record: Record, name: str, part: list[Any], hint: int | None) -> str:
        """Forget what was there."""
        if not record.get("done"):
            record.get("parts", {}).pop(name, None)
        return super().record_part(record, name, part, hint)


@broken("CHORD-4", "every-return-counts")
class EveryReturnCounts(Correct):
    """Counts a part in whatever state it returns."""

    def completes(self, state: str) -> bool:
        """Take all."""
        return True


@broken("CHORD-4", "all-but-retry-and-started-count")
class CustomStatesCount(Correct):
    """Counts every state that is not in a list of unready states."""

    def completes(self, state: str) -> bool:
        """Look it up in the list of unready ones."""
        return state not in ("PENDING", "RECEIVED", "STARTED", "RETRY")


class _MembersCounted(Correct):
    """Takes the members of the header for its parts."""

    def leaves(self, shape: list[Any]) -> int:
        """Count the members."""
        return len(shape) if super().leaves(shape) else 0


@broken("CHORD-5", "members-counted-whatever-the-client-says", also=["CHORD-7", "CHORD-8"])
class SizesIgnored(_MembersCounted):
    """Waits for as many parts as the header has members, as Celery's key/value stores before 5.0.1."""

    def resize(self, record: Record, size: int) -> None:
        """Do nothing."""

    def needed(self, record: Record, hint: int | None) -> int | None:
        """Drop the hint."""
        return super().needed(record, None)


@broken("CHORD-23", "members-counted-instead-of-leaves")
class MembersCounted(_MembersCounted):
    """Takes the members of the header for its parts, however many tasks are in them, if nobody says a size."""


@broken("CHORD-23", "size-of-the-signature-ignored")
class SignatureSizeIgnored(Correct):
    """Does not know the `chord_size` of a signature."""

    def needed(self, record: Record, hint: int | None) -> int | None:
        """Drop the hint."""
        return super().needed(record, None)


@broken("CHORD-23", "size-of-the-client-ignored")
class ClientSizeIgnored(Correct):
    """Counts what the signature says, or the leaves of the header, whatever the client has set."""

    def resize(self, record: Record, size: int) -> None:
        """Do nothing."""


@broken("CHORD-23", "size-of-the-request-ignored")
class RequestSizeIgnored(Correct):
    """Looks for a size in the signature of the body only, and not in the request itself."""

    def hint_of(self, request: Any) -> int | None:
        """Look in the body."""
        found: int | None = request.chord.get("chord_size")
        return found


@broken("CHORD-23", "mark-of-a-decision-stays-until-a-size-comes")
class MarkStaysUntilASizeComes(Correct):
    """Leaves the mark of a decision when the chord is applied again, and removes it when a size is set."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Leave a chord that is decided as it is."""
        if not record.get("done"):
            super().begin(record, leaves, shape)
            return
        record.update(leaves=leaves, shape=shape)

    def resize(self, record: Record, size: int) -> None:
        """Forget the decision, and not what the new run has begun with."""
        kept: Record = {name: record[name] for name in ("leaves", "shape") if name in record}
        super().resize(record, size)
        record.update(kept)


@broken("CHORD-25", "size-never-begins-a-run")
class SizeNeverBeginsARun(Correct):
    """Takes every size for that of the run that is there, which may be decided."""

    def resize(self, record: Record, size: int) -> None:
        """Set it."""
        record["size"] = size


@broken("CHORD-6", "size-removes-the-parts", also=["CHORD-8"])
class SizeRemovesParts(Correct):
    """Begins a new run whenever a size is set."""

    def resize(self, record: Record, size: int) -> None:
        """Remove what is there."""
        record.pop("parts", None)
        super().resize(record, size)


@broken("CHORD-7", "parts-of-an-older-run-stay")
class OldPartsStay(Correct):
    """Keeps the existing parts when a chord is applied, as Celery's Redis backend does after a failure."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Forget nothing but the decision."""
        kept = record.get("last") or record.get("parts") or {}
        record.clear()
        record.update(leaves=leaves, shape=shape, parts=kept)

    def finish(self, record: Record, token: str) -> bool:
        """Keep the parts of a chord that has failed."""
        parts = record.get("parts", {})
        finished = super().finish(record, token)
        if any(part[2] != "SUCCESS" for part in parts.values()):
            record["last"] = parts
        return finished


@broken("CHORD-7", "decided-is-for-ever")
class DecidedForEver(Correct):
    """Keeps the mark of a decision when the chord is applied again, so that its parts are late."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Leave a chord that is decided as it is."""
        if not record.get("done"):
            super().begin(record, leaves, shape)

    def resize(self, record: Record, size: int) -> None:
        """Leave it as well."""
        if not record.get("done"):
            super().resize(record, size)


@broken("CHORD-23", "size-of-an-older-run-stays")
class OldSizeStays(Correct):
    """Keeps the size that was set for an older run, until another is set."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Forget all but the size."""
        kept = {name: record[name] for name in ("size",) if name in record}
        super().begin(record, leaves, shape)
        record.update(kept)

    def resize(self, record: Record, size: int) -> None:
        """Replace it, unless the chord has begun to be counted by it."""
        if "parts" not in record:
            record.pop("size", None)
        super().resize(record, size)


@broken("CHORD-7", "parts-added-to-an-older-run-are-awaited")
class OldAdditionsStay(Correct):
    """Keeps the number of parts that were added to an older run."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Forget all but that."""
        added = record.get("added", 0)
        super().begin(record, leaves, shape)
        record["added"] = added


@broken("CHORD-7", "nesting-of-an-older-run-stays")
class OldNestingStays(Correct):
    """Keeps the nesting of the header with which a chord was applied first, if it had one."""

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Forget all but that."""
        first = record.get("shape", [])
        super().begin(record, leaves, first if any(isinstance(member, list) for member in first) else shape)


@broken("CHORD-7", "any-counter-finishes-a-chord")
class AnyCounterFinishesAChord(Correct):
    """Records that a chord is decided, whichever counter and whichever run that comes from."""

    def finish(self, record: Record, token: str) -> bool:
        """Ask for no token."""
        record.clear()
        record["done"] = token
        return True


@broken("CHORD-8", "results-in-order-of-arrival")
class OrderOfArrival(Correct):
    """Gives the body the results as they came, as Celery's Redis backend did before 5.0."""

    def place(self, part: Sequence[Any]) -> Any:
        """Leave the order as it is."""
        return 0


@broken("CHORD-8", "indices-sorted-as-text")
class IndicesAsText(Correct):
    """Sorts the results by their indices as text."""

    def place(self, part: Sequence[Any]) -> Any:
        """Return a text."""
        return str(part[0])


@broken("CHORD-8", "nested-headers-flattened")
class Flattened(Correct):
    """Gives the body a flat list of the results of a nested header."""

    def arrange(self, values: list[Any], parts: list[Any], shape: list[Any]) -> list[Any]:
        """Leave them flat."""
        return values


@broken("CHORD-8", "false-results-dropped")
class FalseResultsDropped(Correct):
    """Leaves out the results that are null, false or empty."""

    def arrange(self, values: list[Any], parts: list[Any], shape: list[Any]) -> list[Any]:
        """Keep what is true."""
        return [value for value in super().arrange(values, parts, shape) if value]


@broken("CHORD-8", "one-part-without-its-list")
class OnePartWithoutItsList(Correct):
    """Calls the body of a chord of one part with the result itself, as a chain would."""

    def call(self, body: Mapping[str, Any], values: list[Any]) -> None:
        """Take a single result out of its list."""
        super().call(body, values[0] if len(values) == 1 else values)


@broken("CHORD-8", "results-as-separate-arguments", also=["CHORD-9"])
class SeparateArguments(Correct):
    """Calls the body with one argument for each result."""

    def send(self, signature: Mapping[str, Any], argument: Any) -> None:
        """Spread a list."""
        args = tuple(argument) if isinstance(argument, list) else (argument,)
        self.app.signature(signature).apply_async(args)


@broken("CHORD-9", "empty-header-waits")
class EmptyHeaderWaits(Correct):
    """Waits for the parts of an empty header."""

    def apply_empty(self, body: Any, shape: list[Any]) -> None:
        """Do nothing."""


@broken("CHORD-9", "empty-header-calls-with-nothing")
class EmptyHeaderCallsWithNull(Correct):
    """Calls the body of an empty header with null."""

    def apply_empty(self, body: Any, shape: list[Any]) -> None:
        """Send null."""
        self.send(body, shape or None)


@broken("CHORD-20", "waits-for-results-that-were-not-stored")
class JoinsStoredResults(Correct):
    """Reads the stored results of the header, and leaves the chord alone while one is missing."""

    def decide(self, request: Any, record: Record, token: str) -> None:
        """Decide when all of them are there."""
        if all(self.read(part[1])["status"] in STATES.sets["READY"] for part in record["parts"].values()):
            super().decide(request, record, token)
        else:
            self.step(request.group, lambda there: there.pop("claim", None))


@broken("CHORD-22", "added-part-forgotten")
class AddedPartForgotten(Correct):
    """Accepts an added part, and does not wait for it."""

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """Do nothing."""
