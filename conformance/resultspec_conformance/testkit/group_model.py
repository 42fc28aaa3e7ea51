"""The oracle of groups: what is saved under each id, and what the cache of each client may still hold. Pure.

A cache may lose its content at any time, so a read through a cache is correct if it returns what
is saved or what the cache may hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resultspec_conformance.wire.values import Value

ClientGroup = tuple[str, str]
"""A client and a group id."""


@dataclass
class GroupModel:
    """What is known about groups from a sequence of operations; methods change only this knowledge.

    `caching`: the clients that have a cache. `saved`: the current group, by id; `all_saved`: all groups that were saved
    under the id. `held`: what the cache of a client may hold for a group; `dropped`: the requirement by which this
    client's cache has lost its content. `absent`: the pairs for which the last read found no group.
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
        stored = self.saved.get(group_id)
        self._drop((client, group_id), "GROUP-14", [] if stored is None else [stored])
        if stored is None:
            self.absent.add((client, group_id))

    def _drop(self, key: ClientGroup, rule: str, held: list[Value]) -> None:
        self.held[key] = held
        self.dropped[key] = rule
        self.absent.discard(key)

    def allowed(self, client: str, group_id: str, *, cached: bool) -> list[Value]:
        """Return what a read may return, None for no group; `cached`: whether it may come from a cache."""
        stored = [self.saved.get(group_id)]
        return stored + [group for group in self.held.get((client, group_id), []) if cached and group not in stored]

    def read(
        self, client: str, group_id: str, found: Value, *, cached: bool, alone: Callable[[Value], Value] | None = None
    ) -> str | None:
        """A read returned a group or None. Return the requirement that this violates, or None; narrow what is held.

        `alone` returns what is restored of a group that was saved only once, as if under this id: if that is the same,
        it is not a matter of other groups.
        """
        key = (client, group_id)
        if found not in self.allowed(client, group_id, cached=cached):
            return self._blame(key, found, cached, alone)
        if cached:
            self.held[key] = [] if found is None else [found]
            (self.absent.add if found is None else self.absent.discard)(key)
        elif found is not None:
            self.held.setdefault(key, []).append(found)
        return None

    def _blame(self, key: ClientGroup, found: Value, cached: bool, alone: Callable[[Value], Value] | None) -> str:
        """Return the requirement that a read violates if it returns what is neither saved nor held."""
        stored, all_saved = self.saved.get(key[1]), self.all_saved.get(key[1], [])
        if not cached and key[0] in self.caching and found in self.held.get(key, []):
            return "GROUP-14"
        if cached and found is None and key in self.absent:
            return "GROUP-13"
        if cached and key in self.dropped and found is not None and found in all_saved:
            return self.dropped[key]
        if stored is not None and alone is not None and alone(stored) == found:
            return self.rule(stored, [stored])
        return self.rule(stored, all_saved)

    def rule(self, stored: Value, all_saved: Sequence[Value]) -> str:
        """Return the requirement that decides what is stored now, after everything that was saved."""
        if stored is None:
            return "GROUP-6" if all_saved else "GROUP-4"
        if len(all_saved) > 1:
            return "GROUP-5"
        return "GROUP-1" if stored[1] else "GROUP-2"

    def expectation(self, group_id: str) -> str:
        """Return the requirement that decides what is stored for a group now."""
        return self.rule(self.saved.get(group_id), self.all_saved.get(group_id, []))
