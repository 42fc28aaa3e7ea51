"""The theory of joining many tasks, without clock, thread or socket.

A join is a wait for the last of its ids, so its phases, its deadline and its losses are those of
`resultspec_reference.waiting.machine`; read that first. Four things are its own:

* **Remaining ids.** An id remains until it is yielded. A yielded id is never read again, so each id is yielded once.
* **Read before subscribing.** Most joins begin when many tasks are ready already, and a subscription to each of 100,000
  channels is expensive. So a join reads all its ids, yields the ready ones, and only then subscribes to the remaining
  ones and reads these again, since they may have become ready in between. Then it is a wait: rest, read, rest.
* **What to read next.** A *pass* reads all remaining ids. A notification names the task that has changed, and a join
  reads only that one: a pass for each of 100,000 results would read 5,000,000,000 entries. But notifications get
  lost, so a pass is due one interval after the last one, however many notifications have come; and after every
  loss of a connection, since what happened while it was broken is unknown.
* **When to give up.** After a pass that began at or after the deadline, and left ids. The caller may take time
  between two items, and the deadline does not move: a caller that comes back after the deadline
  still gets, by that last pass, all ready tasks. `max_passes` ends a join without an error; the pass that
  directly follows a subscription does not count, since the caller has not waited in between.

A timeout of 0 or less is only the first read.

Rules: JOIN-1, JOIN-3, JOIN-6 to JOIN-9, JOIN-13 to JOIN-15.
"""

import math
from collections.abc import Iterable

from resultspec_reference.waiting.machine import Event, Phase, Terms, Wait


def passes(max_iterations: object) -> float:
    """Return the number of passes after which a join ends; infinite for None and 0.

    Raises TypeError for anything but an integer, ValueError for a negative one.
    """
    if max_iterations is None:
        return math.inf
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int):
        raise TypeError(f"max_iterations must be a whole number or None, not {type(max_iterations).__name__}")
    if max_iterations < 0:
        raise ValueError(f"max_iterations must not be negative: {max_iterations}")
    return max_iterations or math.inf


class Join(Wait):
    """One join. `left` has the ids that were not yielded yet, in their given order.

    `now` and `longest_rest` are those of `Wait`. The loop of a join does what `phase` says. In READING it reads
    the ids that `ask` returns, calls `found` and `changed`, and reports the event that `verdict` returns.
    """

    def __init__(
        self,
        task_ids: Iterable[str],
        terms: Terms,
        now: float,
        longest_rest: float = math.inf,
        max_passes: float = math.inf,
    ) -> None:
        super().__init__(terms, now, longest_rest)
        self.left = dict.fromkeys(task_ids)
        self._changed: dict[str, None] = {}
        self._passes_left = max_passes
        self._pass_due = -math.inf
        self._whole = True
        self._subscribed = False
        self._counts = True

    def ask(self, now: float) -> list[str]:
        """Return the ids to read in the round that begins now: all that remain, or those that have changed."""
        self._whole = now >= min(self._pass_due, self.deadline)
        asked = list(self.left if self._whole else self._changed)
        self._changed.clear()
        if self._whole:
            self._passes_left -= self._counts
            self._counts = True
        return asked

    def found(self, task_id: str) -> None:
        """Note that an id is yielded."""
        self.left.pop(task_id, None)

    def changed(self, task_ids: Iterable[str]) -> None:
        """Note that tasks have changed; tasks that were yielded or not joined are ignored."""
        self._changed.update((task_id, None) for task_id in task_ids if task_id in self.left)

    def verdict(self) -> Event:
        """Return the event to report after a round: READY if it was the last one."""
        return Event.READY if not self.left or self._passes_left <= 0 else Event.UNREADY

    def step(self, event: Event, now: float, began: float | None = None) -> Phase:
        """Apply an event, and return the next phase (`Wait.step`)."""
        following = super().step(event, now, began)
        if event is Event.BEGUN:
            following = Phase.READING
        elif event is Event.CALLED and not self._subscribed:
            following = Phase.SUBSCRIBING
        elif event is Event.UNREADY and self._whole:
            self._pass_due = now + self._pause
        elif event in (Event.SUBSCRIBED, Event.LOST):
            self._subscribed = event is Event.SUBSCRIBED
            self._pass_due, self._counts = -math.inf, False
        self.phase = following
        return following

    def rest(self, now: float) -> float:
        """Return the seconds to rest in RESTING and RECOVERING: until the deadline or the next pass at most."""
        pause = super().rest(now)
        return pause if self.phase is Phase.RECOVERING else min(pause, max(self._pass_due - now, 0.0))
