"""All interleavings of a few atomic steps: a search through every state that a protocol can reach.

A protocol is data: a first state, and a function that returns every possible step from a state, with
the state it leads to. States are hashable and immutable, so a state that was reached in two ways is visited
once, and a search over two or three processes of some steps each takes well under a second. The search is
breadth-first, so a counterexample is as short as possible.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)

MAX_STATES = 500_000
"""The number of states that a search may visit: with more, the protocol has a counter that never stops."""


class TooManyStates(Exception):
    """The protocol has more states than a search can visit."""


@dataclass(frozen=True)
class Exploration(Generic[State]):
    """The result of a search.

    `complaint` says what is wrong with the last of `states`, and is empty if every state is correct; `steps` lead there
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
    """Visit every reachable state; return the first wrong one, and the path to it.

    `wrong(state, is_end)` returns what is wrong with a state, or None. Raises TooManyStates.
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
    """Return the steps from the first state to another one, and the states on that path."""
    steps, states = [], [state]
    while (origin := came_from[states[-1]]) is not None:
        steps.append(origin[0])
        states.append(origin[1])
    return tuple(reversed(steps)), tuple(reversed(states))
