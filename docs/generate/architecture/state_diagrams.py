"""The state diagram of a task, from `states.json`.

The table has a row for each state, and most rows are equal. States that are treated alike, as what is stored and as
what arrives, are drawn as one.
An arrow is an entry that is replaced by one of another group.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from docs.generate.architecture.mermaid import POINT, Step, state_diagram, wrapped
from resultspec.states import ABSENT, StateTable


@dataclass(frozen=True)
class Cell:
    """What a store does for a pair of states, and the requirement that says so."""

    action: str
    requirement: str


def _cell(table: StateTable, there: str, arrives: str) -> Cell:
    stored = None if there == ABSENT else there
    return Cell(table.transitions[there][arrives], table.requirement(stored, arrives))


def alike(table: StateTable) -> Mapping[tuple[str, ...], str]:
    """Return the groups of states that are treated alike, each with the state that is looked up for it."""
    groups: dict[tuple[Cell, ...], list[str]] = {}
    arriving = list(table.transitions[ABSENT])
    for state in arriving:
        row = tuple(_cell(table, state, other) for other in arriving)
        column = tuple(_cell(table, other, state) for other in (ABSENT, *arriving))
        groups.setdefault((*row, *column), []).append(state)
    return {(ABSENT,): ABSENT} | {tuple(members): members[0] for members in groups.values()}


def _actions(table: StateTable, cell: Cell) -> Iterator[tuple[str, str]]:
    """Return the actions that a cell allows, each with the value of the choice that a backend declares for it."""
    choice = table.choices.get(cell.action)
    if choice is None:
        yield cell.action, ""
    else:
        yield from ((action, f"{cell.action}: {value}") for value, action in choice.items())


def task_steps(table: StateTable) -> Iterator[Step]:
    """Return the arrows: what is replaced by an entry of another group, and what is kept whatever arrives."""
    groups = alike(table)
    arriving = [first for first in groups.values() if first != ABSENT]
    for there in groups.values():
        cells = {arrives: _cell(table, there, arrives) for arrives in arriving}
        if {cell.action for cell in cells.values()} == {"keep"}:
            yield Step(there, there, f"kept, {cells[there].requirement}")
        for arrives, cell in cells.items():
            for action, value in _actions(table, cell):
                if action == "replace" and arrives != there:
                    yield Step(POINT if there == ABSENT else there, arrives, cell.requirement, value)


def task_diagram(table: StateTable) -> str:
    """Draw the life of an entry."""
    labels = {
        first: wrapped([f"{name}," for name in members[:-1]] + [members[-1]])
        for members, first in alike(table).items()
        if first != ABSENT
    }
    return state_diagram(labels, dict.fromkeys(task_steps(table)))


def task_table(table: StateTable) -> str:
    """Return what a store does for each group of states that is stored and each that arrives."""
    groups = alike(table)
    names = {first: ", ".join(members) for members, first in groups.items()}
    arriving = [first for first in groups.values() if first != ABSENT]
    header = " | ".join(f"{names[first]} arrives" for first in arriving)
    lines = [f"| stored | {header} |", "|---" * len(groups) + "|"]
    for there in groups.values():
        cells = (_cell(table, there, arrives) for arrives in arriving)
        lines.append(f"| {names[there]} | " + " | ".join(_shown(table, cell) for cell in cells) + " |")
    return "\n".join(lines)


def _shown(table: StateTable, cell: Cell) -> str:
    actions = [f"{action} (`{value}`)" if value else action for action, value in _actions(table, cell)]
    return f"{' or '.join(actions)}: {cell.requirement}"
