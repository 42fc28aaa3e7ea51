"""The theory of joining many tasks, without clock, thread or socket.

A join is a wait for the last of its ids, so its phases, its deadline and its losses are those of
`resultspec_reference.waiting.machine`; read that first. Four things are its own:

* **What is left.** An id is left until it was yielded. What was yielded is never asked for again, so each id is
  yielded once.
* **A look comes first.** Most joins begin when much is ready already, and a subscription to each of 100,000 channels
  is dear. So a join reads all its ids, yields what is ready, and only then subscribes to those that are left, and
  reads these again, since they may have become ready in between. From there on it is a wait: rest, read, rest.
* **What to ask next.** A *pass* reads all that is left. A notification names the task that has changed, and a join
  reads that one alone: a pass for each of 100,000 results would read 5,000,000,000 entries. But notifications get
  lost, so a pass is due one interval after the last one, however many notifications came meanwhile; and after every
  loss of a connection, since what happened while it was broken is unknown.
* **When to give up.** After a pass that began at the deadline or later, and left something. The caller takes time
  between two items, and it is the caller's clock that runs: whoever comes back late finds the deadline passed, and
  still gets, by that last pass, all that is ready. `max_passes` ends a join without an error; the pass that follows
  a subscription at once does not count, since no time has passed that the caller would have waited for.

A timeout of 0 or less is the look alone.

Rules: JOIN-1, JOIN-3, JOIN-6 to JOIN-9, JOIN-13 to JOIN-15.
"""

import math
from collections.abc import Iterable

from resultspec_reference.waiting.machine import Event, Phase, Terms, Wait


def passes(max_iterations: object) -> float:
    """Return after how many passes a join ends; infinite for None and 0.

    Raises TypeError for what is no whole number, ValueError for a negative one.
    """
    if max_iterations is None:
        return math.inf
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int):
        raise TypeError(f"max_iterations must be a whole number or None, not {type(max_iterations).__name__}")
    if max_iterations < 0:
        raise ValueError(f"max_iterations must not be negative: {max_iterations}")
    return max_iterations or math.inf


class Join(Wait):
    """One join. `left` has the ids that were not yielded yet, in the order in which they were given.

    `now` and `longest_rest` are those of `Wait`. The driver of a join does what `phase` says. In READING it reads
    what `ask` returns, tells `found` and `changed` what it learns, and reports `verdict`.
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
        """Return the ids to read in the round that begins now: all that are left, or those that have changed."""
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
        """Note that tasks have changed, which may be others than those that are left."""
        self._changed.update((task_id, None) for task_id in task_ids if task_id in self.left)

    def verdict(self) -> Event:
        """Return what to report of the round that is over: READY if it was the last one."""
        return Event.READY if not self.left or self._passes_left <= 0 else Event.UNREADY

    def step(self, event: Event, now: float, began: float | None = None) -> Phase:
        """Take what happened to the next phase, and return it (`Wait.step`)."""
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
        """Seconds to rest in RESTING and RECOVERING: never beyond the deadline, nor beyond the next pass."""
        pause = super().rest(now)
        return pause if self.phase is Phase.RECOVERING else min(pause, max(self._pass_due - now, 0.0))
