"""Expiry in checks: how time passes for entries without long sleeps, and what a check may conclude afterwards.

There are three methods:

`clock`
    the subject has a clock that can be moved;
`ageing`
    the probe of the store moves the start of an entry's lifetime back;
`waiting`
    neither: lifetimes are short, and the check waits. It writes all its entries first, so that they wait together.

With each method an entry has a minimum and a maximum age: calls take time, and a store may count from any moment of a
call. The maximum age decides whether an entry must exist, the minimum age whether it must be gone; so a slow machine
can make a check blind, which it then says, and never unjust.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Literal

from resultspec import STATES
from resultspec_conformance.subject.client import Client, require_ok
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Operation
from resultspec_conformance.subject.probe_protocols import LifeProbe
from resultspec_conformance.subject.protocols import Subject, clock_of
from resultspec_conformance.testkit.context import SUITE, Context
from resultspec_conformance.testkit.waits import failure
from resultspec_conformance.wire.values import Value, show

TimeMethod = Literal["clock", "ageing", "waiting"]

LONG_LIFE = 600.0
"""The lifetime in seconds that checks use if they need not wait for its end."""

SHORT_LIFE = 1.0
"""The lifetime in seconds that checks use if they wait for its end."""

MAX_EXPIRY_DELAY = 5.0
"""The largest sum in seconds of a store's resolution and lag with which checks wait for entries to expire."""


def time_can_pass(subject: Subject) -> bool:
    """Whether the suite can see entries of this subject expire."""
    expiry_delay = subject.capabilities.expiry_lag + subject.capabilities.life_resolution
    return clock_of(subject) is not None or isinstance(subject.probe, LifeProbe) or expiry_delay <= MAX_EXPIRY_DELAY


def ends_by_itself(ctx: Context) -> bool:
    """Whether the subject declares that entries expire without `cleanup`."""
    return ctx.capabilities.choice("expiry") == "autoexpire"


@dataclass
class Entry:
    """An entry that a check has stored, with its lifetime in seconds, and when that began."""

    task_id: str
    client: Client
    life: float
    state: str
    stored: Operation
    passed: float


@dataclass(frozen=True)
class Reading:
    """What a read found, with the minimum and maximum age of the entry in seconds. `result` is text."""

    state: Value
    result: str
    at_least: float
    at_most: float

    @property
    def unknown(self) -> bool:
        """Whether the task reads like one that was never stored."""
        return bool(self.state == "PENDING")


