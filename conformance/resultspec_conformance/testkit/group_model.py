"""The oracle of groups: what is saved under each id, and what the cache of each client may still hold. Pure.

A cache may lose what it holds at any time, so a read through one is right if it gives what is saved or what may be
held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from resultspec_conformance.wire.values import Value

ClientGroup = tuple[str, str]
"""A client and a group id."""


@dataclass
class GroupModel:
    """Groups as far as they are known from a sequence of operations; every method changes the knowledge only.

    `caching`: the clients that have a cache. `saved`: the group that is there, by id; `all_saved`: all that were saved
    under the id. `held`: what the cache of a client may hold of a group; `dropped`: the requirement by which this
    client's cache has lost what it held.
    `absent`: whether the client has found no group since it last found one.
    """

    caching: frozenset[str] = frozenset()
    saved: dict[str, Value] = field(default_factory=dict)
    all_saved: dict[str, list[Value]] = field(default_factory=dict)
    held: dict[ClientGroup, list[Value]] = field(default_factory=dict)
    dropped: dict[ClientGroup, str] = field(default_factory=dict)
    absent: set[ClientGroup] = field(default_factory=set)

    def save(self, client: str, group_id: str, group: Value) -> None:
        """A client has saved a group: its cache holds that one, or nothing."""
        self.saved[group_id] = group
        self.all_saved.setdefault(group_id, []).append(group)
        self._drop((client, group_id), "GROUP-13", [group])

    def delete(self, client: str, group_id: str) -> None:
        """A client has deleted a group."""
        self.saved.pop(group_id, None)
        self._drop((client, group_id), "GROUP-13", [])

    def reload(self, client: str, group_id: str) -> None:
        """A client has reloaded a group."""
        there = self.saved.get(group_id)
        self._drop((client, group_id), "GROUP-14", [] if there is None else [there])
        if there is None:
            self.absent.add((client, group_id))

    def _drop(self, key: ClientGroup, rule: str, held: list[Value]) -> None:
        self.held[key] = held
        self.dropped[key] = rule
        self.absent.discard(key)

    def allowed(self, client: str, group_id: str, *, cached: bool) -> list[Value]:
        """Return what a read may give, None for no group; `cached`: whether it may come out of a cache."""
        there = [self.saved.get(group_id)]
        return there + [group for group in self.held.get((client, group_id), []) if cached and group not in there]

    def read(self, client: str, group_id: str, found: Value, *, cached: bool) -> str | None:
        """A read gave a group or None. Returns the requirement that this breaks, or None, and narrows what is held."""
        key = (client, group_id)
        if found not in self.allowed(client, group_id, cached=cached):
            return self._blame(key, found, cached)
        if cached:
            self.held[key] = [] if found is None else [found]
            (self.absent.add if found is None else self.absent.discard)(key)
        elif found is not None:
            self.held.setdefault(key, []).append(found)
        return None

    def _blame(self, key: ClientGroup, found: Value, cached: bool) -> str:
        """Return the requirement that a read breaks which gives what is neither saved nor held."""
        there, all_saved = self.saved.get(key[1]), self.all_saved.get(key[1], [])
        if not cached and key[0] in self.caching and found in self.held.get(key, []):
            return "GROUP-14"
        if cached and found is None and key in self.absent:
            return "GROUP-13"
        if cached and key in self.dropped and found is not None and found in all_saved:
            return self.dropped[key]
        return self.rule(there, all_saved)

    def rule(self, there: Value, all_saved: Sequence[Value]) -> str:
        """Return the requirement that decides what is there now, after all that was saved."""
        if there is None:
            return "GROUP-6" if all_saved else "GROUP-4"
        if len(all_saved) > 1:
            return "GROUP-5"
        return "GROUP-1" if there[1] else "GROUP-2"

    def expectation(self, group_id: str) -> str:
        """Return the requirement that decides what a store has for a group now."""
        return self.rule(self.saved.get(group_id), self.all_saved.get(group_id, []))
