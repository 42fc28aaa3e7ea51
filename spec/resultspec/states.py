"""The states of a task, the sets that they form, and what a store does for every pair of them.

The theory is data (`states.json`). A state is looked up in the table under its *row*: its own name for the
named and the reserved states, `custom` for every other text, and `absent` if no entry exists.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from resultspec._data import text

Action = Literal["replace", "keep"]
"""What a store does with an arriving entry."""

ABSENT = "absent"
CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class StateTable:
    """The content of `states.json`, and the few lookups that interpret it."""

    named: tuple[str, ...]
    reserved: tuple[str, ...]
    initial: str
    custom_max_length: int
    sets: Mapping[str, frozenset[str]]
    transitions: Mapping[str, Mapping[str, str]]
    choices: Mapping[str, Mapping[str, Action]]
    rules: tuple[Mapping[str, Any], ...]

    def row(self, state: str | None) -> str:
        """Return the row of a state: its own name, `custom`, or `absent` for None."""
        if state is None:
            return ABSENT
        return state if state in self.transitions and state not in (ABSENT, CUSTOM) else CUSTOM

    def decide(self, there: str | None, arrives: str, *, late_unready: str = "latest") -> Action:
        """Return what a store does when `arrives` meets `there` (None: no entry), under a declared choice.

        Raises KeyError for a choice that the specification does not name.
        """
        cell = self.transitions[self.row(there)][self.row(arrives)]
        if cell == "late_unready":
            return self.choices["late_unready"][late_unready]
        return "keep" if cell == "keep" else "replace"

    def requirement(self, there: str | None, arrives: str) -> str:
        """Return the id of the requirement that decides the pair."""
        row, column = self.row(there), self.row(arrives)
        for rule in self.rules:
            if row in rule["there"] and ("*" in rule["arrives"] or column in rule["arrives"]):
                return str(rule["id"])
        raise KeyError((there, arrives))

    def is_ready(self, state: str) -> bool:
        """Whether a task in this state is ready: by membership in READY, and by nothing else."""
        return state in self.sets["READY"]


def _load() -> StateTable:
    data = json.loads(text("states.json"))
    return StateTable(
        named=tuple(data["named"]),
        reserved=tuple(data["reserved"]),
        initial=data["initial"],
        custom_max_length=data["custom"]["max_length"],
        sets=MappingProxyType({name: frozenset(members) for name, members in data["sets"].items()}),
        transitions=MappingProxyType(data["transitions"]),
        choices=MappingProxyType(data["choices"]),
        rules=tuple(data["requirements"]),
    )


STATES = _load()
"""The state table of this version of the specification."""
