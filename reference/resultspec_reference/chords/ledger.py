"""The theory of counting a chord, without clock, thread or socket.

A chord is a *header* of tasks, the parts, and a *body*, which is to be called once, with the results of all parts.
The parts run anywhere, in any order, and each of their messages may be delivered several times; any worker
may die between any two steps. The workers share a store, which keeps one *ledger* for each chord:

* the **size**: how many parts there are. The size that the client sets (`set_chord_size`) has precedence over the
  one in the body's signature, and that over the number of leaves of the header; added parts come on top.
  Without a size nothing is decided.
* the **parts** that have returned, each once: the first delivery counts, and its result is used. A part is identified
  by its task id and its index, because a header may contain one signature twice.
* the **decision**: open, claimed by one worker until its lease expires, or done.

Each method of `Ledger` is one atomic step; a store implements just these (`ChordStore`). A worker whose
part has returned takes these steps, one at a time:

    RECORD ──counted, done──▶ END                      at-least-once:  JUDGE ─▶ SEND ─▶ FINISH ─▶ END
       │full                                           at-most-once:   JUDGE ─▶ FINISH ─▶ SEND ─▶ END
       ▼                                                                          └─lost──▶ END
     CLAIM ──granted──▶ JUDGE
       │  ▲└──done, open──▶ END
    held  │rested
       ▼  │
      REST

* Two deliveries of the last part, or the last two parts, may both find the ledger full: then one worker gets
  the claim. The other rests until the first is done or its lease has expired, and then claims itself. It
  never gives up while another worker holds the claim: that worker may be dead, and no other delivery may follow.
* A worker that finds the ledger full always tries to claim, even if its part was counted before. So it does not matter
  at which step another worker died: every later delivery of any part continues its work.
* JUDGE reads the parts, which came with the claim. If a part has failed, it stores the failure of the body,
  which is idempotent. SEND is not: a second message is visible. So there are two modes: *at-least-once* sends
  before it finishes, *at-most-once* after.
* A claim is identified by a token. A worker whose lease expired and whose claim was taken finds out when it
  finishes (LOST). A step whose answer was lost is repeated with the same token, and gets the same answer.

SEND and FINISH concern two systems, so a crash between them has an effect; the mode decides which one.
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
"""The shortest lifetime in seconds of the bookkeeping of a chord, and of the mark of its decision."""

ENDLESS_LIFE: Final = 30 * 24 * 3600.0
"""The lifetime in seconds of the bookkeeping, from the last part on, if results are kept forever."""

LONGEST_MARK: Final = 24 * 3600.0
"""The longest lifetime in seconds of the mark of a decision: brokers redeliver a message sooner."""

SHORTEST_REST: Final = 0.002
LONGEST_REST: Final = 0.25
"""The first and the longest rest, in seconds, of a worker that finds a claim of another worker."""


@dataclass(frozen=True)
class Part:
    """A part that has returned. The counter gets `payload` back when the chord is decided."""

    task_id: str
    index: int | None
    payload: bytes


class Recorded(Enum):
    """The outcome of recording a part."""

    COUNTED = auto()
    """Parts are missing, or the size is not known yet."""
    FULL = auto()
    DONE = auto()
    """The chord is decided: the part came too late, and was not recorded."""


class Claimed(Enum):
    """The outcome of claiming the decision."""

    GRANTED = auto()
    HELD = auto()
    DONE = auto()
    OPEN = auto()
    """The ledger is not full: a new run has begun in the meantime."""


@dataclass(frozen=True)
class Claim:
    """The answer to a claim.

    `payloads` are those of all parts, ordered by index, parts without an index last; `header` is
    the one that was given when the chord was applied. `seconds` is the time that another worker's claim is still held.
    """

    kind: Claimed
    payloads: Sequence[bytes] = ()
    header: bytes | None = None
    seconds: float = 0.0


def place(part: Part) -> float:
    """Return the sort key of a part: its index; parts without an index come last."""
    return math.inf if part.index is None else part.index


def is_full(returned: int, sizes: Iterable[int | None], added: int) -> bool:
    """Whether so many parts are all: as many as the first known size and the added parts together."""
    size = next((size for size in sizes if size is not None), None)
    return size is not None and returned >= size + added


@dataclass
class Ledger:
    """What a store keeps for one chord. Each method is one atomic step; `now` is in seconds of one clock."""

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
        """The client sets the number of parts. The same `run` again changes nothing.

        Parts that have returned stay, unless they belong to an older run, which is one that is decided
        or has a size from the client already.
        """
        if run == self.run:
            return
        if self.done or self.size is not None:
            self._become(Ledger())
        self.size, self.run = size, run

    def add(self, count: int) -> None:
        """Add parts to the chord."""
        if not self.done:
            self.added += count

    def record(self, part: Part, hint: int | None) -> Recorded:
        """A part has returned. `hint` is the size in the signature of the body."""
        if self.done:
            return Recorded.DONE
        self.parts.setdefault((part.task_id, part.index), part)
        return Recorded.FULL if self._is_full(hint) else Recorded.COUNTED

    def claim(self, token: str, now: float, lease: float, hint: int | None) -> Claim:
        """Claim the decision for `lease` seconds."""
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
        """The claimant has decided: forget everything else. Return False if another worker has the claim by now."""
        if token != self.claimant:
            return False
        self._become(Ledger(claimant=token, done=True))
        return True

    def _become(self, other: "Ledger") -> None:
        vars(self).update(vars(other))

    def _is_full(self, hint: int | None) -> bool:
        return is_full(len(self.parts), (self.size, hint, self.leaves), self.added)


class ChordStore(Protocol):
    """What a store has to implement to count chords: the steps of `Ledger`, each of them atomic.

    A store keeps a ledger for each group id and lets it expire. The cost of `record` must not depend on the
    number of parts. A worker that did not get the answer of a step may repeat it, except for `add`.
    Raises DecodeError, and changes nothing, if it finds bookkeeping that it does not know.
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
    """The outcome of a step, besides `Recorded` and `Claimed`."""

    RESTED = auto()
    JUDGED = auto()
    SENT = auto()
    FINISHED = auto()
    LOST = auto()