@dataclass
class Timeline:
    """The entries of one example, and the time that passes for them. `passed` counts the simulated seconds.

    `ends`: whether a plain entry of the subject was seen to end; it is true where nobody has looked.
    """

    ctx: Context
    method: TimeMethod = field(init=False)
    passed: float = 0.0
    stores: int = 0
    ends: bool = True
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.method = self._choose_method()

    @property
    def life(self) -> float:
        """A lifetime in seconds whose end can be seen."""
        if self.method == "waiting":
            return max(SHORT_LIFE, 4 * self.ctx.capabilities.life_resolution)
        return LONG_LIFE

    @property
    def expiry_delay(self) -> float:
        """Seconds by which an entry may outlive its lifetime."""
        capabilities = self.ctx.capabilities
        return capabilities.life_resolution + (capabilities.expiry_lag if ends_by_itself(self.ctx) else 0.0)

    def _choose_method(self) -> TimeMethod:
        if clock_of(self.ctx.session.subject) is not None:
            return "clock"
        probe = self.ctx.session.subject.probe
        if isinstance(probe, LifeProbe):
            writer, task_id = self.ctx.client("writer", expires=LONG_LIFE), self.ctx.new_id("age")
            writer.store(task_id)
            if probe.age(task_id, 1.0):
                return "ageing"
        return "waiting"

    # -- entries -------------------------------------------------------------------------------

    def store(self, client: Client, life: float, state: str = "SUCCESS", hint: str = "task") -> Entry:
        """Store a new entry by a client whose entries have a lifetime of `life` seconds."""
        entry = Entry(self.ctx.new_id(hint), client, life, state, _never(), 0.0)
        self.entries.append(entry)
        self.renew(entry, state)
        return entry

    def renew(self, entry: Entry, state: str) -> None:
        """Store an entry again, in a state; its lifetime starts again."""
        self.stores += 1
        result = failure(self.stores) if state in STATES.sets["EXCEPTION"] else {"store": self.stores}
        entry.stored = entry.client.perform("store_result", task_id=entry.task_id, result=result, state=state)
        if entry.stored.outcome is None or entry.stored.outcome.kind != "ok":
            raise Unobserved(f"{state} was not stored")
        entry.state, entry.passed = state, self.passed

    def restart_lifetime(self, entry: Entry, life: float, operation: Operation) -> None:
        """Record that another operation has just given an entry a new lifetime."""
        entry.stored, entry.life, entry.passed = operation, life, self.passed

    def read(self, reader: Client, entry: Entry) -> Reading:
        """Read an entry."""
        read = reader.perform("get_task_meta", task_id=entry.task_id)
        meta = require_ok(read)
        simulated = self.passed - entry.passed
        elapsed = 0.0 if self.method == "clock" else read.start - _end(entry.stored)
        return Reading(
            meta["status"], show(meta.get("result")), simulated + elapsed, simulated + _end(read) - entry.stored.start
        )

    # -- time ----------------------------------------------------------------------------------

    def let_pass(self, seconds: float) -> None:
        """Let time pass for all entries of the example."""
        if seconds <= 0:
            return
        self.ctx.history.note(SUITE, "let time pass", {"seconds": round(seconds, 3), "by": self.method})
        if self.method == "waiting":
            time.sleep(seconds)
            return
        clock, probe = clock_of(self.ctx.session.subject), self.ctx.session.subject.probe
        if clock is not None:
            clock.advance(seconds)
        elif isinstance(probe, LifeProbe):
            for entry in self.entries:
                probe.age(entry.task_id, seconds)
        self.passed += seconds

    def _age(self, entry: Entry) -> float:
        """Return the age of an entry in seconds."""
        elapsed = time.monotonic() - self.ctx.history.origin - _end(entry.stored)
        return self.passed - entry.passed + (0.0 if self.method == "clock" else elapsed)

    def advance_to(self, entry: Entry, share: float) -> None:
        """Let time pass until a share of that part of an entry's lifetime is over in which it certainly exists."""
        certain = max(0.0, entry.life - self.ctx.capabilities.life_resolution)
        self.let_pass(share * certain - self._age(entry))

    def let_expire(self, *entries: Entry) -> None:
        """Let time pass until all these entries have expired, the lag of the store included.

        If entries expire by `cleanup`, the client of each entry calls it.
        """
        for entry in entries:
            self.let_pass(entry.life + self.expiry_delay + self.ctx.grace - self._age(entry))
        if not ends_by_itself(self.ctx):
            for client in {id(entry.client): entry.client for entry in entries}.values():
                client.call("cleanup")

    def clean_early(self, entry: Entry) -> None:
        """Let the client of an entry call `cleanup`: where lives end by it, one that is too short shows then.

        A `cleanup` that removes an entry of a plain life before its end is not called; the check of EXP-11 reports it.
        Raises Unobserved then, if nothing else would end a life that is too short.
        """
        if self.ctx.session.cleanup_spares:
            entry.client.attempt("cleanup")
        elif not ends_by_itself(self.ctx):
            raise Unobserved("lives end by a cleanup that also removes what lives (EXP-11)")

    # -- verdicts ------------------------------------------------------------------------------

    def require_present(
        self, requirement: str, reader: Client, entry: Entry, why: str = "its lifetime is not over"
    ) -> None:
        """Require that an entry exists. Raises Unobserved if it may have expired."""
        reading = self.read(reader, entry)
        if reading.at_most >= entry.life - self.ctx.capabilities.life_resolution:
            raise Unobserved("this machine was too slow to look before the lifetime ended")
        got = f"{reading.state} of a task that is {entry.state}, {_age_text(reading)}"
        self.ctx.require(requirement, reading.state == entry.state, got=got, allowed=f"{entry.state}: {why}")

    def require_expired(
        self, requirement: str, reader: Client, entry: Entry, why: str = "its lifetime is over"
    ) -> None:
        """Require that an entry is gone, after `let_expire`."""
        reading = self.read(reader, entry)
        if reading.at_least <= entry.life + self.expiry_delay:
            raise Unobserved("the lifetime was not over yet")
        got = f"{reading.state} after {reading.at_least:g} s of a life of {entry.life:g} s{self._kept(entry)}"
        self.ctx.require(requirement, reading.unknown, got=got, allowed=f"an unknown task: {why}")

    def _kept(self, entry: Entry) -> str:
        """Describe how long the store is going to keep an entry, if the probe sees that."""
        probe = self.ctx.session.subject.probe
        left = probe.remaining(entry.task_id) if isinstance(probe, LifeProbe) else None
        if left is None:
            return ""
        return "; the store keeps it forever" if math.isinf(left) else f"; the store keeps it for {left:g} s more"


def timeline_of(ctx: Context, *, ends: bool = True) -> Timeline:
    """Return the timeline of an example, for a store in which a plain entry has the lifetime that it was given.

    If it has not, the check of EXP-1 and EXP-2 reports that; other checks raise Unobserved. `ends`: whether the check
    needs that entries end; one that does not is also run where nothing ever ends.
    """
    timeline, session = Timeline(ctx), ctx.session
    if session.plain_life is None:
        with ctx.off_the_record():
            session.plain_life = _plain_life(timeline)
            session.cleanup_spares = _cleanup_spares(timeline)
    if session.plain_life == "endless" and ends:
        raise Unobserved("a plain entry does not end when its lifetime is over (EXP-2)")
    if session.plain_life == "wrong":
        raise Unobserved("a plain entry does not have the lifetime that it was given")
    timeline.ends = session.plain_life == "right"
    return timeline


def _plain_life(timeline: Timeline) -> Literal["right", "endless", "wrong"]:
    """Return how plain entries live."""
    writer, reader = timeline.ctx.client("writer", expires=timeline.life), timeline.ctx.client("reader")
    # each entry is read only once: new, in the middle of its lifetime, or after its end
    new, middle, last = (timeline.store(writer, timeline.life, hint="control") for _ in range(3))
    seen = [timeline.read(reader, new).state]
    timeline.advance_to(new, 0.75)
    seen.append(timeline.read(reader, middle).state)
    timeline.let_expire(last)
    seen.append(timeline.read(reader, last).state)
    if seen == ["SUCCESS", "SUCCESS", "PENDING"]:
        return "right"
    return "endless" if seen == ["SUCCESS"] * 3 else "wrong"


def _cleanup_spares(timeline: Timeline) -> bool:
    """Whether `cleanup` leaves an entry as it is whose plain life is not over."""
    entry = timeline.store(timeline.ctx.client("writer", expires=timeline.life), timeline.life, hint="control")
    timeline.advance_to(entry, 0.8)
    cleaned = entry.client.attempt("cleanup")
    return cleaned.kind == "ok" and timeline.read(timeline.ctx.client("reader"), entry).state == "SUCCESS"


def _never() -> Operation:
    return Operation("", "", {}, 0.0)


def _end(operation: Operation) -> float:
    return operation.start if operation.end is None else operation.end


def _age_text(reading: Reading) -> str:
    return f"{reading.at_most:.3f} s after it was stored"
