"""Backends that break chapter 11: the cache of groups, their keys and bytes, and disabled backends."""

import json
from collections.abc import Mapping
from typing import Any

from resultspec_conformance.broken.baseline.disabled import CorrectDisabled
from resultspec_conformance.broken.baseline.server import GROUP_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import broken

# -- the cache -------------------------------------------------------------------------------------


class Remembers(Correct):
    """Has a second look at its cache of groups after an operation."""

    def keep_cached(self, group_id: Any, step: Any) -> None:
        """Take a step that leaves the cache as it was."""
        text = self.normal_group_id(group_id)
        held = self.group_cache.get(text)
        step()
        if held is not None:
            self.group_cache[text] = held


@broken("GROUP-13", "saving-leaves-the-cached-group")
class SavingLeavesCache(Remembers):
    """Restores the cached group even after saving another one, as Celery does."""

    def save_group(self, group_id: Any, result: Any) -> None:
        """Save past the cache."""
        self.keep_cached(group_id, lambda: super(SavingLeavesCache, self).save_group(group_id, result))


@broken("GROUP-13", "deleting-leaves-the-cached-group")
class DeletingLeavesCache(Remembers):
    """Restores the cached group even after deleting it."""

    def delete_group(self, group_id: Any) -> None:
        """Delete past the cache."""
        self.keep_cached(group_id, lambda: super(DeletingLeavesCache, self).delete_group(group_id))


@broken("GROUP-13", "absence-of-a-group-cached")
class AbsenceCached(Correct):
    """Caches what `reload_group_result` finds, a missing group too, as Celery does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.absent_groups: set[str] = set()

    def reload_group_result(self, group_id: Any) -> None:
        """Remember what is not there."""
        super().reload_group_result(group_id)
        text = self.normal_group_id(group_id)
        if self.max_cached >= 0 and text not in self.group_cache:
            self.absent_groups.add(text)

    def save_group(self, group_id: Any, result: Any) -> None:
        """It is there now."""
        self.absent_groups.discard(self.normal_group_id(group_id))
        super().save_group(group_id, result)

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Return nothing where nothing was."""
        return None if cache and group_id in self.absent_groups else super().find_group(group_id, cache)


@broken("GROUP-14", "cache-false-is-ignored-for-groups")
class CacheFalseIgnoredForGroups(Correct):
    """Answers from its cache of groups even when asked not to."""

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Look into the cache."""
        return super().find_group(group_id, cache=True)


@broken("GROUP-14", "reload-keeps-the-cached-group")
class ReloadKeepsGroup(Correct):
    """Always trusts its cache, so that `reload_group_result` reads nothing."""

    def reload_group_result(self, group_id: Any) -> None:
        """Read the store where the cache has nothing."""
        self.find_group(self.normal_group_id(group_id), cache=True)


@broken("GROUP-15", "cached-group-handed-out")
class CachedGroupHandedOut(Correct):
    """Returns the list in its cache itself, as Celery does."""

    def own_group(self, group: list[Any]) -> list[Any]:
        """Return the group itself."""
        return group


@broken("GROUP-15", "members-of-a-cached-group-handed-out")
class MembersHandedOut(Correct):
    """Copies the list in its cache, but not the items in it."""

    def own_group(self, group: list[Any]) -> list[Any]:
        """Return a copy of the list."""
        return list(group)


@broken("GROUP-16", "group-meta-without-parents")
class MetaWithoutParents(Correct):
    """Leaves the parent of a group out of its meta."""

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Return the group without its parent."""
        found = super().get_group_meta(group_id, cache)
        return None if found is None else {"result": [[found["result"][0][0], None], found["result"][1]]}


# -- keys and values -------------------------------------------------------------------------------


@broken("GROUP-17", "groups-under-another-key", also=["GROUP-12", "GROUP-19", "GROUP-20"])
class AnotherKey(Correct):
    """Keeps groups under keys that begin otherwise."""

    def group_key(self, group_id: str) -> str:
        """Return another key."""
        return super().group_key(group_id).replace(GROUP_KEY_PREFIX, "celery-group-meta-", 1)


@broken("GROUP-17", "groups-without-the-prefix", also=["KEY-8"])
class WithoutPrefix(Correct):
    """Puts the global prefix before the keys of tasks and not before those of groups."""

    def group_key(self, group_id: str) -> str:
        """Return the bare key."""
        return GROUP_KEY_PREFIX + group_id


