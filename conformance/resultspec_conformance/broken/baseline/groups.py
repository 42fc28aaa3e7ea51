"""The groups of the small correct backend: saving, restoring and deleting them, and a cache of their own.

Ids, bytes and prefix are those of a plain core of its own, so that a broken backend which differs in tasks does not
differ in groups.
"""

from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec_conformance.broken.baseline.core import CorrectCore, DecodeError
from resultspec_conformance.broken.baseline.server import GROUP_KEY_PREFIX, Server

CHORD_SUFFIXES = (".j", ".t", ".s", ".d", ".c")


class WithGroups(CorrectCore):
    """A correct client of a server, as far as groups go; in `Correct` it stands next to the core."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.plain = CorrectCore(Server(), *args[1:], **options)
        self.group_cache: dict[str, list[Any]] = {}

    # -- ids and entries -----------------------------------------------------------------------

    def normal_group_id(self, group_id: Any) -> str:
        """Return the text of a group id. Raises TypeError, ValueError."""
        return self.plain.normal_id(group_id)

    def check_ending(self, group_id: str) -> None:
        """Refuse an id that ends as the keys of chords do. Raises ValueError."""
        if group_id.endswith(CHORD_SUFFIXES):
            raise ValueError("a group id does not end as the keys of chords do")

    def group_key(self, group_id: str) -> str:
        """Return the key of a group."""
        return self.plain.prefix + GROUP_KEY_PREFIX + group_id

    def dump_group(self, entry: Mapping[str, Any]) -> bytes:
        """Return an entry in the serializer."""
        return self.plain.serialize(entry)

    def load_group(self, payload: bytes, group_id: str) -> list[Any]:
        """Return the result tuple that a payload holds. Raises DecodeError, ContentDisallowed."""
        try:
            return self.shape_group(self.plain.parse(self.plain.decompress(payload)))
        except ContentDisallowed:
            raise
        except Exception as error:
            raise self.undecodable(group_id, error) from error

    def undecodable(self, group_id: str, error: Exception) -> Exception:
        """Return the error for an entry that cannot be decoded."""
        return DecodeError(f"the entry of group {group_id} cannot be decoded: {error}")

    def shape_group(self, found: Any) -> list[Any]:
        """Return the result tuple of an entry in the form of today. Raises ValueError where there is none."""
        if not isinstance(found, Mapping) or "result" not in found:
            raise ValueError("it is not a map with a result")
        return self.check_group(self.plain.check_child(found["result"]))

    def check_group(self, group: list[Any]) -> list[Any]:
        """Return the result tuple of a group. Raises ValueError for that of a task."""
        if group[1] is None:
            raise ValueError("it is the result tuple of a task")
        return group

    def tuple_of(self, result: Any) -> Any:
        """Return the result tuple of a handle."""
        return self.plain.check_child(result.as_tuple())

    # -- the operations ------------------------------------------------------------------------

    def save_group(self, group_id: Any, result: Any) -> None:
        """Save a group."""
        group_id = self.normal_group_id(group_id)
        self.check_ending(group_id)
        self.group_cache.pop(group_id, None)
        self.put_group(group_id, self.dump_group({"result": self.tuple_of(result)}))

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Replace the stored payload."""
        self.plain.steadily(lambda: self.link.put(self.group_key(group_id), payload, lambda _: False, publish=False))

    def delete_group(self, group_id: Any) -> None:
        """Remove a group."""
        group_id = self.normal_group_id(group_id)
        self.group_cache.pop(group_id, None)
        if not group_id.endswith(CHORD_SUFFIXES):
            self.plain.steadily(lambda: self.link.delete(self.group_key(group_id)))

    def read_group(self, group_id: str) -> list[Any] | None:
        """Return the group in the store, or None."""
        if group_id.endswith(CHORD_SUFFIXES):
            return None
        payload = self.plain.steadily(lambda: self.link.get(self.group_key(group_id)))
        return None if payload is None else self.load_group(payload, group_id)

    def find_group(self, group_id: str, cache: bool) -> list[Any] | None:
        """Return a group out of the cache or the store."""
        if cache and group_id in self.group_cache:
            return self.own_group(self.group_cache[group_id])
        group = self.read_group(group_id)
        if group is None:
            return None
        if cache:
            self.remember_group(group_id, group)
        return self.own_group(group)

    def remember_group(self, group_id: str, group: list[Any]) -> None:
        """Put a group in the cache."""
        if self.max_cached >= 0:
            self.group_cache[group_id] = group

    def own_group(self, group: list[Any]) -> list[Any]:
        """Return a group that belongs to the caller."""
        own: list[Any] = self.plain.check_child(group)
        return own

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Return a group, or None."""
        return self.find_group(self.normal_group_id(group_id), cache)

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Return the entry of a group, or None."""
        group = self.find_group(self.normal_group_id(group_id), cache)
        return None if group is None else {"result": group}

    def reload_group_result(self, group_id: Any) -> None:
        """Read the store, past the cache."""
        group_id = self.normal_group_id(group_id)
        self.group_cache.pop(group_id, None)
        self.find_group(group_id, cache=True)
