"""Backends that break chapter 4."""

import datetime as dt
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.whole import MEMBERS, Correct
from resultspec_conformance.broken.catalogue import broken

KNOWN = {*MEMBERS, "group_id", "parent_id", "name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers"}


@broken("META-1", "null-members-left-out")
class NullMembersLeftOut(Correct):
    """Leaves members that are null out of the meta that it returns."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return what is not null."""
        found = super().get_task_meta(task_id, cache)
        if found["status"] == "PENDING":
            return found
        return {name: value for name, value in found.items() if value is not None or name in ("status", "result")}

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback, where there is one."""
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: Any) -> Any:
        """Return the children, where there are any."""
        return self.get_task_meta(task_id).get("children")


@broken("META-1", "null-result-left-out")
class NullResultLeftOut(Correct):
    """Leaves a null result out of the meta that it returns, as serializers do that omit what is empty."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return no result where it is null."""
        found = super().get_task_meta(task_id, cache)
        if found["status"] == "PENDING":
            return found
        return {name: value for name, value in found.items() if value is not None or name != "result"}

    def get_result(self, task_id: Any) -> Any:
        """Return the result, where there is one."""
        return self.get_task_meta(task_id).get("result")


@broken("META-1", "unready-meta-without-a-date")
class UnreadyMetaWithoutADate(Correct):
    """Returns no member `date_done` for a task that is not ready."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return the meta without its date."""
        found = super().get_task_meta(task_id, cache)
        kept = STATES.is_ready(found["status"]) or found["status"] == "PENDING"
        return found if kept else {name: value for name, value in found.items() if name != "date_done"}


@broken("META-2", "traceback-of-unknown-task-is-an-error", also=["READ-3"])
class TracebackOfUnknownTaskIsAnError(Correct):
    """Raises where the traceback of an unknown task is asked for, having a meta of two members and indexing it."""

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback of a known task."""
        found = self.get_task_meta(task_id)
        if found["status"] == "PENDING" and found["date_done"] is None and found["children"] is None:
            raise KeyError("traceback")
        return found["traceback"]


@broken("META-2", "unknown-task-has-no-result", also=["META-3"])
class UnknownTaskHasNoResult(Correct):
    """Returns a meta of one member for a task that it does not know: the state."""

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Return the state only."""
        return {"status": super().unknown(task_id)["status"]}

    def get_result(self, task_id: Any) -> Any:
        """Return the result, where there is one."""
        return self.get_task_meta(task_id).get("result")

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback, where there is one."""
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: Any) -> Any:
        """Return the children, where there are any."""
        return self.get_task_meta(task_id).get("children")


@broken("META-2", "unknown-task-has-an-empty-result", also=["READ-4", "READ-6", "READ-7", "STATE-13"])
class UnknownTaskHasAnEmptyResult(Correct):
    """Returns the empty text for the result of a task that it does not know."""

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Return an empty result."""
        return {**super().unknown(task_id), "result": ""}


@broken("META-3", "unknown-task-names-no-id")
class UnknownTaskNamesNoId(Correct):
    """Returns a null `task_id` for an unknown task."""

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Return the meta without its id."""
        return {**super().unknown(task_id), "task_id": None}


@broken("META-16", "stored-id-returned")
class StoredIdReturned(Correct):
    """Returns the id that the entry names."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Return the entry with its own id."""
        payload = self.link.get(self.key(task_id))
        named = None if payload is None else self.load(payload, task_id)["task_id"]
        return {**super().read(task_id), "task_id": named or task_id}


@broken("META-4", "cached-under-the-stored-id")
class CachedUnderTheStoredId(Correct):
    """Caches what it read under the id that the entry names."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Remember the entry under its own id, too."""
        found = super().read(task_id)
        payload = self.link.get(self.key(task_id))
        named = None if payload is None else self.load(payload, task_id)["task_id"]
        if named and named != task_id:
            self.remember(named, {**found, "task_id": named})
        return found


@broken("META-5", "traceback-indentation-lost")
class TracebackIndentationLost(Correct):
    """Strips white space from the beginning of a traceback."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the text from its first letter on."""
        return super().prepare_traceback(traceback and traceback.lstrip())


@broken("META-5", "traceback-cut")
class TracebackCut(Correct):
    """Keeps no more than a kilobyte of a traceback."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the beginning."""
        return super().prepare_traceback(traceback and traceback[:1024])


