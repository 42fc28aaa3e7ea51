"""Backends that break chapter 11: saving, restoring and deleting groups, and their ids."""

import fnmatch
import itertools
import time
import uuid
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import DOMAINS
from resultspec_conformance.broken.baseline.groups import CHORD_SUFFIXES
from resultspec_conformance.broken.baseline.server import GROUP_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import broken

WITHOUT_KEYS = ("core", "waiting", "atomic", "groups")

# -- saving and restoring --------------------------------------------------------------------------


class Alters(Correct):
    """Saves another group than it was given."""

    def tuple_of(self, result: Any) -> Any:
        """Return the altered tuple."""
        return self.altered(super().tuple_of(result))

    def altered(self, group: Any) -> Any:
        """Return another group."""
        return group


@broken("GROUP-1", "groups-flattened", also=["GROUP-3", "GROUP-18"])
class GroupsFlattened(Alters):
    """Keeps the ids of the members and no more, so that a group in a group becomes a task, as in Celery's MongoDB."""

    def altered(self, group: Any) -> Any:
        """Return the ids only."""
        return [[group[0][0], None], [[[member[0][0], None], None] for member in group[1]]]


@broken("GROUP-1", "parent-of-a-group-dropped", also=["GROUP-3", "GROUP-18"])
class ParentDropped(Alters):
    """Saves a group without its parent."""

    def altered(self, group: Any) -> Any:
        """Return the group without its parent."""
        return [[group[0][0], None], group[1]]


@broken("GROUP-1", "parents-of-members-dropped", also=["GROUP-18"])
class ParentsOfMembersDropped(Alters):
    """Saves the members of a group without their parents."""

    def altered(self, group: Any) -> Any:
        """Return the group with members that have no parents."""
        return [group[0], [[[member[0][0], None], member[1]] for member in group[1]]]


@broken("GROUP-1", "members-sorted", also=["GROUP-18"])
class MembersSorted(Alters):
    """Keeps the members of a group in the order of their ids."""

    def altered(self, group: Any) -> Any:
        """Return the group with its members sorted."""
        return [group[0], sorted(group[1], key=lambda member: str(member[0][0]))]


@broken("GROUP-1", "members-once", also=["GROUP-18"])
class MembersOnce(Alters):
    """Keeps a member once if it is in its group twice."""

    def altered(self, group: Any) -> Any:
        """Return the group as if its members were a set."""
        return [group[0], list({member[0][0]: member for member in group[1]}.values())]


@broken("GROUP-1", "groups-go-with-their-writer")
class GroupsGoWithWriter(Correct):
    """Removes the groups that it has saved when it closes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.saved_groups: set[str] = set()

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Remember what was saved."""
        self.saved_groups.add(group_id)
        super().put_group(group_id, payload)

    def close(self) -> None:
        """Remove all of it."""
        for group_id in self.saved_groups:
            self.delete_group(group_id)
        super().close()


@broken("GROUP-1", "older-groups-evicted")
class OlderGroupsEvicted(Correct):
    """Keeps the two hundred groups that were saved last, and says nothing."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Make room."""
        super().put_group(group_id, payload)
        with self.link.server.lock:
            groups = [key for key in self.link.server.data if GROUP_KEY_PREFIX in key]
            for key in groups[:-200]:
                del self.link.server.data[key]


@broken("GROUP-2", "empty-group-is-null", also=["GROUP-5", "GROUP-19"])
class EmptyGroupIsNull(Correct):
    """Takes a group without members for no group, as code does that tests its truth value."""

    def read_group(self, group_id: str) -> list[Any] | None:
        """Return a group that has members."""
        group = super().read_group(group_id)
        return group if group and group[1] else None


@broken("GROUP-2", "empty-group-refused", also=["GROUP-5"])
class EmptyGroupRefused(Correct):
    """Refuses to save a group without members."""

    def tuple_of(self, result: Any) -> Any:
        """Insist on members."""
        found = super().tuple_of(result)
        if not found[1]:
            raise ValueError("a group has members")
        return found


@broken("GROUP-3", "groups-cut-at-64-kib")
class GroupsCut(Correct):
    """Cuts what is stored of a group at 64 KiB, as a column does without the server's strict mode."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Save as many bytes as fit."""
        super().put_group(group_id, payload[:65535])


@broken("GROUP-3", "groups-of-a-thousand")
class GroupsOfAThousand(Alters):
    """Restores the first thousand members of a group."""

    def altered(self, group: Any) -> Any:
        """Return so many members."""
        return [group[0], group[1][:1000]]


