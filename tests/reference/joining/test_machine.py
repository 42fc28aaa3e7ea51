"""The theory of joining, with a clock that the tests move."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from resultspec_reference.joining.machine import Join, passes
from resultspec_reference.waiting.machine import Event, Phase, Terms


@dataclass
class World:
    """A store in which tasks become ready at instants, which answers after `latency`, and is out of reach at times.

    `notified` are the tasks whose change is notified. `work` is the time that the caller takes for an item.
    """

    ready_at: Mapping[str, float]
    latency: float = 0.0
    work: float = 0.0
    notified: frozenset[str] = frozenset()
    outages: tuple[tuple[float, float], ...] = ()
    now: float = 100.0
    calls: int = 0
    yielded: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[float, list[str]]] = field(default_factory=list)
    trace: list[Phase] = field(default_factory=list)

    def is_out(self) -> bool:
        """Whether the store is out of reach just now."""
        return any(start <= self.now < end for start, end in self.outages)

    def act(self, join: Join) -> Event:
        """Do what the phase says."""
        if join.phase is Phase.READING:
            return self.read(join)
        if join.phase is Phase.SUBSCRIBING:
            self.now += self.latency
            return Event.LOST if self.is_out() else Event.SUBSCRIBED
        if join.phase is Phase.CALLING:
            self.calls += 1
            return Event.CALLED
        self.rest(join)
        return Event.RESTED

    def read(self, join: Join) -> Event:
        """Read what is asked for, and hand it to the caller."""
        began, asked = self.now, join.ask(self.now)
        if self.is_out():
            return Event.LOST
        self.asked.append((began, asked))
        self.now += self.latency if asked else 0.0
        for task_id in asked:
            if self.ready_at.get(task_id, math.inf) <= began:
                assert task_id not in self.yielded
                join.found(task_id)
                self.yielded[task_id] = self.now
                self.now += self.work
        return join.verdict()

    def rest(self, join: Join) -> None:
        """Let the time pass, or so much of it as comes before a notification."""
        until = self.now + join.rest(self.now)
        coming = [self.ready_at[one] for one in self.notified & self.ready_at.keys() if self.ready_at[one] > self.now]
        if join.phase is Phase.RESTING:
            until = min([until, *coming])
        self.now = until
        join.changed(one for one in self.notified if self.ready_at.get(one) == self.now)
        join.changed(["a stranger"])

    def run(self, timeout: object, interval: object = None, rest: float = math.inf, most: float = math.inf) -> Phase:
        """Join all tasks, and return how that ended."""
        join = Join(self.ready_at, Terms.of(timeout, interval), self.now, rest, most)
        self.trace.append(join.step(Event.BEGUN, self.now))
        while join.phase not in (Phase.FINISHED, Phase.GIVEN_UP):
            assert len(self.trace) < 10_000
            began = self.now
            event = self.act(join)
            self.trace.append(join.step(event, self.now, began))
        assert set(join.left) == self.ready_at.keys() - self.yielded.keys()
        return join.phase


LATE = math.inf


def test_what_is_ready_needs_no_subscription() -> None:
    """One pass, and nothing else."""
    world = World({"a": 0, "b": 0})
    assert world.run(None) is Phase.FINISHED
    assert world.trace == [Phase.READING, Phase.FINISHED]
    assert world.asked == [(100.0, ["a", "b"])]


def test_nothing_is_over_at_once() -> None:
    """Whatever the timeout."""
    for timeout in (None, 0, 5):
        world = World({})
        assert world.run(timeout) is Phase.FINISHED
        assert world.now == 100.0


def test_it_looks_then_subscribes_then_looks_again() -> None:
    """What becomes ready in between is seen by the second pass; what was yielded is not asked for again."""
    world = World({"a": 0, "b": 100.15, "c": 101.0}, latency=0.1, notified=frozenset("c"))
    assert world.run(10, 60) is Phase.FINISHED
    assert world.trace[:5] == [Phase.READING, Phase.CALLING, Phase.SUBSCRIBING, Phase.READING, Phase.CALLING]
    assert [asked for _, asked in world.asked] == [["a", "b", "c"], ["b", "c"], ["c"]]
    assert world.yielded["c"] == pytest.approx(101.1)


def test_a_notification_is_for_one_task() -> None:
    """The others are asked for one interval after the last pass, however many notifications came meanwhile."""
    coming = {f"t{number}": 100.05 + number / 10 for number in range(9)}
    world = World({**coming, "silent": 100.2}, notified=frozenset(coming))
    assert world.run(None, 0.5) is Phase.FINISHED
    assert world.yielded["silent"] == pytest.approx(100.5)
    assert [asked for at, asked in world.asked if 100.0 < at < 100.5] == [["t0"], ["t1"], ["t2"], ["t3"], ["t4"]]
    whole = [at for at, asked in world.asked if len(asked) > 1]
    assert whole == pytest.approx([100.0, 100.0, 100.5])


@pytest.mark.parametrize("interval", [None, 0, 0.3, 60, math.inf])
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.7])
def test_it_gives_up_after_a_pass_that_began_at_the_deadline(interval: float | None, latency: float) -> None:
    """Over all that is left, not before the timeout, and no later than the passes under way take."""
    world = World({"a": 0, "b": LATE, "c": LATE}, latency=latency, notified=frozenset("b"))
    assert world.run(1.0, interval) is Phase.GIVEN_UP
    assert world.asked[-1][0] >= 101.0
    assert world.asked[-1][1] == ["b", "c"]
    assert world.now <= 101.0 + 2 * latency + 1e-9
    assert world.calls >= 1


def test_ready_wins_over_late() -> None:
    """The pass at the deadline sees what was not notified, and then no error is raised."""
    world = World({"a": 101.0})
    assert world.run(1.0, 60) is Phase.FINISHED


def test_the_work_of_the_caller_counts_and_costs_no_result() -> None:
    """Who comes back after the deadline gets all that is ready by then, and no more time."""
    world = World({"a": 0, "b": 0, "c": 104.0, "d": LATE}, work=5.0)
    assert world.run(1.0) is Phase.GIVEN_UP
    assert list(world.yielded) == ["a", "b", "c"]
    assert world.now == pytest.approx(115.0)


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, 0.0])
def test_no_time_is_one_pass(timeout: float) -> None:
    """No subscription, no call, no rest (JOIN-9)."""
    world = World({"a": 0, "b": LATE})
    assert world.run(timeout) is Phase.GIVEN_UP
    assert (world.trace, len(world.asked), world.calls) == ([Phase.READING, Phase.GIVEN_UP], 1, 0)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_passes_are_counted(most: int) -> None:
    """The pass that follows the subscription is not, and neither are notifications."""
    soon = {f"t{number}": 100.01 + number / 100 for number in range(20)}
    world = World({"a": 0, "b": LATE, **soon}, notified=frozenset(soon))
    assert world.run(None, 1.0, most=most) is Phase.FINISHED
    assert "b" not in world.yielded
    assert world.now == pytest.approx(100.0 + most - 1)


def test_after_a_loss_it_subscribes_and_reads_all_that_is_left() -> None:
    """What happened meanwhile is unknown."""
    world = World({"a": 100.2, "b": 101.0, "c": LATE}, notified=frozenset("ab"), outages=((100.4, 102.0),))
    assert world.run(4.0, 0.5) is Phase.GIVEN_UP
    after = next(asked for at, asked in world.asked if at > 100.5)
    assert after == ["b", "c"]
    assert world.trace.count(Phase.SUBSCRIBING) >= 2
    assert world.now == pytest.approx(104.0)


def test_a_store_that_stays_away_does_not_stretch_the_timeout() -> None:
    """Neither at the first pass nor later."""
    for outage in ((0, LATE), (100.2, LATE)):
        world = World({"a": LATE}, outages=(outage,))
        assert world.run(1.0, 0.1) is Phase.GIVEN_UP
        assert world.now == pytest.approx(101.0)


@pytest.mark.parametrize(("given", "most"), [(None, math.inf), (0, math.inf), (1, 1), (7, 7)])
def test_how_many_passes(given: object, most: float) -> None:
    """None and 0 mean unlimited."""
    assert passes(given) == most


@pytest.mark.parametrize(("given", "error"), [(-1, ValueError), ("1", TypeError), (1.5, TypeError), (True, TypeError)])
def test_wrong_numbers_of_passes(given: object, error: type[Exception]) -> None:
    """They are refused."""
    with pytest.raises(error):
        passes(given)
