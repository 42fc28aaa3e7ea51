"""Correct backends that count chords differently: a check that accuses one of them is wrong."""

from collections.abc import Mapping, Sequence
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


@variation("polls-for-the-stored-results", choices={"chord_completion": "polled"})
class PollsForTheStoredResults(Correct):
    """Counts nothing: a timer looks at the stored results of a header until all of them are there."""

    @property
    def waiting(self) -> list[tuple[list[Any], Any]]:
        """The shapes of headers and the bodies of the chords that any client has applied and nobody has decided."""
        found: list[tuple[list[Any], Any]] = vars(self.link.server).setdefault("waiting_chords", [])
        return found

    def apply_chord(self, header: tuple[str, Sequence[Any]], body: Any, **options: Any) -> None:
        """Begin to look."""
        self.waiting.append(([self.shape_of(result.as_tuple()) for result in header[1]], body))

    def set_chord_size(self, group_id: str, size: int) -> None:
        """Do nothing: the header says what to look for."""

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """Refuse."""
        raise NotImplementedError("parts cannot be added to a chord that has begun")

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> None:
        """Do nothing."""

    def settle(self, deadline: float) -> None:
        """Look once."""
        for chord in list(self.waiting):
            shape, body = chord
            metas = [self.get_task_meta(task_id) for task_id in self.flat(shape)]
            if all(STATES.is_ready(meta["status"]) for meta in metas):
                self.waiting.remove(chord)
                self.conclude(shape, body, metas)

    def conclude(self, shape: list[Any], body: Any, metas: list[Any]) -> None:
        """Call the body or fail it."""
        failed = [meta for meta in metas if self.has_failed(meta["status"])]
        if failed:
            self.fail(body, ChordError(f"part {failed[0]['task_id']} has failed: {failed[0]['result']!r}"))
            self.call_errbacks(body)
        else:
            self.call(body, self.fill(shape, iter([meta["result"] for meta in metas])))

    def flat(self, shape: list[Any]) -> list[str]:
        """Return the ids in a shape."""
        return [leaf for member in shape for leaf in (self.flat(member) if isinstance(member, list) else [member])]


@variation("leaves-to-the-canvas-what-the-canvas-does")
class LeavesItToTheCanvas(Correct):
    """Neither calls the body of an empty header nor gives a body an id nor knows a size that nobody said."""

    def apply_empty(self, body: Any, shape: list[Any]) -> None:
        """Do nothing."""

    def give_id(self, body: Any, group_id: str) -> None:
        """Do nothing."""

    def completes(self, state: str) -> bool:
        """Count whatever it is asked to count."""
        return True

    def needed(self, record: Record, hint: int | None) -> int | None:
        """Go by what was set."""
        return None if "size" not in record else super().needed(record, None)


@variation("fails-with-the-exception-of-the-part")
class FailsWithTheExceptionOfThePart(Correct):
    """Stores the exception of a failed part for the body, as Celery does for the tasks of a group."""

    def error_of(self, part: Sequence[Any]) -> Exception:
        """Return it as it is."""
        found: Exception = self.value_of(part)
        return found


@variation("calls-the-members-of-a-group")
class CallsTheMembers(Correct):
    """Calls a body that is a group as its members, and one that is a chain by its first step."""

    def send(self, signature: Mapping[str, Any], argument: Any) -> None:
        """Send each task with which a signature starts."""
        members = (signature.get("kwargs") or {}).get("tasks") or []
        match signature.get("subtask_type"):
            case "group":
                for member in members:
                    self.send(member, argument)
            case "chain":
                self.send(members[0], argument)
            case _:
                super().send(signature, argument)


@variation("error-of-a-refused-errback-stays")
class ErrorOfARefusedErrback(Correct):
    """Stores the error of an errback that could not be called for the body, as Celery does."""

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """Call each, and let the last error that one of them raises be that of the body."""
        for errback, task_id in self.errbacks_of(body):
            try:
                self.send(errback, task_id)
            except Exception as error:  # noqa: BLE001 - a broker may raise anything
                self.store_result(task_id, error, "FAILURE")


@variation("errbacks-of-a-group-for-each-member")
class ErrbacksForEachMember(Correct):
    """Calls the errbacks of a group for each of its members, and those of the first step of a chain, too."""

    def errbacks_of(self, body: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
        """Repeat those of a group."""
        links, members = body["options"].get("link_error", ()), (body.get("kwargs") or {}).get("tasks") or []
        match body.get("subtask_type"):
            case "group":
                around = [(link, member["options"]["task_id"]) for link in links for member in members]
                return [*around, *(one for member in members for one in self.errbacks_of(member))]
            case "chain":
                return [*super().errbacks_of(body), *self.errbacks_of(members[0])]
        return super().errbacks_of(body)
