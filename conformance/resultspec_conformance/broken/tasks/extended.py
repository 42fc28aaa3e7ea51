"""Backends that break the sentences on extended members of chapter 4."""

from typing import Any

from resultspec_conformance.broken.baseline.extended import EXTENDED
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError, EncodeError
from resultspec_conformance.broken.catalogue import broken


@broken("EXT-1", "name-of-the-task-lost")
class NameLost(Correct):
    """Looks for the name of the task where a request does not have it, as Celery 4.3 does."""

    def name_of(self, request: Any) -> Any:
        """Return what is never there."""
        return request.task_name


@broken("EXT-1", "queue-is-the-exchange")
class QueueIsTheExchange(Correct):
    """Takes the exchange of the delivery for its queue."""

    def queue_of(self, delivery: Any) -> Any:
        """Return the exchange."""
        return (delivery or {}).get("exchange")


@broken("EXT-1", "delivery-needed", also=["EXT-7", "META-7"])
class DeliveryNeeded(Correct):
    """Cannot store a task that was delivered by nobody."""

    def queue_of(self, delivery: Any) -> Any:
        """Index the delivery."""
        return delivery["routing_key"]


@broken("EXT-1", "retries-of-ready-tasks-only")
class RetriesOfReadyTasksOnly(Correct):
    """Tells the retries only of tasks that are ready."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build without retries for others."""
        built = super().build(task_id, result, state, traceback, request)
        return built if state in ("SUCCESS", "FAILURE", "REVOKED") else {**built, "retries": None}


@broken("EXT-1", "option-ignored", also=["EXT-2", "EXT-5"])
class OptionIgnored(Correct):
    """Stores no extended members at all, as the SQL backend did until Celery 4.4.0."""

    def stores_members_of(self, request: Any) -> bool:
        """Tell nothing."""
        return False


@broken("EXT-2", "arguments-as-texts", also=["EXT-4"])
class ArgumentsAsTexts(Correct):
    """Stores the representation of the arguments."""

    def told(self, request: Any) -> dict[str, Any]:
        """Return texts."""
        return {**super().told(request), "args": repr(request.args), "kwargs": repr(request.kwargs)}

    def instead(self, value: Any) -> Any:
        """Return a text that has no need of a representation."""
        return "<odd>"


@broken("EXT-2", "empty-arguments-are-null")
class EmptyArgumentsAreNull(Correct):
    """Stores null if there are no arguments."""

    def told(self, request: Any) -> dict[str, Any]:
        """Return what is not empty."""
        told = super().told(request)
        return {**told, "args": told["args"] or None, "kwargs": told["kwargs"] or None}


@broken("EXT-3", "extended-members-without-the-option")
class ExtendedWithoutTheOption(Correct):
    """Tells of every request, whether anybody asked or not, as RPC did until Celery 5.7.0."""

    def stores_members_of(self, request: Any) -> bool:
        """Tell whatever there is."""
        return request is not None


