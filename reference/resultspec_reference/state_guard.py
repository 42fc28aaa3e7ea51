"""The guard: the decision whether an arriving entry takes the place of the one that is there."""

import functools
from collections.abc import Callable

from resultspec import STATES
from resultspec_reference.states import LateUnready, replaces


class Guard:
    """Decides for one arriving entry, by the bytes that are there.

    `arrives` is its state. `state_of` gives the state of an entry's bytes, None if they cannot be read:
    an entry that nobody can read is replaced (VALUE-7).
    """

    def __init__(self, arrives: str, late_unready: LateUnready, state_of: Callable[[bytes], str | None]) -> None:
        self._arrives = arrives
        self._late_unready = late_unready
        self._state_of = state_of

    def allows(self, there: bytes | None) -> bool:
        """Whether the arriving entry takes the place of these bytes. Depends on nothing but them."""
        state = None if there is None else self._state_of(there)
        return replaces(state, self._arrives, self._late_unready)

    @property
    def kept(self) -> frozenset[str]:
        """The states that the arriving entry does not replace, for a store that can look for itself.

        A store may replace an entry in any other state without asking. An entry in one of these it has to
        show to `allows`, since it may be unreadable for all that.
        """
        return _kept(self._arrives, self._late_unready)


@functools.lru_cache(maxsize=256)
def _kept(arrives: str, late_unready: LateUnready) -> frozenset[str]:
    named = (*STATES.named, *STATES.reserved)
    return frozenset(state for state in named if not replaces(state, arrives, late_unready))
