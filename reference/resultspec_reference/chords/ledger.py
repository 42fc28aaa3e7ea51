"""The theory of counting a chord, without clock, thread or socket.

A chord is a *header* of tasks and a *body*, which is to be called once, with the results of all of them.
The parts run anywhere, in any order, and each of their messages may be delivered several times; any worker
may die between any two steps. What they share is a store, and of it one *ledger* for each chord:

* the **size**: how many parts there are. The client's own (`set_chord_size`) counts before the one that
  comes with the body's signature, and that before the number of leaves of the header; what was added comes
  on top. Without a size nothing is decided.
* the **parts** that have returned, each once: the first delivery counts and its result is the one that is
  used. A part is a task id together with an index, because one signature may be used twice in a header.
* the **decision**: open, claimed by one worker until its lease is over, or done.

Each method of `Ledger` is one atomic step; a store implements just these (`ChordStore`). A worker to which a
part has come back takes them in this order, one at a time:

    RECORD ──counted, done──▶ END                      at-least-once:  JUDGE ─▶ SEND ─▶ FINISH ─▶ END
       │full                                           at-most-once:   JUDGE ─▶ FINISH ─▶ SEND ─▶ END
       ▼                                                                          └─lost──▶ END
     CLAIM ──granted──▶ JUDGE
       │  ▲└──done, open──▶ END
    held  │rested
       ▼  │
      REST

* Two deliveries of the last part, or of two last parts, may both find the ledger full: then one of them gets
  the claim. The other rests until the first is done, or until its lease is over, and then claims itself. It
  never leaves a claim behind that somebody else holds, because that one may be dead, and then nobody else
  may ever come.
* A worker that finds the ledger full always tries to claim, also with a part that had been counted before.
  So it does not matter at which step another one died: every later delivery of any part takes it up.
* JUDGE reads the parts, which came with the claim. Where one has failed it stores the failure of the body,
  which may be done again without harm. What may not be done again without being seen is SEND, so there are
  two modes: *at-least-once* sends before it says that it has, *at-most-once* after.
* A claim is known by a token. A worker whose lease was over and whose claim was taken finds out when it
  finishes (LOST). A step whose answer was lost is taken again with the same token, and gets the same answer.

Sending and finishing are two systems, so in between a crash shows, and in which way is the mode's promise.
The crash table of the specification has a row for each of these steps.

Rules: chapter 12.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Literal, Protocol, get_args

from resultspec_reference.errors import ImproperlyConfigured

Crash = Literal["at-least-once", "at-most-once"]

DEFAULT_LEASE: Final = 30.0
"""Seconds after which a worker that has not finished its decision counts as dead."""

LEAST_LIFE: Final = 300.0
"""Seconds that the bookkeeping of a chord, and the mark of its decision, live at least."""

ENDLESS_LIFE: Final = 30 * 24 * 3600.0
"""Seconds that the bookkeeping lives, from the last part on, where results are kept for ever."""

LONGEST_MARK: Final = 24 * 3600.0
"""Seconds that the mark of a decision lives at most: longer than brokers keep a message before they repeat it."""

SHORTEST_REST: Final = 0.002
LONGEST_REST: Final = 0.25
"""Seconds of the first rest of a worker that meets a claim, and of the longest."""


@dataclass(frozen=True)
class Part:
    """A part that has returned. `payload` is what the counter wants back when the chord is decided."""

    task_id: str
    index: int | None
    payload: bytes


class Recorded(Enum):
    """What recording a part found."""

    COUNTED = auto()
    """Parts are missing, or the size is not known yet."""
    FULL = auto()
    DONE = auto()
    """The chord is decided: the part came too late, and left no trace."""


class Claimed(Enum):
    """What claiming the decision found."""

    GRANTED = auto()
    HELD = auto()
    DONE = auto()
    OPEN = auto()
    """The ledger is not full: a new run has begun meanwhile."""


@dataclass(frozen=True)
class Claim:
    """The answer to a claim.

    `payloads` are those of all parts, in the order of their indices, those without one last; `header` is
    what was given when the chord was applied. `seconds`: how long the claim of another is still held.
    """

    kind: Claimed
    payloads: Sequence[bytes] = ()
    header: bytes | None = None
    seconds: float = 0.0


def place(part: Part) -> float:
    """Return the place of a part among the others: its index, or behind all that have one."""
    return math.inf if part.index is None else part.index


def is_full(returned: int, sizes: Iterable[int | None], added: int) -> bool:
    """Whether so many parts are all of them: the first size that is known, and what was added."""
    size = next((size for size in sizes if size is not None), None)
    return size is not None and returned >= size + added


@dataclass
class Ledger:
    """What a store knows of one chord. Each method is one atomic step; `now` is in seconds of one clock."""

    size: int | None = None
    leaves: int | None = None
    header: bytes | None = None
    run: str = ""
    added: int = 0
    parts: dict[tuple[str, int | None], Part] = field(default_factory=dict)
    claimant: str = ""
    held_until: float = -math.inf
    done: bool = False

    def open(self, leaves: int, header: bytes | None) -> None:
        """The chord is applied: begin a run, and forget every older one."""
        self._become(Ledger(leaves=leaves, header=header))

    def resize(self, size: int, run: str) -> None:
        """The client says how many parts there are. The same `run` again changes nothing.

        What has returned before stays, unless it belongs to an older run: one that had a size of the
        client's already, or that is decided.
        """
        if run == self.run:
            return
        if self.done or self.size is not None:
            self._become(Ledger())
        self.size, self.run = size, run

    def add(self, count: int) -> None:
        """Let the chord have so many parts more."""
        if not self.done:
            self.added += count

    def record(self, part: Part, hint: int | None) -> Recorded:
        """A part has returned. `hint` is the size that came with the signature of the body."""
        if self.done:
            return Recorded.DONE
        self.parts.setdefault((part.task_id, part.index), part)
        return Recorded.FULL if self._is_full(hint) else Recorded.COUNTED

    def claim(self, token: str, now: float, lease: float, hint: int | None) -> Claim:
        """Take the decision upon oneself for `lease` seconds."""
        if self.done:
            return Claim(Claimed.DONE)
        if not self._is_full(hint):
            return Claim(Claimed.OPEN)
        if self.claimant not in ("", token) and now < self.held_until:
            return Claim(Claimed.HELD, seconds=self.held_until - now)
        self.claimant, self.held_until = token, now + lease
        found = sorted(self.parts.values(), key=place)
        return Claim(Claimed.GRANTED, [part.payload for part in found], self.header)

    def finish(self, token: str) -> bool:
        """The claimant has decided: forget all but that. Return False if the claim is another's by now."""
        if token != self.claimant:
            return False
        self._become(Ledger(claimant=token, done=True))
        return True

    def _become(self, other: "Ledger") -> None:
        vars(self).update(vars(other))

    def _is_full(self, hint: int | None) -> bool:
        return is_full(len(self.parts), (self.size, hint, self.leaves), self.added)