@broken("EXT-3", "request-of-the-task-before", also=["EXT-7", "EXT-8"])
class RequestOfTheTaskBefore(Correct):
    """Tells of the last request that it was given, where it is given none."""

    last: Any = None

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build with what was told last."""
        built = super().build(task_id, result, state, traceback, request)
        if self.stores_members_of(request):
            self.last = {name: built.get(name) for name in EXTENDED}
        elif self.extended and request is None and self.last:
            built |= self.last
        return built


@broken("EXT-4", "unencodable-argument-loses-the-result")
class UnencodableArgumentLosesTheResult(Correct):
    """Refuses a result whose arguments cannot be encoded, as Celery 5.7.0 does."""

    def instead(self, value: Any) -> Any:
        """Refuse."""
        raise EncodeError("the arguments cannot be encoded")


@broken("EXT-4", "long-name-refused")
class LongNameRefused(Correct):
    """Refuses a name, host or queue that is longer than its column."""

    def fitting(self, value: Any) -> Any:
        """Refuse a long text."""
        if isinstance(value, str) and len(value) > 155:
            raise ValueError("value too long for type character varying(155)")
        return super().fitting(value)


@broken("EXT-4", "all-dropped-for-one")
class AllDroppedForOne(Correct):
    """Stores none of the extended members where one of them cannot be encoded."""

    def told(self, request: Any) -> dict[str, Any]:
        """Return all or nothing."""
        self.failed = False
        told = super().told(request)
        return {} if self.failed else told

    def instead(self, value: Any) -> Any:
        """Remember."""
        self.failed = True
        return None


@broken("EXT-5", "stamps-lost")
class StampsLost(Correct):
    """Stores no stamps, as the SQL backend did until Celery 5.7.0."""

    def stamps(self, request: Any) -> dict[str, Any]:
        """Return none."""
        return {}


@broken("EXT-5", "undeclared-stamps-stored")
class UndeclaredStampsStored(Correct):
    """Stores every stamp there is, as Celery did until 5.7.0."""

    def declared(self, request: Any) -> dict[str, Any]:
        """Return all of them."""
        return {name: value for name, value in (request.stamps or {}).items() if self.is_free(name)}


@broken("EXT-5", "stamped-headers-left-out")
class StampedHeadersLeftOut(Correct):
    """Does not say which members are stamps."""

    def stamps(self, request: Any) -> dict[str, Any]:
        """Return the stamps alone."""
        return {name: value for name, value in super().stamps(request).items() if name != "stamped_headers"}


@broken("EXT-6", "declared-stamp-overwrites", also=["META-1"])
class DeclaredStampOverwrites(Correct):
    """Lets a declared stamp take the place of a member, as Celery 5.7.0 does."""

    def is_free(self, name: str) -> bool:
        """Say yes to every name but that of the list."""
        return name != "stamped_headers"


@broken("EXT-6", "undeclared-stamp-overwrites-the-id", also=["EXT-5"])
class UndeclaredStampOverwrites(Correct):
    """Lets any stamp, declared or not, take the place of the result."""

    def stamps(self, request: Any) -> dict[str, Any]:
        """Return a result that is a stamp, too."""
        stamps = super().stamps(request)
        return {**stamps, **{name: value for name, value in (request.stamps or {}).items() if name == "result"}}


@broken("EXT-7", "extended-members-merged", also=["EXT-1", "EXT-3"])
class ExtendedMembersMerged(Correct):
    """Leaves columns as they were where the next store says nothing of them."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build with what is there."""
        built = super().build(task_id, result, state, traceback, request)
        payload = self.link.get(self.key(task_id))
        try:
            there = {} if payload is None else self.load(payload, task_id)
        except DecodeError:
            there = {}
        kept = {name: there[name] for name in EXTENDED if there.get(name) is not None and built.get(name) is None}
        return {**built, **kept}


@broken("EXT-8", "unknown-task-is-an-error-with-the-option")
class UnknownTaskIsAnError(Correct):
    """Raises for an unknown task where the option is on, as the SQL backend of Celery 4.4.0 does."""

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Fail for want of a row."""
        if self.extended:
            raise AttributeError("'NoneType' object has no attribute 'name'")
        return super().unknown(task_id)


@broken("EXT-8", "entries-of-yesterday-refused", also=["META-1", "EXT-3", "EXT-7", "EXT-9"])
class EntriesOfYesterdayRefused(Correct):
    """Cannot read an entry without extended members where the option is on."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Insist on a name."""
        shaped = super().shape(found)
        if self.extended:
            shaped["name"] = found["name"]
        return shaped


@broken("EXT-9", "extended-members-for-readers-with-the-option-only")
class ExtendedForReadersWithTheOption(Correct):
    """Hands extended members only to clients that have the option."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Drop them for others."""
        found = super().read(task_id)
        return found if self.extended else {name: value for name, value in found.items() if name not in EXTENDED}


@broken("EXT-9", "types-insisted-on")
class TypesInsistedOn(Correct):
    """Cannot read arguments that are neither a list nor a map."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Insist on the types of today."""
        shaped = super().shape(found)
        if isinstance(shaped.get("queue"), list) or shaped.get("retries", 0) is None:
            raise ValueError("a queue is a text, and retries are a number")
        return shaped


@broken("EXT-10", "extended-members-in-a-map-of-their-own")
class ExtendedInAMap(Correct):
    """Stores extended members in one member `request`, and takes them apart when reading."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build with the map."""
        built = super().build(task_id, result, state, traceback, request)
        told = {name: built.pop(name) for name in EXTENDED if name in built}
        return {**built, "request": told} if told else built

    def shape(self, found: Any) -> dict[str, Any]:
        """Take it apart."""
        shaped = super().shape(found)
        told = shaped.pop("request", None)
        return {**shaped, **told} if isinstance(told, dict) else shaped
