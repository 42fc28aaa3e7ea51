"""The register of requirements: every normative sentence, by its id."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from resultspec._data import text

Level = Literal["MUST", "SHOULD", "MAY"]
Role = Literal["writer", "reader", "waiter", "counter", "client"]
Severity = Literal["loss", "hang", "security", "wrong-answer", "cosmetic"]

SEVERITIES: tuple[Severity, ...] = ("loss", "hang", "security", "wrong-answer", "cosmetic")
"""What a user suffers when a requirement is broken, the worst first."""

CLASSES: tuple[str, ...] = (
    "core",
    "waiting",
    "join",
    "atomic",
    "groups",
    "chords",
    "kv-wire",
    "sql-wire",
    "extended",
    "expiry",
    "disabled",
)
"""The conformance classes, each claimed as a whole."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One normative sentence and what is known about it.

    `applies` names the capability without which the sentence says nothing about a subject, and `observe`
    what the suite needs in order to see it; both are empty for most. `entails` holds the ids that are
    necessarily broken too when this one is. `untestable` is the reason why no check exists, or empty.
    `reads_back`: a sentence about a writer that a reader can violate as well, who does not return what is stored.
    `provisional`: the sentence is new in this version, and a verdict on it is reported and not scored.
    """

    id: str
    chapter: str
    level: Level
    role: Role
    conformance_class: str
    severity: Severity
    statement: str
    intent: str
    since: str
    source: str
    applies: str = ""
    observe: str = ""
    entails: tuple[str, ...] = ()
    untestable: str = ""
    provisional: bool = False
    reads_back: bool = False

    @property
    def scored(self) -> bool:
        """Whether a violation keeps a subject from being conformant."""
        return self.level == "MUST" and not self.provisional

    @property
    def concerns_readers(self) -> bool:
        """Whether a subject that only reads and waits is judged by it."""
        return self.role not in ("writer", "counter") or self.reads_back

    @property
    def expected(self) -> bool:
        """Whether a run has a gap where this was not tested."""
        return self.level != "MAY" and not self.provisional


def _requirement(entry: Mapping[str, Any]) -> Requirement:
    testable = entry.get("testable", True)
    return Requirement(
        id=entry["id"],
        chapter=entry["chapter"],
        level=entry["level"],
        role=entry["role"],
        conformance_class=entry["class"],
        severity=entry["severity"],
        statement=entry["statement"],
        intent=entry["intent"],
        since=entry["since"],
        source=entry["source"],
        applies=entry.get("applies", ""),
        observe=entry.get("observe", ""),
        entails=tuple(entry.get("entails", ())),
        untestable="" if testable else entry["reason"],
        provisional=entry.get("provisional", False),
        reads_back=entry.get("reads_back", False),
    )


def _load() -> tuple[str, Mapping[str, Requirement]]:
    register = tomllib.loads(text("requirements.toml"))
    found = [_requirement(entry) for entry in register["requirement"]]
    by_id = {requirement.id: requirement for requirement in found}
    if len(by_id) != len(found):
        ids = [requirement.id for requirement in found]
        raise ValueError(f"requirements.toml: ids given twice: {sorted({i for i in ids if ids.count(i) > 1})}")
    return register["spec_version"], MappingProxyType(by_id)


SPEC_VERSION, REQUIREMENTS = _load()
"""The version of the specification, and its requirements by id, in the order of the chapters."""


def with_entailed(ids: Iterable[str]) -> frozenset[str]:
    """Return the requirements that are violated where some are: these, and what they entail. Raises KeyError."""
    found: set[str] = set()
    left = list(ids)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left.extend(REQUIREMENTS[one].entails)
    return frozenset(found)