@broken("GROUP-17", "groups-have-an-index")
class GroupsHaveIndex(Correct):
    """Keeps the number of members under a key of its own."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Write two keys."""
        super().put_group(group_id, payload)
        self.link.put(self.group_key(group_id) + ".size", b"1", lambda _: False)


@broken("GROUP-18", "groups-in-the-older-form")
class OlderForm(Correct):
    """Writes a group without a parent as Celery did until 4.2."""

    def dump_group(self, entry: Mapping[str, Any]) -> bytes:
        """Write the bare id."""
        (group_id, parent), members = entry["result"]
        return super().dump_group({"result": [group_id, members]} if parent is None else entry)


@broken("GROUP-18", "groups-as-text")
class GroupsAsText(Correct):
    """Writes the result tuple as a text in json, and reads it again."""

    def dump_group(self, entry: Mapping[str, Any]) -> bytes:
        """Encode twice."""
        return super().dump_group({"result": json.dumps(entry["result"])})

    def shape_group(self, found: Any) -> list[Any]:
        """Decode twice."""
        if isinstance(found, Mapping) and isinstance(found.get("result"), str):
            return super().shape_group({"result": json.loads(found["result"])})
        return super().shape_group(found)


@broken("GROUP-19", "older-groups-refused")
class OlderGroupsRefused(Correct):
    """Does not read groups in the form that Celery wrote until 4.2."""

    def shape_group(self, found: Any) -> list[Any]:
        """Insist on a list of id and parent."""
        if isinstance(found, Mapping) and found.get("result") and isinstance(found["result"][0], str):
            raise ValueError("an older form")
        return super().shape_group(found)


@broken("GROUP-19", "members-of-an-entry-refused")
class UnknownMembersRefused(Correct):
    """Does not read the entry of a group with an unknown member."""

    def shape_group(self, found: Any) -> list[Any]:
        """Insist on one member."""
        if isinstance(found, Mapping) and set(found) != {"result"}:
            raise ValueError("unknown members")
        return super().shape_group(found)


@broken("GROUP-20", "damaged-group-is-null")
class DamagedGroupIsNull(Correct):
    """Reports a group that it cannot decode as absent."""

    def read_group(self, group_id: str) -> list[Any] | None:
        """Return nothing for what cannot be read."""
        try:
            return super().read_group(group_id)
        except DecodeError:
            return None


@broken("GROUP-22", "damaged-group-without-a-name")
class DamagedGroupUnnamed(Correct):
    """Does not say which group cannot be decoded."""

    def undecodable(self, group_id: str, error: Exception) -> Exception:
        """Return an error without the id."""
        return DecodeError("the entry of the group cannot be decoded")


@broken("GROUP-22", "damaged-group-raises-whatever")
class DamagedGroupRaises(Correct):
    """Raises whatever taking a damaged group apart raises, as Celery does."""

    def undecodable(self, group_id: str, error: Exception) -> Exception:
        """Return the error itself."""
        return error


@broken("GROUP-23", "result-of-a-task-taken-for-a-group")
class TaskTakenForGroup(Correct):
    """Restores the result tuple of a task as a group without members."""

    def check_group(self, group: list[Any]) -> list[Any]:
        """Take it for an empty group."""
        return [group[0], group[1] or []]


@broken("GROUP-20", "damaged-group-is-not-replaced")
class DamagedGroupStays(Correct):
    """Reads the existing group before saving one, and fails if that cannot be decoded."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Read first."""
        self.read_group(group_id)
        super().put_group(group_id, payload)


# -- the disabled backend --------------------------------------------------------------------------


@broken("GROUP-21", "disabled-restores-nothing")
class DisabledRestoresNothing(CorrectDisabled):
    """Reports every group as not saved."""

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Say that there is none."""
        return None


@broken("GROUP-21", "disabled-saves-groups")
class DisabledSavesGroups(CorrectDisabled):
    """Accepts a group without saving it."""

    def save_group(self, group_id: Any, result: Any) -> Any:
        """Return it."""
        return result


@broken("GROUP-21", "disabled-cannot-find-the-method-for-groups")
class DisabledHasNoMethod(CorrectDisabled):
    """Fails with AttributeError about a private name, as Celery does."""

    def delete_group(self, group_id: Any) -> Any:
        """Fail as a missing method does."""
        raise AttributeError("'DisabledBackend' object has no attribute '_delete_group'")