@broken("META-5", "line-ends-changed")
class LineEndsChanged(Correct):
    """Makes one kind of line end of all in a traceback."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the text with line feeds."""
        return super().prepare_traceback(traceback and traceback.replace("\r\n", "\n"))


@broken("META-5", "empty-traceback-is-null")
class EmptyTracebackIsNull(Correct):
    """Stores an empty traceback as null."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return a text that is not empty, or null."""
        return super().prepare_traceback(traceback or None)


@broken("META-6", "nul-in-traceback-refused")
class NulInTracebackRefused(Correct):
    """Refuses a failure whose traceback has a NUL, as PostgreSQL does."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Refuse NUL."""
        if traceback is not None and "\x00" in traceback:
            raise ValueError("a text cannot contain NUL")
        return super().prepare_traceback(traceback)


@broken("META-6", "surrogates-in-traceback-refused")
class SurrogatesInTracebackRefused(Correct):
    """Refuses a failure whose traceback cannot be encoded as UTF-8."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Refuse lone surrogates."""
        if traceback is not None:
            traceback.encode("utf-8")
        return super().prepare_traceback(traceback)


@broken("META-6", "odd-characters-in-traceback-dropped")
class OddCharactersInTracebackDropped(Correct):
    """Leaves NUL and lone surrogates out of a traceback."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the rest."""
        return super().prepare_traceback(traceback and traceback.replace("\x00", "").encode("utf-8", "ignore").decode())


@broken("META-7", "children-lost", also=["STATE-8"])
class ChildrenLost(Correct):
    """Stores no children, as the SQL backend did until Celery 5.7.0."""

    def children_of(self, request: Any) -> Any:
        """Return none."""
        return None if request is None else []


@broken("META-7", "children-sorted", also=["STATE-8"])
class ChildrenSorted(Correct):
    """Sorts the children by their ids."""

    def children_of(self, request: Any) -> Any:
        """Return them sorted."""
        children = super().children_of(request)
        return sorted(children, key=lambda child: str(child[0][0])) if children else children


@broken("META-7", "parents-of-children-lost", also=["STATE-8"])
class ParentsOfChildrenLost(Correct):
    """Stores the children without their parents."""

    def children_of(self, request: Any) -> Any:
        """Return them without parents."""
        children = super().children_of(request)
        return children and [((task_id, None), members) for (task_id, _), members in children]


@broken("META-7", "members-of-groups-lost", also=["STATE-8"])
class MembersOfGroupsLost(Correct):
    """Stores a group among the children as a task."""

    def children_of(self, request: Any) -> Any:
        """Return them without members."""
        children = super().children_of(request)
        return children and [(head, None) for head, _ in children]


@broken("META-8", "children-of-the-task-before", also=["META-1", "META-7", "STATE-8", "STATE-11", "WORK-7", "WORK-8"])
class ChildrenOfTheTaskBefore(Correct):
    """Gives a task without a request the children of the one before."""

    before: Any = None

    def children_of(self, request: Any) -> Any:
        """Return the children, or those before."""
        if request is not None:
            self.before = super().children_of(request)
        return self.before


@broken("META-9", "unready-tasks-dated", also=["KEY-3"])
class UnreadyTasksDated(Correct):
    """Dates every store, as the SQL backend of Celery 5.7.0 does with the second one."""

    def date_done(self, state: str) -> str | None:
        """Return the moment of now."""
        return self.now().isoformat()


@broken("META-9", "revoked-tasks-not-dated", also=["KEY-3", "META-10"])
class RevokedTasksNotDated(Correct):
    """Dates no task that was revoked."""

    def date_done(self, state: str) -> str | None:
        """Return the moment of now for others."""
        return None if state == "REVOKED" else super().date_done(state)


@broken("META-10", "local-time-as-utc")
class LocalTimeAsUtc(Correct):
    """Writes the local time of a zone far east as if it were UTC."""

    def now(self) -> dt.datetime:
        """Return a moment that is nine hours off."""
        return super().now() + dt.timedelta(hours=9)


@broken("META-10", "date-of-the-connection")
class DateOfTheConnection(Correct):
    """Works out the date once, when the client is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.made = dt.datetime.now(dt.UTC)

    def now(self) -> dt.datetime:
        """Return the moment of then."""
        return self.made


@broken("META-10", "date-without-offset", also=["META-15"])
class DateWithoutOffset(Correct):
    """Returns dates without their offset."""

    def read_date(self, stored: Any) -> Any:
        """Return a naive text."""
        text = super().read_date(stored)
        return (
            None
            if text is None
            else dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None).isoformat()
        )


@broken("META-11", "group-id-lost", also=["STATE-8"])
class GroupIdLost(Correct):
    """Stores no `group_id`, as the SQL backend does."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build without the group."""
        built = super().build(task_id, result, state, traceback, request)
        built.pop("group_id", None)
        return built


