"""The loop of a join: runs `resultspec_reference.joining.machine` on a real store and a real clock."""

import itertools
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Protocol

from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.errors import BackendError, OperationalError, TimeoutError
from resultspec_reference.joining.machine import Join
from resultspec_reference.waiting.loop import Clock
from resultspec_reference.waiting.machine import Event, Phase

JOIN_BATCH_SIZE: Final = 1000
"""The number of ids that are read at a time, unless a store needs fewer.

No more metas are held in memory, whatever the length of the join (JOIN-21).
"""

JoinAnswer = tuple[str, TaskMeta | BackendError]
"""An id, and its meta in the store, or the error of reading that."""


class JoinWatch(Protocol):
    """A join's view of its tasks. Each method may raise OperationalError: the connection was lost.

    `limit` is the remaining time in seconds, possibly infinite; a method should not block for much longer.
    """

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:
        """Watch tasks: from now on, no change of any of them is missed."""

    def read(self, task_ids: Sequence[str], limit: float) -> Iterator[JoinAnswer]:
        """Read the store, and return the answers; those of tasks that are certainly not ready may be left out.

        Everything that can lose the connection happens before this returns.
        """

    def rest(self, seconds: float) -> Iterable[str]:
        """Return the tasks that have changed as soon as there are any, or none after `seconds`."""


class JoinLoop:
    """Follows one `Join` to its end.

    `ready_states` are those in which a task is yielded. `pause` is the time in seconds between two batches of a
    pass, `max_losses` the number of connections that may be lost in a row, possibly infinite, `batch` the number of
    ids that are read at a time.
    """

    def __init__(
        self,
        join: Join,
        open_watch: Callable[[], AbstractContextManager[JoinWatch]],
        ready_states: frozenset[str],
        on_interval: Callable[[], object] | None = None,
        *,
        pause: float | None = None,
        max_losses: float = math.inf,
        batch: int = JOIN_BATCH_SIZE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._join = join
        self._open = open_watch
        self._ready_states = ready_states
        self._on_interval = on_interval
        self._pause = pause or 0.0
        self._max_losses = max_losses
        self._batch = batch
        self._clock = clock
        self._resources = ExitStack()
        self._watch: JoinWatch | None = None
        self._error: OperationalError | None = None

    def run(self) -> Iterator[tuple[str, TaskMeta]]:
        """Yield ids and metas as their tasks become ready, until the join is FINISHED or GIVEN_UP.

        Raises the error of an entry that cannot be read, OperationalError if the connection was lost too often in a
        row, and whatever `on_interval` raises. However the iterator is closed, nothing is left open.
        """
        acts = {
            Phase.SUBSCRIBING: self._subscribe,
            Phase.CALLING: self._call,
            Phase.RESTING: self._rest,
            Phase.RECOVERING: self._recover,
        }
        with self._resources:
            phase = self._join.step(Event.BEGUN, self._clock())
            while phase is Phase.READING or phase in acts:
                began = self._clock()
                event = (yield from self._round(began)) if phase is Phase.READING else self._attempt(acts[phase])
                phase = self._join.step(event, self._clock(), began)

    @property
    def last_error(self) -> OperationalError | None:
        """The error of the last lost connection, if no read has succeeded since."""
        return self._error

    def _round(self, began: float) -> Generator[tuple[str, TaskMeta], None, Event]:
        unreadable: BackendError | None = None
        ready_states, note_found = self._ready_states, self._join.found
        for number, batch in enumerate(_batches(self._join.ask(began), self._batch)):
            if number and self._pause:
                time.sleep(min(self._pause, self._limit()))
            answers = self._answers(batch)
            if answers is None:
                return Event.LOST
            for task_id, found in answers:
                if isinstance(found, BackendError):
                    unreadable = unreadable or found
                elif found["status"] in ready_states:
                    note_found(task_id)
                    yield task_id, found
        if unreadable is not None:
            raise unreadable
        return self._join.verdict()

    def _answers(self, batch: Sequence[str]) -> Iterator[JoinAnswer] | None:
        try:
            answers = self._opened().read(batch, self._limit())
        except OperationalError as error:
            self._lose(error)
            return None
        self._error = None
        return answers

    def _attempt(self, act: Callable[[], Event]) -> Event:
        try:
            return act()
        except OperationalError as error:
            self._lose(error)
            return Event.LOST

    def _lose(self, error: OperationalError) -> None:
        self._resources.close()
        self._watch, self._error = None, error
        if error.permanent or self._join.losses >= self._max_losses:
            raise error

    def _limit(self) -> float:
        return self._join.remaining(self._clock())

    def _opened(self) -> JoinWatch:
        if self._watch is None:
            self._watch = self._resources.enter_context(self._open())
        return self._watch

    def _subscribe(self) -> Event:
        self._opened().subscribe(self._join.left, self._limit())
        return Event.SUBSCRIBED

    def _call(self) -> Event:
        if self._on_interval is not None:
            self._on_interval()
        return Event.CALLED

    def _rest(self) -> Event:
        self._join.changed(self._opened().rest(self._join.rest(self._clock())))
        return Event.RESTED

    def _recover(self) -> Event:
        self._call()
        time.sleep(self._join.rest(self._clock()))
        return Event.RESTED


def _batches(task_ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (task_ids[start : start + size] for start in range(0, len(task_ids), size))


def not_all_ready(join: Join, timeout: float, error: OperationalError | None) -> TimeoutError:
    """Return the error of a join after its deadline, which also says if the store could not be reached."""
    shown = ", ".join(map(repr, itertools.islice(join.left, 3)))
    more = ", …" if len(join.left) > 3 else ""
    lost = f"; the store could not be reached: {error}" if error else ""
    return TimeoutError(f"{len(join.left)} tasks were not ready after {timeout:g} s: {shown}{more}{lost}")