Outcome = Recorded | Claimed | Event

_UNTIL_JUDGED: Final[dict[Step, dict[Outcome, Step]]] = {
    Step.RECORD: {Recorded.COUNTED: Step.END, Recorded.DONE: Step.END, Recorded.FULL: Step.CLAIM},
    Step.CLAIM: {
        Claimed.GRANTED: Step.JUDGE,
        Claimed.HELD: Step.REST,
        Claimed.DONE: Step.END,
        Claimed.OPEN: Step.END,
    },
    Step.REST: {Event.RESTED: Step.CLAIM},
}

TRANSITIONS: Final[dict[Crash, dict[Step, dict[Outcome, Step]]]] = {
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
class ChordTerms:
    """How chords are decided: the guarantee if a worker crashes, and the lease of a claim in seconds."""

    crash: Crash = "at-least-once"
    lease: float = DEFAULT_LEASE

    def __post_init__(self) -> None:
        """Raise ImproperlyConfigured for an unknown mode, and for a lease that is not a positive number."""
        if self.crash not in get_args(Crash):
            raise ImproperlyConfigured(f"chord_crash must be one of {', '.join(get_args(Crash))}, not {self.crash!r}")
        lease: Any = self.lease
        number = isinstance(lease, (int, float)) and not isinstance(lease, bool)
        if not number or not 0 < lease < math.inf:
            raise ImproperlyConfigured(f"chord_lease must be a positive number of seconds, not {self.lease!r}")

    def following(self, step: Step, outcome: Outcome) -> Step:
        """Return the next step. Raises KeyError for an outcome that the step cannot have."""
        return TRANSITIONS[self.crash][step][outcome]


def rest(held: float, count: int) -> float:
    """Return the length of a rest: the claim is held for `held` seconds, and `count` rests came before."""
    return max(min(held, LONGEST_REST, SHORTEST_REST * 2.0 ** min(count, 10)), SHORTEST_REST)


def life_of_bookkeeping(expires: float | None) -> float:
    """Return the lifetime of the bookkeeping from its last change on, given the lifetime of results (None: forever)."""
    return max(expires, LEAST_LIFE) if expires else ENDLESS_LIFE


def life_of_mark(expires: float | None) -> float:
    """Return the lifetime of the mark that a chord is decided, given the lifetime of results (None: forever)."""
    return min(life_of_bookkeeping(expires), LONGEST_MARK)
