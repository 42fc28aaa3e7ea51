"""The guard: decides whether an arriving entry replaces the stored one."""

import functools
from collections.abc import Callable

from resultspec import STATES
from resultspec_reference.states import LateUnready, replaces


class Guard:
    """Decides for one arriving entry, by the stored bytes.

    `arrives` is its state. `state_of` returns the state of a stored entry, or None if it cannot be read:
    an unreadable entry is replaced (VALUE-7).
    """

    def __init__(self, arrives: str, late_unready: LateUnready, state_of: Callable[[bytes], str | None]) -> None:
        self._arrives = arrives
        self._late_unready = late_unready
        self._state_of = state_of

    def allows(self, stored: bytes | None) -> bool:
        """Whether the arriving entry replaces the stored bytes. Depends on nothing but them."""
        state = None if stored is None else self._state_of(stored)
        return replaces(state, self._arrives, self._late_unready)

    @property
    def kept(self) -> frozenset[str]:
        """The states that the arriving entry does not replace, for a store that knows the state of its entries.

        A store may replace an entry in any other state without calling `allows`. For an entry in one of these it has
        to call `allows`, since the entry may be unreadable nevertheless.
        """
        return _kept(self._arrives, self._late_unready)


@functools.lru_cache(maxsize=256)
def _kept(arrives: str, late_unready: LateUnready) -> frozenset[str]:
    named = (*STATES.named, *STATES.reserved)
    return frozenset(state for state in named if not replaces(state, arrives, late_unready))