class ChordStore(Protocol):
    """What a store has to be able to do to count chords: the steps of `Ledger`, each of them atomic.

    A store keeps a ledger for each group id and lets it expire. The cost of `record` may not depend on how
    many parts there are. Each step may be taken again by whoever did not get its answer, but for `add`.
    Raises DecodeError, and changes nothing, where it finds a bookkeeping that it does not know.
    """

    def open(self, group_id: str, leaves: int, header: bytes | None) -> None:
        """See `Ledger.open`."""

    def resize(self, group_id: str, size: int, run: str) -> None:
        """See `Ledger.resize`."""

    def add(self, group_id: str, count: int) -> None:
        """See `Ledger.add`."""

    def record(self, group_id: str, part: Part, hint: int | None) -> Recorded:
        """See `Ledger.record`."""

    def claim(self, group_id: str, token: str, lease: float, hint: int | None) -> Claim:
        """See `Ledger.claim`."""

    def finish(self, group_id: str, token: str) -> bool:
        """See `Ledger.finish`."""


# -- the worker ------------------------------------------------------------------------------------


class Step(Enum):
    """What a worker has to do next."""

    RECORD = auto()
    CLAIM = auto()
    REST = auto()
    JUDGE = auto()
    SEND = auto()
    FINISH = auto()
    END = auto()


class Event(Enum):
    """How a step ended, beside `Recorded` and `Claimed`."""

    RESTED = auto()
    JUDGED = auto()
    SENT = auto()
    FINISHED = auto()
    LOST = auto()


Answer = Recorded | Claimed | Event

_UNTIL_JUDGED: Final[dict[Step, dict[Answer, Step]]] = {
    Step.RECORD: {Recorded.COUNTED: Step.END, Recorded.DONE: Step.END, Recorded.FULL: Step.CLAIM},
    Step.CLAIM: {
        Claimed.GRANTED: Step.JUDGE,
        Claimed.HELD: Step.REST,
        Claimed.DONE: Step.END,
        Claimed.OPEN: Step.END,
    },
    Step.REST: {Event.RESTED: Step.CLAIM},
}

TRANSITIONS: Final[dict[Crash, dict[Step, dict[Answer, Step]]]] = {
    "at-least-once": {
        **_UNTIL_JUDGED,
        Step.JUDGE: {Event.JUDGED: Step.SEND},
        Step.SEND: {Event.SENT: Step.FINISH},
        Step.FINISH: {Event.FINISHED: Step.END, Event.LOST: Step.END},
        Step.END: {},
    },
    "at-most-once": {
        **_UNTIL_JUDGED,
        Step.JUDGE: {Event.JUDGED: Step.FINISH},
        Step.FINISH: {Event.FINISHED: Step.SEND, Event.LOST: Step.END},
        Step.SEND: {Event.SENT: Step.END},
        Step.END: {},
    },
}


@dataclass(frozen=True)
class Terms:
    """How chords are decided: what a crash may do, and the lease of a claim in seconds."""

    crash: Crash = "at-least-once"
    lease: float = DEFAULT_LEASE

    def __post_init__(self) -> None:
        """Raise ImproperlyConfigured for a mode that there is not, and for a lease that is no positive number."""
        if self.crash not in get_args(Crash):
            raise ImproperlyConfigured(f"chord_crash must be one of {', '.join(get_args(Crash))}, not {self.crash!r}")
        lease: Any = self.lease
        number = isinstance(lease, (int, float)) and not isinstance(lease, bool)
        if not number or not 0 < lease < math.inf:
            raise ImproperlyConfigured(f"chord_lease must be a positive number of seconds, not {self.lease!r}")

    def following(self, step: Step, answer: Answer) -> Step:
        """Return the next step. Raises KeyError for an answer that the step cannot have."""
        return TRANSITIONS[self.crash][step][answer]


def rest(held: float, count: int) -> float:
    """Return the seconds of a rest: the claim is `held` for so long, and there were `count` rests before."""
    return max(min(held, LONGEST_REST, SHORTEST_REST * 2.0 ** min(count, 10)), SHORTEST_REST)


def life_of_bookkeeping(expires: float | None) -> float:
    """Return the life of the bookkeeping from its last change on, given that of results; None: for ever."""
    return max(expires, LEAST_LIFE) if expires else ENDLESS_LIFE


def life_of_mark(expires: float | None) -> float:
    """Return the life of the mark that a chord is decided."""
    return min(life_of_bookkeeping(expires), LONGEST_MARK)
