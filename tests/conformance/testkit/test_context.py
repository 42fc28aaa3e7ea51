"""What a check is given: clocks that know how late they are, bounded polling, threads, connections, verdicts."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from resultspec_conformance.broken import VARIATIONS, open_specimen
from resultspec_conformance.limits import SHARED_CONNECTIONS
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.context import MIN_GRACE, Context, Session, Stopwatch
from resultspec_conformance.wire.values import encode


@pytest.fixture(name="session")
def open_session() -> Iterator[Session]:
    """Return a session with the small correct backend."""
    session = Session(open_specimen(VARIATIONS["no-op"]), "test")
    yield session
    session.close()


@pytest.fixture(name="ctx")
def make_context(session: Session) -> Iterator[Context]:
    """Return one example of a check of META-1."""
    ctx = Context(session, "META-1")
    yield ctx
    ctx.close()


# -- the stopwatch -------------------------------------------------------------------------------


def test_stopwatch_measures_the_block(ctx: Context) -> None:
    """The elapsed time is that of the block: as long as it at least, and as the clock around it at the most."""
    began = time.monotonic()
    with ctx.stopwatch() as watch:
        time.sleep(0.03)
    around = time.monotonic() - began
    assert 0.03 <= watch.elapsed <= around


def test_stopwatch_stops_at_the_end_of_the_block(ctx: Context) -> None:
    """What comes after the block is not measured."""
    with ctx.stopwatch() as watch:
        pass
    elapsed, lateness = watch.elapsed, watch.lateness
    time.sleep(0.01)
    assert (watch.elapsed, watch.lateness) == (elapsed, lateness)


def test_running_stopwatch_has_no_time() -> None:
    """Reading a stopwatch that runs is a mistake of the check."""
    watch = Stopwatch()
    with pytest.raises(RuntimeError, match="still running"):
        _ = watch.elapsed
    watch.stop()
    assert watch.elapsed >= 0


def test_stopwatch_sees_that_the_machine_is_late(ctx: Context) -> None:
    """Where no other thread gets a turn for a while, the control sleeper was late by about that long."""
    with ctx.stopwatch() as watch:
        time.sleep(0.02)
        # one call that keeps the interpreter's lock: no other thread runs meanwhile
        began = time.monotonic()
        sum(range(12_000_000))
        kept = time.monotonic() - began
        time.sleep(0.02)
    assert watch.lateness >= kept / 2 - 0.01


def test_quiet_machine_is_not_late_by_much(ctx: Context) -> None:
    """In the best of several blocks the control sleeper is on time: its lateness is not made up."""
    latenesses = []
    for _ in range(20):
        with ctx.stopwatch() as watch:
            time.sleep(0.02)
        latenesses.append(watch.lateness)
    assert min(latenesses) < 0.02


# -- polling -------------------------------------------------------------------------------------


def test_eventually_returns_as_soon_as_it_is_true(ctx: Context) -> None:
    """A condition that becomes true ends the polling long before its timeout."""
    event = threading.Event()
    timer = threading.Timer(0.02, event.set)
    timer.start()
    began = time.monotonic()
    assert ctx.eventually(event.is_set, timeout=30.0)
    assert time.monotonic() - began < 15.0
    timer.join()


def test_eventually_asks_at_least_once(ctx: Context) -> None:
    """A condition that is true at once is true even without any time."""
    assert ctx.eventually(lambda: True, timeout=0.0)


def test_eventually_gives_up_after_its_timeout(ctx: Context) -> None:
    """A condition that stays false is asked again and again, until the time is over and not less."""
    asked: list[float] = []

    def never() -> bool:
        asked.append(time.monotonic())
        return False

    began = time.monotonic()
    assert not ctx.eventually(never, timeout=0.05)
    assert time.monotonic() - began >= 0.05
    assert len(asked) >= 2


# -- threads -------------------------------------------------------------------------------------


def test_background_runs_beside_the_check(ctx: Context) -> None:
    """A function in the background runs in a thread of its own, and its result comes by the future."""
    gate = threading.Event()
    future = ctx.background(lambda: gate.wait(10.0) and threading.get_ident())
    assert not future.done()
    gate.set()
    assert future.result(10.0) != threading.get_ident()


def test_background_hands_over_what_is_raised(ctx: Context) -> None:
    """What a function in the background raises is raised by its future, even if it is not an Exception."""

    def violate() -> None:
        ctx.require("META-1", False, got="nothing", allowed="six members")

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(Violation, match="META-1"):
        ctx.background(violate).result(10.0)
    with pytest.raises(SystemExit):
        ctx.background(leave).result(10.0)


def test_example_ends_when_its_threads_have(session: Session) -> None:
    """At its end an example waits for what still runs in the background."""
    ctx = Context(session, "META-1")
    ended = threading.Event()

    def run() -> None:
        time.sleep(0.05)
        ended.set()

    ctx.background(run)
    ctx.close()
    assert ended.is_set()


# -- connections ---------------------------------------------------------------------------------


def test_clients_of_one_name_share_a_connection(ctx: Context) -> None:
    """The same name and options have one connection for the whole run, others have another."""
    first, again, other = ctx.client("a"), ctx.client("a"), ctx.client("b")
    assert first.connection is again.connection
    assert first.connection is not other.connection
    assert ctx.client("a", max_cached_results=10).connection is not first.connection
    assert ctx.fresh_client("a").connection is not first.connection


def test_examples_share_connections_by_options(session: Session) -> None:
    """Clients of other names get the connections of the example before, and two of one example never the same one."""
    first, second = Context(session, "META-1"), Context(session, "META-1")
    before = [first.client(name).connection for name in ("writer", "reader")]
    after = [second.client(name).connection for name in ("reader", "waiter", "third")]
    assert after[:2] == before
    assert after[2] not in before
    assert second.client("reader", max_cached_results=5).connection not in after


def test_few_connections_are_kept(session: Session) -> None:
    """Of the shared connections those stay that were used last; an example has as many as it opens."""
    ctx = Context(session, "META-1")
    connections = [ctx.client(str(number)).connection for number in range(SHARED_CONNECTIONS + 2)]
    first = ctx.client("0").connection
    assert first is connections[0]
    ctx.close()
    later = Context(session, "META-1")
    assert later.client("any").connection is first
    assert len(session._pool) == SHARED_CONNECTIONS
    assert later.client("other").connection not in connections[1:3]


def test_cut_connections_are_not_used_again(ctx: Context) -> None:
    """After the suite cut all connections, shared clients get new ones, so the next check is not surprised."""
    before = ctx.client("a")
    assert ctx.cut_connections() >= 1
    after = ctx.client("a")
    assert after.connection is not before.connection
    after.store("task-after-cut", 1)
    assert after.state("task-after-cut") == "SUCCESS"


def test_every_call_is_recorded(ctx: Context) -> None:
    """A call is in the history with its times and its outcome, whichever method made it."""
    client, task_id = ctx.client("a"), ctx.new_id()
    client.store(task_id, {"n": 1})
    read = client.perform("get_result", task_id=task_id)
    direct = client.record("wait_for", {"task_id": task_id}, lambda: Outcome("ok", "direct"))
    assert list(ctx.history)[1:] == [read, direct]
    assert read.outcome == Outcome("ok", {"n": 1})
    assert direct.outcome == Outcome("ok", "direct")
    for operation in ctx.history:
        assert operation.end is not None
        assert 0 <= operation.start <= operation.end
        encode(dict(operation.args))
    assert ctx.session.in_flight.calls == 3


def test_ids_are_never_given_twice(session: Session) -> None:
    """Two examples of one run get different ids."""
    first, second = Context(session, "META-1"), Context(session, "META-1")
    ids = {ctx.new_id(hint) for ctx in (first, second) for hint in ("task", "task", "other")}
    assert len(ids) == 6


# -- verdicts ------------------------------------------------------------------------------------


def test_requirement_is_exercised_whether_it_holds_or_not(ctx: Context) -> None:
    """What was tested is known, and one that does not hold says what was seen and what would have been right."""
    ctx.require("META-1", True, got=None, allowed="anything")
    with pytest.raises(Violation) as caught:
        ctx.require("META-2", False, got={"status": None}, allowed="PENDING")
    assert (caught.value.requirement, caught.value.allowed) == ("META-2", "PENDING")
    assert "None" in caught.value.got
    assert ctx.exercised == {"META-1", "META-2"}


def test_unknown_requirement_is_a_mistake_of_the_check(ctx: Context) -> None:
    """A check cannot speak of a sentence that the specification does not have."""
    with pytest.raises(KeyError, match="NO-1"):
        ctx.require("NO-1", True, got=None, allowed="")


def test_refusal_is_definite(ctx: Context) -> None:
    """Only a definite error of the given kinds is a refusal."""
    ctx.require_refused("ID-4", Outcome.of_error("ValueError", "empty"), "ValueError", "TypeError")
    for outcome in (
        Outcome("ok", 1),
        Outcome.of_error("OperationalError", "lost"),
        Outcome.of_error("EncodeError", "no such value"),
    ):
        with pytest.raises(Violation, match="ID-4"):
            ctx.require_refused("ID-4", outcome, "ValueError", "TypeError")


def test_grace_is_the_largest_of_three(session: Session) -> None:
    """The tolerance is 100 ms, three round trips, or the resolution of the clocks, whichever is most."""
    ctx = Context(session, "WAIT-4")
    session.rtt = 0.001
    assert ctx.grace == MIN_GRACE
    session.rtt = 0.2
    assert ctx.grace == pytest.approx(0.6)
    coarse = replace(VARIATIONS["no-op"], capabilities=replace(session.subject.capabilities, time_resolution=1.0))
    session.subject = open_specimen(coarse)
    assert ctx.grace == 1.0


def test_check_without_a_probe_is_unobserved(session: Session) -> None:
    """Where the suite cannot look into the store, it says so instead of passing."""
    session.subject = open_specimen(VARIATIONS["disabled"])
    ctx = Context(session, "META-4")
    with pytest.raises(Unobserved, match="no probe"):
        _ = ctx.probe
    with pytest.raises(Unobserved, match="no probe"):
        _ = ctx.wire
