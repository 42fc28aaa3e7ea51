"""State diagrams of waiting, joining and counting, from the tables of the reference and from the machines themselves.

The table of a wait does not have all: the deadline and the first look of a join are rules of `Wait.step` and
`Join.step`. So these two are tried out: from each state that can be reached, with each event that the table allows,
before the deadline and after it. What is drawn is what they did.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from docs.generate.architecture.mermaid import POINT, Step, state_diagram
from resultspec_reference.chords import ledger
from resultspec_reference.joining.machine import Join
from resultspec_reference.waiting import machine
from resultspec_reference.waiting.machine import Event, Phase, Terms, Wait

BEFORE: Final = 0.0
DEADLINE: Final = 1.0
AFTER: Final = 2.0

AFTER_THE_DEADLINE: Final = "after the deadline"
ONE_LOOK: Final = "timeout of 0 or less"
EXCEPTIONS: Final = (AFTER_THE_DEADLINE, ONE_LOOK)
"""Notes of the steps that are listed and not drawn: arrows to GIVEN_UP from everywhere would hide the others."""

MOST_EVENTS: Final = 7
"""Events that are tried in a row: each phase is reached by fewer, with everything that a machine keeps in mind."""

Table = Mapping[ledger.Step, Mapping[ledger.Outcome, ledger.Step]]


def _walk(wait: Wait, left: int, *, subscribed: bool = False) -> Iterator[Step]:
    """Take a wait through every event that it can have, from where it is."""
    for event in machine.TRANSITIONS[wait.phase] if left else ():
        for now in (BEFORE, AFTER):
            copied = copy.copy(wait)
            if isinstance(copied, Join) and copied.phase is Phase.READING:
                copied.ask(now)
            following = copied.step(event, now)
            note = ""
            if following is Phase.GIVEN_UP:
                note = AFTER_THE_DEADLINE
            elif isinstance(wait, Join) and event is Event.CALLED:
                note = "subscribed" if subscribed else "not yet subscribed"
            yield Step(wait.phase.name, following.name, event.name.lower(), note)
            listens = event is Event.SUBSCRIBED or (subscribed and event is not Event.LOST)
            yield from _walk(copied, left - 1, subscribed=listens)


def _steps(make: Callable[[Terms], Wait]) -> Sequence[Step]:
    """Return all steps of a machine, in the order of its phases; those that only a single look takes are marked."""
    patient = dict.fromkeys(_walk(make(Terms(DEADLINE, 0.5)), MOST_EVENTS))
    seen = {(step.source, step.target, step.event) for step in patient}
    look = dict.fromkeys(_walk(make(Terms(0.0, 0.5)), MOST_EVENTS))
    only_look = [
        Step(step.source, step.target, step.event, ONE_LOOK)
        for step in look
        if (step.source, step.target, step.event) not in seen
    ]
    order = {phase.name: place for place, phase in enumerate(Phase)}
    return sorted([*patient, *dict.fromkeys(only_look)], key=lambda step: (order[step.source], order[step.target]))


def waiting_steps() -> Sequence[Step]:
    """Return what a wait for one task can do."""
    return _steps(lambda terms: Wait(terms, BEFORE))


def joining_steps() -> Sequence[Step]:
    """Return what a join of many tasks can do."""
    return _steps(lambda terms: Join(["a", "b"], terms, BEFORE))


def machine_diagram(steps: Sequence[Step]) -> str:
    """Draw what a wait or a join does before its deadline; the rest is for `exceptions_table`."""
    drawn = [step for step in steps if step.note not in EXCEPTIONS]
    # the drawing depends on the order of the arrows: in this one they do not cross
    drawn.sort(key=lambda step: Phase.RECOVERING.name not in (step.source, step.target))
    reached = {step.target for step in drawn} | {Phase.START.name}
    phases = [phase.name for phase in Phase if phase.name in reached]
    ends = [Step(Phase.FINISHED.name, POINT, "")]
    return state_diagram({name: name for name in phases}, [Step(POINT, Phase.START.name, ""), *drawn, *ends])


def exceptions_table(steps: Sequence[Step]) -> str:
    """Return what a wait or a join does after its deadline, and with a timeout that allows only one look."""
    merged: dict[tuple[str, str, str], list[str]] = {}
    for step in steps:
        if step.note in EXCEPTIONS:
            merged.setdefault((step.note, step.source, step.target), []).append(step.event)
    rows = [f"| {note} | {one} | {' or '.join(events)} | {other} |" for (note, one, other), events in merged.items()]
    return "\n".join(["| when | in | event | next |", "|---|---|---|---|", *sorted(rows)])


def counting_diagram(table: Table) -> str:
    """Draw what a worker does to which a part of a chord has come back, in one of the two modes."""
    steps = [
        Step(step.name, following.name, answer.name.lower())
        for step, answers in table.items()
        for answer, following in answers.items()
    ]
    first, last = Step(POINT, ledger.Step.RECORD.name, ""), Step(ledger.Step.END.name, POINT, "")
    return state_diagram({step.name: step.name for step in table}, [first, *steps, last])