@broken("GROUP-3", "groups-ten-deep")
class GroupsTenDeep(Alters):
    """Refuses groups that are nested more than ten deep."""

    def altered(self, group: Any, depth: int = 1) -> Any:
        """Insist on a small depth."""
        if depth > 10:
            raise ValueError("nested too deep")
        for member in group[1] or ():
            self.altered(member, depth + 1)
        return group


class KnowsWhatWasSaved(Correct):
    """Knows which groups were ever saved by clients of its server."""

    def ever_saved(self) -> set[str]:
        """Return the ids of all groups that were ever saved."""
        known: set[str] = self.link.server.__dict__.setdefault("ever_saved", set())
        return known

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Remember the id."""
        self.ever_saved().add(group_id)
        super().put_group(group_id, payload)


@broken("GROUP-4", "unknown-group-raises", also=["GROUP-11", "GROUP-13"])
class UnknownGroupRaises(KnowsWhatWasSaved):
    """Raises KeyError for a group that was never saved."""

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Insist on a group that was saved."""
        if group_id not in self.ever_saved():
            self.ever_saved().add(group_id) if super().find_group(group_id, cache) else None
        if group_id not in self.ever_saved():
            raise KeyError(group_id)
        return super().find_group(group_id, cache)


@broken("GROUP-4", "unknown-group-is-empty", also=["GROUP-8", "GROUP-9", "GROUP-11", "GROUP-12", "GROUP-13"])
class UnknownGroupIsEmpty(KnowsWhatWasSaved):
    """Restores a group that was never saved as one without members."""

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Make one up."""
        found = super().find_group(group_id, cache)
        return [[group_id, None], []] if found is None and group_id not in self.ever_saved() else found


@broken("GROUP-4", "meta-of-an-unknown-group", also=["GROUP-13"])
class MetaOfUnknownGroup(KnowsWhatWasSaved):
    """Returns a map without a group for a group that was never saved."""

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Return a map."""
        found = super().get_group_meta(group_id, cache)
        return {"result": None} if found is None and group_id not in self.ever_saved() else found


@broken("GROUP-5", "saving-a-group-again-raises", also=["GROUP-7", "GROUP-13", "GROUP-14", "GROUP-20"])
class SavingAgainRaises(Correct):
    """Raises when a group is saved a second time, as Celery's SQL backend does."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Insert."""
        if not self.link.put(self.group_key(group_id), payload, lambda _: True):
            raise RuntimeError("UNIQUE constraint failed: celery_tasksetmeta.taskset_id")


@broken("GROUP-5", "first-group-stays", also=["GROUP-7", "GROUP-13", "GROUP-14", "GROUP-20"])
class FirstGroupStays(Correct):
    """Keeps the group that was saved first, as it keeps a SUCCESS."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Save where nothing is."""
        self.link.put(self.group_key(group_id), payload, lambda _: True)


@broken("GROUP-5", "members-added-to-those-there", also=["GROUP-7", "GROUP-13", "GROUP-14"])
class MembersAdded(Correct):
    """Adds the members of a group that is saved again to those that it had."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Append."""
        with self.link.server.lock:
            there = self.link.get(self.group_key(group_id))
            if there is not None:
                head, members = self.load_group(payload, group_id)
                payload = self.dump_group({"result": [head, [*self.members_of(there), *members]]})
            super().put_group(group_id, payload)

    def members_of(self, there: bytes) -> list[Any]:
        """Return the members that are there."""
        try:
            found: list[Any] = self.load_group(there, "there")[1]
        except DecodeError:
            found = []
        return found


@broken("GROUP-5", "parent-of-the-older-group-kept")
class OlderParentKept(Correct):
    """Keeps the parent of a group that is saved again without one."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Merge."""
        with self.link.server.lock:
            there = self.link.get(self.group_key(group_id))
            (own, parent), members = self.load_group(payload, group_id)
            if there is not None and parent is None:
                payload = self.dump_group({"result": [[own, self.parent_of(there)], members]})
            super().put_group(group_id, payload)

    def parent_of(self, there: bytes) -> Any:
        """Return the parent that is there."""
        try:
            return self.load_group(there, "there")[0][1]
        except DecodeError:
            return None


# -- deleting --------------------------------------------------------------------------------------


@broken("GROUP-6", "deleting-a-group-twice-raises", also=["GROUP-10"])
class DeletingTwiceRaises(KnowsWhatWasSaved):
    """Raises KeyError when a group is deleted that was deleted before."""

    def delete_group(self, group_id: Any) -> None:
        """Insist on a group."""
        text = self.normal_group_id(group_id)
        if text in self.ever_saved() and self.link.get(self.group_key(text)) is None:
            raise KeyError(group_id)
        super().delete_group(group_id)


