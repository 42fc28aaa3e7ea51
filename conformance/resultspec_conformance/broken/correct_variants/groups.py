"""Correct backends that do things differently with groups."""

import datetime as dt
import urllib.parse
from collections.abc import Mapping
from typing import Any

from resultspec import DOMAINS
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import variation


class Handle:
    """A task or group, as Celery's results are: with a method that makes a result tuple of tuples and lists."""

    def __init__(self, result_tuple: Any) -> None:
        (self.id, parent), members = result_tuple
        self.parent = None if parent is None else Handle(parent)
        self.results = None if members is None else [Handle(member) for member in members]

    def as_tuple(self) -> Any:
        """Return the result tuple."""
        members = None if self.results is None else [member.as_tuple() for member in self.results]
        return (self.id, None if self.parent is None else self.parent.as_tuple()), members


@variation("groups-as-handles")
class GroupsAsHandles(Correct):
    """Restores a group as an object with `as_tuple()`, as Celery does."""

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Return a handle."""
        found = super().restore_group(group_id, cache)
        return None if found is None else Handle(found)

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Return a map with a handle."""
        found = super().get_group_meta(group_id, cache)
        return None if found is None else {"result": Handle(found["result"])}


@variation("saved-groups-cached")
class SavedGroupsCached(Correct):
    """Caches a group not only when it is restored, but also when it is saved."""

    def save_group(self, group_id: Any, result: Any) -> None:
        """Save, then cache."""
        super().save_group(group_id, result)
        self.remember_group(self.normal_group_id(group_id), self.tuple_of(result))


@variation("groups-have-dates")
class GroupsHaveDates(Correct):
    """Keeps the instant at which a group was saved, and additional members with the group."""

    def dump_group(self, entry: Mapping[str, Any]) -> bytes:
        """Add members."""
        return super().dump_group({"x_revision": 7, **entry, "date_done": dt.datetime.now(dt.UTC).isoformat()})

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Return an instant, too."""
        found = super().get_group_meta(group_id, cache)
        return None if found is None else {**found, "date_done": dt.datetime.now(dt.UTC), "x_revision": 7}


@variation("endings-of-chords-refused-everywhere")
class EndingsRefusedEverywhere(Correct):
    """Refuses an id with the ending of a chord's key in every operation on groups."""

    def normal_group_id(self, group_id: Any) -> str:
        """Refuse it."""
        text = super().normal_group_id(group_id)
        self.check_ending(text)
        return text


@variation("group-ids-in-the-portable-domain-only")
class PortableGroupIdsOnly(Correct):
    """Refuses every group id outside the portable domain."""

    def normal_group_id(self, group_id: Any) -> str:
        """Refuse what is not portable."""
        text = super().normal_group_id(group_id)
        if not DOMAINS.has_id(text):
            raise ValueError("this store takes group ids of the portable domain only")
        return text


@variation("group-ids-percent-encoded", classes=("core", "waiting", "atomic", "groups"))
class GroupIdsPercentEncoded(Correct):
    """Percent-encodes a group id outside the portable domain, as a store of files can."""

    def group_key(self, group_id: str) -> str:
        """Return an encoded key."""
        return super().group_key(urllib.parse.quote(group_id, safe="-_.:~", errors="surrogatepass"))


@variation("groups-are-published")
class GroupsPublished(Correct):
    """Publishes a saved group, as Celery's Redis backend does."""

    def put_group(self, group_id: str, payload: bytes) -> None:
        """Save, then publish."""
        super().put_group(group_id, payload)
        self.link.publish(self.group_key(group_id), payload)
