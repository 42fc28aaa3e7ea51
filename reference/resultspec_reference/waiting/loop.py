"""The loop of a wait: runs `resultspec_reference.waiting.machine` on a real store and a real clock."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.errors import OperationalError, TimeoutError
from resultspec_reference.states import is_ready
from resultspec_reference.waiting.machine import Event, Phase, Wait


class Watch(Protocol):
    """One waiter's view of one task. Each method may raise OperationalError: the connection was lost.

    `limit` is the remaining time in seconds, possibly infinite; a method should not block for much longer.
    """

    def read(self, limit: float) -> TaskMeta:
        """Read the store."""

    def rest(self, seconds: float) -> None:
        """Return when the entry has changed, or after `seconds`."""


Open = Callable[[float], AbstractContextManager[Watch]]
"""Opens a watch within a limit in seconds: once it is open, no later change is missed."""

Clock = Callable[[], float]
"""Seconds of a monotonic clock."""


class PollingWatch:
    """The watch of a store that does not notify: it reads again after each interval."""

    def __init__(self, read: Callable[[], TaskMeta]) -> None:
        self._read = read

    def __enter__(self) -> "PollingWatch":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, limit: float) -> TaskMeta:  # noqa: ARG002 - the store has no way to limit a read
        """Read the store."""
        return self._read()

    def rest(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class WaitLoop:
    """Follows one `Wait` to its end.

    `max_losses` is the number of connections that may be lost in a row, None for any number.
    """

    def __init__(
        self,
        wait: Wait,
        open_watch: Open,
        on_interval: Callable[[], object] | None = None,
        max_losses: int | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._wait = wait
        self._open = open_watch
        self._on_interval = on_interval
        self._max_losses = math.inf if max_losses is None else max_losses
        self._clock = clock
        self._resources = ExitStack()
        self._watch: Watch | None = None
        self._meta: TaskMeta | None = None
        self._error: OperationalError | None = None

    def run(self) -> TaskMeta | None:
        """Return the meta of the ready task, or None after the deadline.

        Raises OperationalError if the connection was lost too often in a row or permanently,
        and whatever `on_interval` raises.
        """
        acts = {
            Phase.SUBSCRIBING: self._subscribe,
            Phase.READING: self._read,
            Phase.CALLING: self._call,
            Phase.RESTING: self._rest,
            Phase.RECOVERING: self._recover,
        }
        with self._resources:
            phase = self._wait.step(Event.BEGUN, self._clock())
            while phase in acts:
                began = self._clock()
                phase = self._wait.step(self._attempt(acts[phase]), self._clock(), began)
        return self._meta

    @property
    def last_error(self) -> OperationalError | None:
        """The error of the last lost connection, if no read has succeeded since."""
        return self._error

    def _attempt(self, act: Callable[[], Event]) -> Event:
        try:
            return act()
        except OperationalError as error:
            self._resources.close()
            self._watch, self._error = None, error
            if error.permanent or self._wait.losses >= self._max_losses:
                raise
            return Event.LOST

    def _limit(self) -> float:
        return self._wait.remaining(self._clock())

    def _opened(self) -> Watch:
        if self._watch is None:
            self._watch = self._resources.enter_context(self._open(self._limit()))
        return self._watch

    def _subscribe(self) -> Event:
        self._opened()
        return Event.SUBSCRIBED

    def _read(self) -> Event:
        meta = self._opened().read(self._limit())
        self._error = None
        if not is_ready(meta["status"]):
            return Event.UNREADY
        self._meta = meta
        return Event.READY

    def _call(self) -> Event:
        if self._on_interval is not None:
            self._on_interval()
        return Event.CALLED

    def _rest(self) -> Event:
        self._opened().rest(self._wait.rest(self._clock()))
        return Event.RESTED

    def _recover(self) -> Event:
        self._call()
        time.sleep(self._wait.rest(self._clock()))
        return Event.RESTED


def timed_out(task_id: str, timeout: float, error: OperationalError | None) -> TimeoutError:
    """Return the error of a wait after its deadline, which also says if the store could not be reached."""
    lost = f"; the store could not be reached: {error}" if error else ""
    return TimeoutError(f"task {task_id!r} was not ready after {timeout:g} s{lost}")