def members_of(backend: Correct, group_id: Any) -> list[Any]:
    """Return the members of a saved group; none if no group can be read."""
    try:
        group = backend.read_group(backend.normal_group_id(group_id))
    except (DecodeError, ContentDisallowed):
        return []
    return list(group[1]) if group else []


@broken("GROUP-6", "members-forgotten-with-their-group")
class MembersForgotten(Correct):
    """Forgets the members of a group that is deleted."""

    def delete_group(self, group_id: Any) -> None:
        """Forget the tasks first."""
        for member in members_of(self, group_id):
            self.link.delete(self.key(member[0][0]))
        super().delete_group(group_id)


@broken("GROUP-6", "inner-groups-deleted-with-their-group")
class InnerGroupsDeleted(Correct):
    """Deletes the groups within a group that is deleted."""

    def delete_group(self, group_id: Any) -> None:
        """Delete inner groups first."""
        for member in members_of(self, group_id):
            if member[1] is not None:
                self.link.delete(self.group_key(member[0][0]))
        super().delete_group(group_id)


@broken("GROUP-6", "groups-of-like-names-deleted")
class LikeNamesDeleted(Correct):
    """Deletes with a group all groups whose ids begin with its id."""

    def delete_group(self, group_id: Any) -> None:
        """Delete what begins so and goes on with a dot."""
        key = self.group_key(self.normal_group_id(group_id))
        with self.link.server.lock:
            for other in [other for other in self.link.server.data if key.endswith(".") and other.startswith(key)]:
                del self.link.server.data[other]
        super().delete_group(group_id)


# -- several clients -------------------------------------------------------------------------------


@broken("GROUP-7", "delete-then-insert")
class DeleteThenInsert(Correct):
    """Deletes a group before saving it again, so that for a moment it does not exist."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Take two steps."""
        self.link.delete(self.group_key(group_id))
        time.sleep(0.0005)
        super().put_group(group_id, payload)


@broken("GROUP-7", "look-then-insert")
class LookThenInsert(Correct):
    """Checks whether a group exists, then inserts it, and raises if another client has inserted it in between."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Take two steps."""
        there = self.link.get(self.group_key(group_id)) is not None
        time.sleep(0.0005)
        if not self.link.put(self.group_key(group_id), payload, lambda _: not there):
            raise RuntimeError("UNIQUE constraint failed: celery_tasksetmeta.taskset_id")


@broken("GROUP-7", "members-saved-one-by-one")
class MembersOneByOne(Correct):
    """Saves a group in several steps, a part of its members in each."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Take several steps."""
        head, members = self.load_group(payload, group_id)
        there: list[Any] = []
        for part in itertools.batched(members, 30) if hasattr(itertools, "batched") else [members[:30], members[30:]]:
            there += part
            super().put_group(group_id, self.dump_group({"result": [head, there]}))
            time.sleep(0.0005)
        super().put_group(group_id, payload)


# -- ids -------------------------------------------------------------------------------------------


class OtherGroupIds(Correct):
    """Makes another id of a group id."""

    def group_key(self, group_id: str) -> str:
        """Return the key of the other id."""
        return super().group_key(self.other_id(group_id))

    def other_id(self, group_id: str) -> str:
        """Return another id."""
        return group_id


@broken("GROUP-8", "case-of-group-ids-folded", classes=WITHOUT_KEYS)
class GroupIdsFolded(OtherGroupIds):
    """Takes group ids that differ in case for the same, as many a collation does."""

    def other_id(self, group_id: str) -> str:
        """Return the id in lower case."""
        return group_id.lower()


@broken("GROUP-8", "blanks-of-group-ids-stripped", classes=WITHOUT_KEYS)
class GroupIdsStripped(OtherGroupIds):
    """Ignores blanks around a group id."""

    def other_id(self, group_id: str) -> str:
        """Return the id without blanks around it."""
        return group_id.strip()


@broken("GROUP-8", "group-ids-cut", classes=WITHOUT_KEYS)
class GroupIdsCut(OtherGroupIds):
    """Cuts group ids at 155 characters."""

    def other_id(self, group_id: str) -> str:
        """Return the beginning of the id."""
        return group_id[: DOMAINS.id_max_length]


@broken("GROUP-8", "group-ids-of-100", also=["GROUP-4", "GROUP-17"])
class GroupIdsOf100(Correct):
    """Refuses group ids of more than 100 characters."""

    def normal_group_id(self, group_id: Any) -> str:
        """Insist on a short one."""
        text = super().normal_group_id(group_id)
        if len(text) > 100:
            raise ValueError("a group id has at most 100 characters")
        return text


