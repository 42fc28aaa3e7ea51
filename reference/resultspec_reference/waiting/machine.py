"""The theory of waiting for one task, without clock, thread or socket.

A waiter has to return as soon as the task is ready, and to give up at its deadline. Three facts
make this harder than a loop with a sleep:

* **Notifications get lost.** A notification says only that an entry changed; it is sent once, to those that
  listen at that moment. So a waiter subscribes first, reads second and rests third: a result that was
  stored before the subscription is seen by the read, a later one ends the rest. In any other order there is
  a window in which the waiter misses a result. A waiter also reads again after every rest, however it
  ended, since another writer may not notify at all.
* **A connection may break.** What happened while it was broken is unknown, so after every loss the waiter
  begins again: subscribe, then read.
* **Stores are slow.** The deadline is an instant of a monotonic clock, fixed at the call; sleeps
  are not added up. Ready wins over late: the waiter gives up only after a read that began at or after
  the deadline and saw no ready state. A timeout of 0 or less is one read.

These are the phases of a wait and the events that lead from one to the next:

    START ──begun──▶ SUBSCRIBING ──subscribed──▶ READING ──ready──▶ FINISHED
                          ▲                       │    ▲
                        rested                 unready │
                          │                       ▼    │
                     RECOVERING ◀──┐           CALLING │ rested
                                   │              │    │
              lost, from SUBSCRIBING,          called  │
              READING and RESTING ─┘              ▼    │
                                               RESTING ┘

In CALLING the caller's `on_interval` is called, and in RECOVERING too, before the rest. A pair that is not in the table
is an error of the program that drives the wait, not of the store. The only other final phase besides FINISHED is
GIVEN_UP, and `Wait.step` has the rule for it. A port needs the table, that rule, and `Terms`.

Rules: WAIT-1 to WAIT-9, WAIT-13, WAIT-14.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

DEFAULT_INTERVAL: Final = 0.5
"""The seconds between two reads, if the caller passes None."""

SHORTEST_REST: Final = 0.005
"""The shortest rest in seconds, so that an interval of 0 does not busy the processor."""

LONGEST_RECOVERY: Final = 1.0
"""The longest pause in seconds between two attempts to reconnect; the first attempt is immediate."""


class Phase(Enum):
    """The phase of a wait, which determines what its loop does next."""

    START = auto()
    SUBSCRIBING = auto()
    READING = auto()
    CALLING = auto()
    RESTING = auto()
    RECOVERING = auto()
    FINISHED = auto()
    GIVEN_UP = auto()


class Event(Enum):
    """What the loop reports."""

    BEGUN = auto()
    SUBSCRIBED = auto()
    READY = auto()
    UNREADY = auto()
    CALLED = auto()
    RESTED = auto()
    LOST = auto()


TRANSITIONS: Final = {
    Phase.START: {Event.BEGUN: Phase.SUBSCRIBING},
    Phase.SUBSCRIBING: {Event.SUBSCRIBED: Phase.READING, Event.LOST: Phase.RECOVERING},
    Phase.READING: {Event.READY: Phase.FINISHED, Event.UNREADY: Phase.CALLING, Event.LOST: Phase.RECOVERING},
    Phase.CALLING: {Event.CALLED: Phase.RESTING},
    Phase.RESTING: {Event.RESTED: Phase.READING, Event.LOST: Phase.RECOVERING},
    Phase.RECOVERING: {Event.RESTED: Phase.SUBSCRIBING},
    Phase.FINISHED: {},
    Phase.GIVEN_UP: {},
}


def _seconds(name: str, value: object) -> float:
    """Return a number of seconds as a float, infinite if it is too large for one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds or None, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        return math.inf if value >= 0 else -math.inf
    if math.isnan(seconds):
        raise ValueError(f"{name} must not be NaN")
    return seconds


@dataclass(frozen=True, slots=True)
class Terms:
    """The arguments of a wait: `timeout` and `interval` in seconds; an infinite timeout means no deadline."""

    timeout: float
    interval: float

    @classmethod
    def of(cls, timeout: object, interval: object) -> "Terms":
        """Check the arguments of a wait.

        Raises TypeError for anything but a number, ValueError for NaN and for a negative interval (WAIT-7).
        """
        allowed = math.inf if timeout is None else _seconds("timeout", timeout)
        pause = DEFAULT_INTERVAL if interval is None else _seconds("interval", interval)
        if pause < 0:
            raise ValueError(f"interval must not be negative: {pause}")
        return cls(allowed, pause)


class Wait:
    """One wait.

    `now` and `began` are seconds of one monotonic clock, `longest_rest` is the store's own bound in seconds.

    The loop does what `phase` says, then reports what happened with `step`, until the phase is FINISHED or GIVEN_UP.
    """

    def __init__(self, terms: Terms, now: float, longest_rest: float = math.inf) -> None:
        self.phase = Phase.START
        self.deadline = now + max(terms.timeout, 0.0)
        self._look_only = terms.timeout <= 0
        self._pause = min(max(terms.interval, SHORTEST_REST), longest_rest)
        self._called = self._look_only
        self._losses = 0

    def step(self, event: Event, now: float, began: float | None = None) -> Phase:
        """Apply an event, and return the next phase.

        `began` is when the reported read began. Raises KeyError for an event that is impossible in this phase.
        """
        following = TRANSITIONS[self.phase][event]
        if event is Event.BEGUN and self._look_only:
            following = Phase.READING
        if event is Event.LOST:
            self._losses += 1
        elif event is Event.UNREADY:
            self._losses = 0
        if self._over(event, now if began is None else began):
            following = Phase.GIVEN_UP
        if event is Event.CALLED or self.phase is Phase.RECOVERING:
            self._called = True
        self.phase = following
        return following

    def _over(self, event: Event, asked: float) -> bool:
        """Whether to give up: the last attempt began at or after the deadline, and `on_interval` was called."""
        if asked < self.deadline:
            return False
        if self.phase is Phase.RECOVERING:
            return True
        return self._called and event in (Event.UNREADY, Event.LOST)

    @property
    def losses(self) -> int:
        """The number of connections lost since the last read that succeeded."""
        return self._losses

    def remaining(self, now: float) -> float:
        """Return the seconds until the deadline, never negative; infinite without a deadline."""
        return max(self.deadline - now, 0.0)

    def rest(self, now: float) -> float:
        """Return the seconds to rest in RESTING and RECOVERING: until the deadline at most."""
        if self.phase is Phase.RECOVERING:
            pause = min(SHORTEST_REST * 2**self._losses, LONGEST_RECOVERY)
        else:
            pause = self._pause
        return min(float(pause), self.remaining(now))
