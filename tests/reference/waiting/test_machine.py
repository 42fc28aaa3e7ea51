"""The theory of waiting, with a clock that the tests move."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from resultspec_reference.waiting.machine import LONGEST_RECOVERY, SHORTEST_REST, TRANSITIONS, Event, Phase, Terms, Wait


@dataclass
class World:
    """A store that becomes ready at an instant, answers after `latency`, and is out of reach at times."""

    ready_at: float = math.inf
    latency: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    now: float = 100.0
    calls: int = 0
    reads: list[float] = field(default_factory=list)
    trace: list[Phase] = field(default_factory=list)

    def is_out(self) -> bool:
        """Whether the store is out of reach just now."""
        return any(start <= self.now < end for start, end in self.outages)

    def act(self, wait: Wait) -> Event:
        """Do what the phase says."""
        if wait.phase in (Phase.SUBSCRIBING, Phase.READING):
            return self.ask(wait.phase)
        if wait.phase is Phase.CALLING:
            self.calls += 1
            return Event.CALLED
        rest = wait.rest(self.now)
        notified = self.ready_at if wait.phase is Phase.RESTING and self.now < self.ready_at else math.inf
        self.calls += wait.phase is Phase.RECOVERING
        self.now = min(self.now + rest, notified)
        return Event.RESTED

    def ask(self, phase: Phase) -> Event:
        """Ask the store."""
        began = self.now
        if self.is_out():
            return Event.LOST
        self.now += self.latency
        if phase is Phase.SUBSCRIBING:
            return Event.SUBSCRIBED
        self.reads.append(began)
        return Event.READY if began >= self.ready_at else Event.UNREADY

    def run(self, timeout: object, interval: object = None, longest_rest: float = math.inf) -> Phase:
        """Wait, and return how that ended."""
        wait = Wait(Terms.of(timeout, interval), self.now, longest_rest)
        self.trace.append(wait.step(Event.BEGUN, self.now))
        while wait.phase not in (Phase.FINISHED, Phase.GIVEN_UP):
            assert len(self.trace) < 10_000
            began = self.now
            event = self.act(wait)
            self.trace.append(wait.step(event, self.now, began))
        return wait.phase


def test_a_waiter_subscribes_then_reads_then_rests() -> None:
    """Whatever is stored after the read is notified, whatever was stored before is read."""
    world = World(ready_at=100.2)
    assert world.run(10) is Phase.FINISHED
    assert world.trace == [
        Phase.SUBSCRIBING,
        Phase.READING,
        Phase.CALLING,
        Phase.RESTING,
        Phase.READING,
        Phase.FINISHED,
    ]
    assert world.now == pytest.approx(100.2)


def test_a_ready_task_ends_the_wait_at_once() -> None:
    """No rest and no call come before the first read."""
    world = World(ready_at=0.0)
    assert world.run(None) is Phase.FINISHED
    assert (world.now, world.calls) == (100.0, 0)


@pytest.mark.parametrize("interval", [None, 0, 0.3, 60, math.inf])
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.7])
def test_it_gives_up_after_a_read_that_began_at_the_deadline(interval: float | None, latency: float) -> None:
    """Not before the timeout, and no later than the store takes for the reads that are under way."""
    world = World(latency=latency)
    assert world.run(1.0, interval) is Phase.GIVEN_UP
    assert world.reads[-1] >= 101.0
    assert all(read < 101.0 for read in world.reads[:-1])
    assert world.now <= 101.0 + 2 * latency + 1e-9


def test_ready_wins_over_late() -> None:
    """The read at the deadline sees what nobody notified."""
    world = World(ready_at=101.0)
    world.ready_at = 101.0
    assert world.run(1.0, 60) is Phase.FINISHED


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, 0.0])
def test_no_time_is_one_read(timeout: float) -> None:
    """No subscription, no call, no rest (WAIT-5)."""
    world = World()
    assert world.run(timeout) is Phase.GIVEN_UP
    assert (world.trace, len(world.reads)) == ([Phase.READING, Phase.GIVEN_UP], 1)


def test_a_look_that_finds_no_store_does_not_try_again() -> None:
    """It raises what it met."""
    assert World(outages=((0, 200),)).run(0) is Phase.GIVEN_UP


def test_on_interval_is_called_even_if_the_first_read_comes_too_late() -> None:
    """A store that needs longer than the timeout to subscribe does not save the call (WAIT-14)."""
    world = World(latency=0.5)
    assert world.run(0.1) is Phase.GIVEN_UP
    assert world.calls >= 1


def test_after_a_loss_it_subscribes_and_reads_again() -> None:
    """What happened meanwhile is unknown."""
    world = World(ready_at=101.0, outages=((100.4, 102.0),))
    world.ready_at = 101.0
    assert world.run(10, 0.5, longest_rest=0.2) is Phase.FINISHED
    lost = world.trace.index(Phase.RECOVERING)
    assert [phase for phase in world.trace[lost:] if phase is not Phase.RECOVERING][-3:] == [
        Phase.SUBSCRIBING,
        Phase.READING,
        Phase.FINISHED,
    ]
    assert 102.0 <= world.now <= 102.0 + LONGEST_RECOVERY


def test_a_store_that_stays_away_does_not_stretch_the_timeout() -> None:
    """Recovery ends at the deadline, and has called on_interval."""
    world = World(outages=((100.1, math.inf),))
    assert world.run(1.0, 0.1) is Phase.GIVEN_UP
    assert world.now == pytest.approx(101.0)
    assert World(outages=((0, math.inf),)).run(0.5) is Phase.GIVEN_UP


def test_without_a_deadline_it_never_gives_up() -> None:
    """None, infinity and a number beyond a float are the same (WAIT-6)."""
    for timeout in (None, math.inf, 10**400, 1e300):
        world = World(ready_at=100_000.0)
        assert world.run(timeout, 60, longest_rest=500) is Phase.FINISHED


def test_an_interval_of_zero_leaves_the_processor_to_others() -> None:
    """The shortest rest bounds how often a store is asked."""
    world = World()
    world.run(1.0, 0)
    assert len(world.reads) <= 1.0 / SHORTEST_REST + 2


@pytest.mark.parametrize(
    ("timeout", "interval", "error"),
    [
        (math.nan, None, ValueError),
        ("1", None, TypeError),
        (True, None, TypeError),
        (Fraction(1, 2), None, TypeError),
        (b"", None, TypeError),
        (None, -0.001, ValueError),
        (None, -(10**400), ValueError),
        (None, math.nan, ValueError),
        (None, "0.5", TypeError),
        (1 + 1j, None, TypeError),
    ],
)
def test_wrong_arguments_are_refused(timeout: object, interval: object, error: type[Exception]) -> None:
    """They are found at the call, whatever the task's state (WAIT-7)."""
    with pytest.raises(error):
        Terms.of(timeout, interval)


def events_of(table: Mapping[Phase, Mapping[Event, Phase]]) -> Iterable[Event]:
    """Return every event that the table knows."""
    return {event for row in table.values() for event in row}


def test_the_table_is_complete() -> None:
    """Every phase has a row, every event a use, and every phase but the last two can be left and reached."""
    assert set(TRANSITIONS) == set(Phase)
    assert set(events_of(TRANSITIONS)) == set(Event)
    reached = {phase for row in TRANSITIONS.values() for phase in row.values()} | {Phase.START, Phase.GIVEN_UP}
    assert reached == set(Phase)
    assert [phase for phase, row in TRANSITIONS.items() if not row] == [Phase.FINISHED, Phase.GIVEN_UP]


def test_an_event_that_cannot_be_is_an_error() -> None:
    """A loop that reports an impossible event gets an error."""
    with pytest.raises(KeyError):
        Wait(Terms.of(None, None), 0.0).step(Event.READY, 0.0)
