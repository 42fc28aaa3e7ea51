"""The search through all interleavings finds what is wrong with protocols that are, and the shortest way there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from resultspec_conformance.testkit import interleavings
from resultspec_conformance.testkit.interleavings import TooManyStates, explore


@dataclass(frozen=True)
class Shared:
    """The store: how many parts came, which, who decides, and how often the body was called."""

    arrived: int = 0
    parts: frozenset[str] = frozenset()
    claimed: str = ""
    done: bool = False
    called: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class Local:
    """A delivery: its part, where in its program it is, and what it has seen."""

    name: str
    part: str
    at: int = 0
    seen: bool = False
    dead: bool = False


SIZE = 2
OVER = 99
Action = Callable[[Shared, Local], tuple[Shared, Local]]


def moved(local: Local, to: int) -> Local:
    """Return a delivery that goes on elsewhere."""
    return replace(local, at=to)


def count_arrival(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Count a delivery, whether its part was counted before or not."""
    shared = replace(shared, arrived=shared.arrived + 1, parts=shared.parts | {local.part})
    return shared, moved(local, local.at + 1 if shared.arrived == SIZE else OVER)


def count_part(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Count a part once."""
    shared = replace(shared, parts=shared.parts | {local.part})
    return shared, moved(local, local.at + 1 if len(shared.parts) >= SIZE and not shared.done else OVER)


def call(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Call the body with what there is."""
    return replace(shared, called=(*shared.called, shared.parts)), moved(local, local.at + 1)


def look(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """See whether somebody has claimed the decision."""
    return shared, moved(replace(local, seen=bool(shared.claimed)), local.at + 1)


def claim_if_none_was_seen(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Claim by what was seen before, which may have changed."""
    if local.seen:
        return shared, moved(local, OVER)
    return replace(shared, claimed=local.name), moved(local, local.at + 1)


def claim_or_leave(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Claim in one step; if somebody else has, believe that it will decide."""
    if shared.claimed or shared.done:
        return shared, moved(local, OVER)
    return replace(shared, claimed=local.name), moved(local, local.at + 1)


def finish(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Say that it is done."""
    return replace(shared, done=True, claimed=""), moved(local, OVER)


def clear(shared: Shared, local: Local) -> tuple[Shared, Local]:
    """Remove everything, the memory of having decided too."""
    return Shared(called=shared.called), moved(local, OVER)


PROGRAMS: dict[str, tuple[Action, ...]] = {
    "counts deliveries": (count_arrival, call),
    "claims nothing": (count_part, call, finish),
    "looks, then claims": (count_part, look, claim_if_none_was_seen, call, finish),
    "leaves it to who holds the claim": (count_part, claim_or_leave, call, finish),
    "remembers nothing": (count_part, claim_or_leave, call, clear),
}


@dataclass(frozen=True)
class World:
    """The store and the deliveries."""

    shared: Shared
    locals: tuple[Local, ...]
    crashes: int = 0


def steps_from(world: World, program: tuple[Action, ...]) -> Iterator[tuple[str, World]]:
    """Yield every next step of a delivery, and its death in its place."""
    for place, local in enumerate(world.locals):
        if local.dead or local.at >= len(program):
            continue
        before, after = world.locals[:place], world.locals[place + 1 :]
        shared, changed = program[local.at](world.shared, local)
        yield (
            f"{local.name}: {program[local.at].__name__}",
            replace(world, shared=shared, locals=(*before, changed, *after)),
        )
        if world.crashes:
            yield (
                f"{local.name} dies",
                World(world.shared, (*before, replace(local, dead=True), *after), world.crashes - 1),
            )


def wrong(world: World, is_end: bool) -> str | None:
    """Say what is wrong with a state."""
    called = world.shared.called
    if any(len(parts) < SIZE for parts in called):
        return "the body was called with a part missing"
    if len(called) > 1:
        return "the body was called twice"
    return "the body was never called" if is_end and not called else None


@pytest.mark.parametrize(
    ("program", "deliveries", "crashes", "complaint"),
    [
        ("counts deliveries", "aab", 0, "the body was called with a part missing"),
        ("claims nothing", "abb", 0, "the body was called twice"),
        ("looks, then claims", "abb", 0, "the body was called twice"),
        ("leaves it to who holds the claim", "aabb", 1, "the body was never called"),
        ("remembers nothing", "aabb", 0, "the body was called with a part missing"),
    ],
)
def test_a_wrong_protocol_is_found_out(program: str, deliveries: str, crashes: int, complaint: str) -> None:
    """Each of these is the protocol of some backend, and looks right when one thing happens after the other."""
    locals_ = tuple(Local(f"w{number}", part) for number, part in enumerate(deliveries))
    found = explore(World(Shared(), locals_, crashes), lambda world: steps_from(world, PROGRAMS[program]), wrong)
    assert found.complaint == complaint
    assert str(found).splitlines()[0] == complaint
    assert len(found.steps) == len(found.states) - 1


@pytest.mark.parametrize("program", ["claims nothing", "looks, then claims", "leaves it to who holds the claim"])
def test_one_delivery_after_the_other_shows_nothing(program: str) -> None:
    """The same protocols are right as long as one part at a time returns: that is why the search is needed."""
    shared = Shared()
    for name, part in (("w0", "a"), ("w1", "a"), ("w2", "b"), ("w3", "b")):
        local = Local(name, part)
        while local.at < len(PROGRAMS[program]):
            shared, local = PROGRAMS[program][local.at](shared, local)
    assert wrong(World(shared, ()), True) is None


def test_the_counterexample_is_a_shortest_one() -> None:
    """The counterexample is as short as possible."""
    locals_ = (Local("w0", "a"), Local("w1", "b"), Local("w2", "b"))
    found = explore(World(Shared(), locals_), lambda world: steps_from(world, PROGRAMS["counts deliveries"]), wrong)
    assert [step.partition(": ")[2] for step in found.steps] == ["count_arrival", "count_arrival", "call"]


def test_every_state_is_looked_at_once() -> None:
    """Two counters to three have sixteen states, however many ways lead to them."""
    visited: list[tuple[int, int]] = []

    def steps(state: tuple[int, int]) -> Iterator[tuple[str, tuple[int, int]]]:
        visited.append(state)
        if state[0] < 3:
            yield "left", (state[0] + 1, state[1])
        if state[1] < 3:
            yield "right", (state[0], state[1] + 1)

    found = explore((0, 0), steps, lambda state, is_end: None)
    assert (found.visited, found.end_states, len(visited)) == (16, 1, 16)
    assert str(found) == "no violation in 16 states, 1 of them ends"


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A protocol that counts for ever is said to do so."""
    monkeypatch.setattr(interleavings, "MAX_STATES", 100)
    with pytest.raises(TooManyStates, match="more than 100 states"):
        explore(0, lambda number: [("on", number + 1)], lambda number, is_end: None)
