"""The history of a failure as a timeline, in which the operation that differs is always shown, and whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from resultspec_conformance.report.document import FailureEntry
from resultspec_conformance.report.plain_text import arguments, lanes, milliseconds, outcome, printable, wrapped
from resultspec_conformance.report.render.lines import Line

LONGEST_TIMELINE: Final = 12
"""The number of operations of a longer history that are shown: those about the ids of the one that differs."""

LONGEST_DIFFERING_VALUE: Final = 1000
"""How long the values of the operation that differs may be."""


@dataclass
class Step:
    """An operation as it is shown; `times`: how often it was repeated with this outcome. `differs`: it is the one."""

    operation: Mapping[str, Any]
    lanes: str
    text: str
    differs: bool
    times: int = 1

    @property
    def ids(self) -> set[str]:
        """The ids of which the operation speaks."""
        args = self.operation["args"]
        many = args.get("task_ids")
        named = [args.get("task_id"), args.get("group_id"), *(many if isinstance(many, list) else [])]
        return {str(one) for one in named if one is not None}


def _steps(failure: FailureEntry) -> list[Step]:
    steps: list[Step] = []
    history = failure["history"]
    for place, (operation, picture) in enumerate(zip(history, lanes(history), strict=True)):
        differs = place == failure["step"]
        limits = {"limit": LONGEST_DIFFERING_VALUE} if differs else {}
        text = f"{printable(operation['op'])}({arguments(operation['args'], **limits)}) -> "
        text += outcome(operation, **limits)
        if steps and (steps[-1].lanes, steps[-1].text) == (picture, text):
            steps[-1].times += 1
            steps[-1].differs |= differs
        else:
            steps.append(Step(operation, picture, text, differs))
    return steps


def _shown(steps: Sequence[Step]) -> set[int]:
    """Return the positions of the steps that are shown: all, or the one that differs and those before about its ids."""
    if len(steps) <= LONGEST_TIMELINE:
        return set(range(len(steps)))
    differing = next((place for place, step in enumerate(steps) if step.differs), len(steps) - 1)
    before = [place for place in range(differing) if steps[place].ids & steps[differing].ids]
    before = before or list(range(differing))
    after = [place for place in (differing + 1,) if place < len(steps)]
    return {*before[-(LONGEST_TIMELINE - 1 - len(after)) :], differing, *after}


def shown_steps(failure: FailureEntry) -> Iterator[Step | int]:
    """Yield the operations of a failure that are shown, and the numbers of those that are left out between them."""
    steps = _steps(failure)
    shown = _shown(steps)
    left_out = 0
    for place, step in enumerate(steps):
        if place in shown:
            yield from [left_out] if left_out else []
            yield step
        left_out = 0 if place in shown else left_out + 1
    yield from [left_out] if left_out else []


def timeline(failure: FailureEntry, width: int) -> Iterator[Line]:
    """Yield the operations of a failure; the one that differs is marked."""
    longest = max((len(operation["client"]) for operation in failure["history"]), default=0)
    for step in shown_steps(failure):
        if isinstance(step, int):
            yield f"    ... {step} more steps, which are in the report ...", "dim"
            continue
        client = printable(step.operation["client"]).ljust(longest)
        mark = ">" if step.differs else " "
        head = f"  {mark} {milliseconds(step.operation['start']):>9}  {step.lanes}  {client}  "
        repeated = f" ({step.times} times)" if step.times > 1 else ""
        for line in wrapped(step.text + repeated, width, head, " " * len(head)):
            yield line, ""
