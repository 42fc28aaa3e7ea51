"""Every interleaving of the steps of a ledger of chords, without a crash and with one at every point."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from resultspec_conformance.testkit.interleavings import Exploration, explore
from resultspec_reference.chords.ledger import (
    TRANSITIONS,
    ChordTerms,
    Claimed,
    Crash,
    Event,
    Ledger,
    Part,
    Recorded,
    Step,
)

LEASE = 1.0


@dataclass(frozen=True)
class Worker:
    """A delivery of a part that is being handled: the next step, and what it knows."""

    name: str
    part: Part
    step: Step = Step.RECORD
    granted: tuple[bytes, ...] = ()
    attempt: int = 0
    dead: bool = False


@dataclass(frozen=True)
class World:
    """The store as a ledger that can be hashed, the workers, the bodies that were sent, and the time."""

    ledger: tuple[Any, ...]
    workers: tuple[Worker, ...]
    sent: tuple[tuple[bytes, ...], ...] = ()
    now: float = 0.0
    crashes: int = 0
    lost_answers: int = 0


def frozen(ledger: Ledger) -> tuple[Any, ...]:
    """Return a ledger as a tuple of all that is in it."""
    content = copy.deepcopy(vars(ledger))
    return tuple((name, tuple(value.items()) if isinstance(value, dict) else value) for name, value in content.items())


def thawed(content: tuple[Any, ...]) -> Ledger:
    """Return the ledger that `frozen` described."""
    known: dict[str, Any] = dict(content)
    return Ledger(**{**known, "parts": dict(known["parts"])})


def perform(worker: Worker, ledger: Ledger, now: float) -> tuple[Worker, object, tuple[bytes, ...] | None]:
    """Take the next step of a worker; return it with what it learnt, the answer, and what it sent."""
    if worker.step is Step.RECORD:
        return worker, ledger.record(worker.part, None), None
    if worker.step is Step.CLAIM:
        claim = ledger.claim(worker.name, now, LEASE, None)
        return replace(worker, granted=tuple(claim.payloads)), claim.kind, None
    if worker.step is Step.FINISH:
        return worker, Event.FINISHED if ledger.finish(worker.name) else Event.LOST, None
    if worker.step is Step.SEND:
        return worker, Event.SENT, worker.granted
    return worker, {Step.JUDGE: Event.JUDGED, Step.REST: Event.RESTED}[worker.step], None


def steps_from(world: World, terms: ChordTerms) -> Iterator[tuple[str, World]]:
    """Yield what can happen next: a step, a death before or after it, the loss of its answer, the end of a lease."""
    for place, worker in enumerate(world.workers):
        if worker.step is Step.END or worker.dead:
            continue

        def with_worker(changed: Worker, place: int = place) -> tuple[Worker, ...]:
            return (*world.workers[:place], changed, *world.workers[place + 1 :])

        ledger = thawed(world.ledger)
        known, answer, sent = perform(worker, ledger, world.now)
        took = f"{worker.name} takes {worker.step.name}: {answer.name}"  # type: ignore[attr-defined]
        after = replace(world, ledger=frozen(ledger), sent=world.sent if sent is None else (*world.sent, sent))
        moved = replace(known, step=terms.following(worker.step, answer))  # type: ignore[arg-type]
        yield took, replace(after, workers=with_worker(moved))
        if world.crashes:
            dead = replace(after, crashes=world.crashes - 1)
            yield f"{took}, and dies", replace(dead, workers=with_worker(replace(worker, dead=True)))
            unborn = replace(world, crashes=world.crashes - 1)
            yield (
                f"{worker.name} dies before {worker.step.name}",
                replace(unborn, workers=with_worker(replace(worker, dead=True))),
            )
        if world.lost_answers and worker.step in (Step.RECORD, Step.CLAIM, Step.FINISH):
            again = replace(after, lost_answers=world.lost_answers - 1)
            yield f"{took}, and does not hear of it", replace(again, workers=with_worker(worker))
    ledger = thawed(world.ledger)
    if ledger.claimant and not ledger.done and world.now < ledger.held_until and _claimant_is_dead(world, ledger):
        yield "the lease ends", replace(world, now=ledger.held_until)


def _claimant_is_dead(world: World, ledger: Ledger) -> bool:
    return any(worker.dead for worker in world.workers if worker.name == ledger.claimant)


def chord(size: int | None, deliveries: str, *, crashes: int = 0, lost_answers: int = 0) -> World:
    """Return a chord whose parts, named by letters, are delivered as often as they are named."""
    ledger = Ledger()
    if size is not None:
        ledger.resize(size, "run")
    workers = tuple(
        Worker(f"w{number}", Part(letter, ord(letter), letter.encode())) for number, letter in enumerate(deliveries)
    )
    return World(frozen(ledger), workers, crashes=crashes, lost_answers=lost_answers)


def search(world: World, crash: Crash, least: int, most: int) -> Exploration[World]:
    """Search for a state in which the body was called too often, or an end in which it was called too rarely."""
    expected = tuple(sorted({worker.part.payload for worker in world.workers}))
    terms = ChordTerms(crash, LEASE)

    def wrong(state: World, is_end: bool) -> str | None:
        if len(state.sent) > most:
            return f"the body was called {len(state.sent)} times"
        if any(payloads != expected for payloads in state.sent):
            return f"the body was called with {state.sent}"
        if is_end and len(state.sent) < least:
            return f"the body was called {len(state.sent)} times in the end"
        stuck = [worker.name for worker in state.workers if not worker.dead and worker.step is not Step.END]
        return f"{', '.join(stuck)} cannot go on" if is_end and stuck else None

    return explore(world, lambda state: steps_from(state, terms), wrong)


MODES: list[Crash] = ["at-least-once", "at-most-once"]


@pytest.mark.parametrize("crash", MODES)
@pytest.mark.parametrize("deliveries", ["a", "aa", "ab", "aab", "abb", "abc", "aabb", "aaab"])
def test_without_a_crash_the_body_is_called_exactly_once(deliveries: str, crash: Crash) -> None:
    """Any number of workers, duplicates and orders: one call, with all parts in their order."""
    found = search(chord(len(set(deliveries)), deliveries), crash, least=1, most=1)
    assert not found.complaint, str(found)
    assert found.end_states


@pytest.mark.parametrize("crash", MODES)
@pytest.mark.parametrize("deliveries", ["aa", "aab"])
def test_answers_that_are_lost_change_nothing(deliveries: str, crash: Crash) -> None:
    """A step that is taken again because its answer was lost gets the same answer: one call."""
    found = search(chord(len(set(deliveries)), deliveries, lost_answers=2), crash, least=1, most=1)
    assert not found.complaint, str(found)


@pytest.mark.parametrize(("crash", "least", "most"), [("at-least-once", 1, 2), ("at-most-once", 0, 1)])
@pytest.mark.parametrize("deliveries", ["aa", "aabb", "aaab"])
def test_a_crash_does_what_the_mode_promises(deliveries: str, crash: Crash, least: int, most: int) -> None:
    """One worker dies, at any point, and what it had is delivered again: called at least, or at most, once."""
    world = chord(len(set(deliveries)), deliveries, crashes=1)
    # of a part that is delivered once only, the delivery must not be lost: nobody would deliver it again
    found = search(world, crash, least=least if min(map(deliveries.count, deliveries)) > 1 else 0, most=most)
    assert not found.complaint, str(found)


def test_at_most_once_loses_a_call_only_between_done_and_sent() -> None:
    """In the mode at-most-once the crash table has one row in which the body is never called."""
    found = search(chord(1, "aa", crashes=1), "at-most-once", least=1, most=1)
    assert found.complaint == "the body was called 0 times in the end"
    assert [step for step in found.steps if "dies" in step][-1].endswith(
        ("takes FINISH: FINISHED, and dies", "dies before SEND")
    )


def test_at_least_once_calls_twice_only_between_sent_and_done() -> None:
    """In the mode at-least-once the crash table has one row in which the body is called twice."""
    found = search(chord(1, "aa", crashes=1), "at-least-once", least=1, most=1)
    assert found.complaint == "the body was called 2 times"
    assert [step for step in found.steps if "dies" in step][-1].endswith(
        ("takes SEND: SENT, and dies", "dies before FINISH")
    )


def test_answers_cover_every_kind() -> None:
    """The table of steps says for each step what follows every answer that it can have."""
    for crash in MODES:
        table = {step: set(row) for step, row in TRANSITIONS[crash].items()}
        assert set(table) == set(Step)
        assert table[Step.RECORD] == set(Recorded)
        assert table[Step.CLAIM] == set(Claimed)