@broken("META-11", "parent-is-the-root", also=["STATE-8", "WORK-2"])
class ParentIsTheRoot(Correct):
    """Gives a task without a parent its own id as the parent."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build with a parent in any case."""
        built = super().build(task_id, result, state, traceback, request)
        if request is not None:
            built.setdefault("parent_id", task_id)
        return built


@broken(
    "META-12",
    "unknown-members-refused",
    also=["META-1", "EXT-3", "EXT-4", "EXT-5", "EXT-6", "EXT-7", "EXT-9", "EXT-10"],
)
class UnknownMembersRefused(Correct):
    """Refuses a meta that has a member which it does not know."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Refuse more members."""
        shaped = super().shape(found)
        if set(shaped) - KNOWN:
            raise ValueError("unknown members")
        return shaped


@broken("META-13", "missing-members-refused", also=["META-14", "VALUE-11"])
class MissingMembersRefused(Correct):
    """Indexes the members that today's writers write."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Refuse fewer members."""
        shaped = super().shape(found)
        found["date_done"]
        return shaped


@broken("META-17", "missing-result-refused")
class MissingResultRefused(Correct):
    """Needs a result, as Celery's readers do in a state of an exception."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Refuse a meta without one."""
        shaped = super().shape(found)
        found["result"]
        return shaped


@broken("META-13", "no-id-no-entry", also=["META-4", "META-14", "VALUE-11"])
class NoIdNoEntry(Correct):
    """Treats an entry without a task id as absent."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Refuse a meta without its id."""
        shaped = super().shape(found)
        if not shaped["task_id"]:
            raise ValueError("the entry does not name a task")
        return shaped


@broken("META-14", "children-of-old-releases-refused")
class ChildrenOfOldReleasesRefused(Correct):
    """Cannot read the tuple of a group as releases until 4.1 wrote it."""

    def check_child(self, child: Any) -> Any:
        """Refuse a bare id."""
        if isinstance(child, (list, tuple)) and child and isinstance(child[0], str):
            raise ValueError("a result tuple begins with a list")
        return super().check_child(child)


@broken("META-14", "text-message-split")
class TextMessageSplit(Correct):
    """Takes the text that releases until 4.1 stored for an exception's arguments apart into letters."""

    def restore_exception(self, stored: Any) -> BaseException:
        """Make a list of the text."""
        message = stored.get("exc_message", [])
        return super().restore_exception(
            {**stored, "exc_message": list(message) if isinstance(message, str) else message}
        )


@broken("META-15", "naive-date-is-local", also=["META-10"])
class NaiveDateIsLocal(Correct):
    """Takes a stored date without an offset for the local time of its own zone."""

    def read_date(self, stored: Any) -> Any:
        """Return a date with the own offset where there is none."""
        if isinstance(stored, str) and dt.datetime.fromisoformat(stored).tzinfo is None:
            stored += "+01:00"
        return super().read_date(stored)


@broken("META-15", "z-refused")
class ZRefused(Correct):
    """Cannot read a date that ends in Z, as Python before 3.11."""

    def read_date(self, stored: Any) -> Any:
        """Refuse the letter."""
        if isinstance(stored, str) and stored.endswith("Z"):
            raise ValueError("not an ISO date")
        return super().read_date(stored)


@broken("META-15", "offset-dropped")
class OffsetDropped(Correct):
    """Drops the offset of a stored date and takes the rest for UTC."""

    def read_date(self, stored: Any) -> Any:
        """Return what is before the offset."""
        if not isinstance(stored, str):
            return super().read_date(stored)
        return dt.datetime.fromisoformat(stored).replace(tzinfo=dt.UTC).isoformat()


@broken("META-9", "failure-keeps-its-date", also=["KEY-3"])
class FailureKeepsItsDate(Correct):
    """Keeps the date of a failure when the task runs again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.failed: dict[str, str] = {}

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Build with the date of the failure before."""
        built = super().build(task_id, result, state, traceback, request)
        if STATES.is_ready(state):
            self.failed[task_id] = built["date_done"]
        return {**built, "date_done": built["date_done"] or self.failed.get(task_id)}
