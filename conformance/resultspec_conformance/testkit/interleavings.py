"""All interleavings of a few atomic steps: a search through every state that a protocol can get into.

A protocol is given as data: a first state, and a function that returns every step that can be taken from a state, with
the state it leads to. States are hashable and belong to nobody, so a state that was reached in two ways is looked at
once, and two or three processes of some steps each are searched through in well under a second. The search goes
breadth first: a counterexample has no step too many.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)

MAX_STATES = 500_000
"""How many states a search may meet: more than that is a protocol with a counter that never stops."""


class TooManyStates(Exception):
    """A protocol that has more states than a search can look at."""


@dataclass(frozen=True)
class Exploration(Generic[State]):
    """What a search found.

    `complaint` is what is wrong with the last of `states`, empty if nothing is wrong with any; `steps` lead there
    from the first. `visited` counts the states that were looked at, `end_states` those from which no step leads on.
    """

    visited: int
    end_states: int
    complaint: str = ""
    steps: tuple[str, ...] = ()
    states: tuple[State, ...] = ()

    def __str__(self) -> str:
        if not self.complaint:
            return f"no violation in {self.visited} states, {self.end_states} of them ends"
        return "\n".join([self.complaint, *(f"  {number}. {step}" for number, step in enumerate(self.steps, start=1))])


def explore(
    first: State,
    steps_from: Callable[[State], Iterable[tuple[str, State]]],
    wrong: Callable[[State, bool], str | None],
) -> Exploration[State]:
    """Look at every state that can be reached; return the first in which something is wrong, and the way there.

    `wrong` is asked of each state, and whether it is an end, and returns what is wrong with it, or None. Raises
    TooManyStates.
    """
    came_from: dict[State, tuple[str, State] | None] = {first: None}
    left = deque([first])
    end_states = 0
    while left:
        state = left.popleft()
        following = list(steps_from(state))
        end_states += not following
        complaint = wrong(state, not following)
        if complaint:
            steps, states = _path_to(came_from, state)
            return Exploration(len(came_from), end_states, complaint, steps, states)
        for step, reached in following:
            if reached not in came_from:
                came_from[reached] = (step, state)
                left.append(reached)
        if len(came_from) > MAX_STATES:
            raise TooManyStates(f"the protocol has more than {MAX_STATES} states")
    return Exploration(len(came_from), end_states)


def _path_to(
    came_from: dict[State, tuple[str, State] | None], state: State
) -> tuple[tuple[str, ...], tuple[State, ...]]:
    """Return the steps from the first state to one, and the states on the way."""
    steps, states = [], [state]
    while (origin := came_from[states[-1]]) is not None:
        steps.append(origin[0])
        states.append(origin[1])
    return tuple(reversed(steps)), tuple(reversed(states))