@broken("GROUP-8", "group-ids-are-patterns")
class GroupIdsArePatterns(Correct):
    """Deletes all groups that an id with an asterisk matches as a pattern."""

    def delete_group(self, group_id: Any) -> None:
        """Match."""
        key = self.group_key(self.normal_group_id(group_id))
        with self.link.server.lock:
            for other in fnmatch.filter(list(self.link.server.data), key) if "*" in key else ():
                del self.link.server.data[other]
        super().delete_group(group_id)


@broken("GROUP-9", "groups-without-an-id-saved")
class NoGroupIdTaken(Correct):
    """Takes the text of whatever it is given for a group id."""

    def normal_group_id(self, group_id: Any) -> str:
        """Make a text."""
        return str(group_id)


@broken("GROUP-9", "groups-without-an-id-are-absent")
class NoGroupIdIsAbsent(Correct):
    """Answers that no group exists when asked for one without an id."""

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Return nothing for nothing."""
        return super().restore_group(group_id, cache) if group_id else None


@broken("GROUP-10", "uuid-of-a-group-refused")
class GroupUuidRefused(Correct):
    """Refuses UUIDs as group ids."""

    def normal_group_id(self, group_id: Any) -> str:
        """Insist on text."""
        if isinstance(group_id, uuid.UUID):
            raise TypeError("a group id is text")
        return super().normal_group_id(group_id)


@broken("GROUP-10", "uuid-of-a-group-in-hexadecimal", classes=WITHOUT_KEYS)
class GroupUuidHexadecimal(Correct):
    """Takes the 32 digits of a UUID for its text where a group is read."""

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Read by the digits."""
        return super().restore_group(group_id.hex if isinstance(group_id, uuid.UUID) else group_id, cache)


@broken("GROUP-24", "one-cache-for-tasks-and-groups", also=["READ-9"])
class OneCache(Correct):
    """Has one cache for tasks and groups, as Celery does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.group_cache = self.cache  # type: ignore[assignment]

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Return what the cache has, whatever it is."""
        if cache and isinstance(self.group_cache.get(group_id), dict):
            return self.group_cache[group_id]["result"]  # type: ignore[call-overload, no-any-return]
        return super().find_group(group_id, cache)


@broken(
    "GROUP-11", "one-namespace-for-tasks-and-groups", classes=WITHOUT_KEYS, also=["GROUP-12", "GROUP-19", "GROUP-20"]
)
class OneNamespace(Correct):
    """Keeps groups under the keys of tasks."""

    def group_key(self, group_id: str) -> str:
        """Return the key of a task."""
        return self.key(group_id)


@broken("GROUP-25", "endings-of-chords-taken")
class EndingsTaken(Correct):
    """Saves a group under an id that ends as the keys of chords do."""

    def check_ending(self, group_id: str) -> None:
        """Take any."""


@broken("GROUP-25", "endings-of-chords-refused-as-types")
class EndingsAreTypes(Correct):
    """Refuses a group id that ends as the keys of chords do, but not with ValueError."""

    def check_ending(self, group_id: str) -> None:
        """Raise TypeError."""
        if group_id.endswith(CHORD_SUFFIXES):
            raise TypeError("not as the keys of chords do")


class _ChordsBesideGroups(Correct):
    """Keeps what it counts under the key of the group with an ending."""

    def step(self, group_id: str, change: Any, sent: int = 100) -> Any:
        """Change the record under another key."""
        key = self.group_key(f"{group_id}.c")
        return self.steadily(lambda: self.link.change(key, change, self.life_of_chord, sent))


@broken("GROUP-12", "bookkeeping-of-chords-deleted")
class BookkeepingDeleted(_ChordsBesideGroups):
    """Deletes what a chord keeps under the id that it is given as that of a group."""

    def delete_group(self, group_id: Any) -> None:
        """Remove the key, whatever it is."""
        super().delete_group(group_id)
        self.link.delete(self.group_key(self.normal_group_id(group_id)))


@broken("GROUP-12", "group-saved-over-the-bookkeeping-of-a-chord", also=["GROUP-7"])
class BookkeepingReplaced(_ChordsBesideGroups):
    """Saves a group under the key at which a chord is counted, as Celery's Redis backend does."""

    def check_ending(self, group_id: str) -> None:
        """Take any."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Remove what is there first."""
        self.link.delete(self.group_key(group_id))
        super().put_group(group_id, payload)
