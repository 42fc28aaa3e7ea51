"""What the suite made of patients: broken requirements that it found, false accusations, and what it did not judge.

*Recall* is the share of the broken requirements that were reported violated, *precision* the share of those reported
that are broken, and *blindness* the share of the requirements of the claimed classes that were not tested. Only MUSTs
count. What a defect is there to break has to be found; what may follow from it, by the catalogue or the register, may
be reported or not. Everything here is pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resultspec import REQUIREMENTS
from resultspec_conformance.report.document import Report
from resultspec_conformance.selftest.patients import Patient

LEAST_PRECISION = 1.0
LEAST_RECALL = 0.97
MOST_BLINDNESS = 0.02

SHARES = ("recall", "precision", "blindness", "whole_blindness", "recall_of_consequences")
"""The shares of a score, in the order in which they are shown."""

JUDGED = frozenset({"passed", "violated", "not tested"})
"""The verdicts on what a backend could be judged by; the others say that a sentence is not about it."""


@dataclass(frozen=True)
class Miss:
    """A broken requirement that was not reported: the verdict on it, and the defects that should have shown it."""

    requirement: str
    verdict: str
    reason: str
    defects: tuple[str, ...]


@dataclass(frozen=True)
class FalseAccusation:
    """A requirement that was reported violated and is not broken. `replay` is the command that shows it again."""

    requirement: str
    check: str
    got: str
    replay: str


@dataclass(frozen=True)
class Diagnosis:
    """What a run said of a patient, against what is true. `trouble`: why there is no report, or empty.

    `consequences` are the requirements that may be broken as well. `blind` has the reasons by requirement.
    """

    patient: Patient
    broken: frozenset[str] = frozenset()
    consequences: frozenset[str] = frozenset()
    reported: frozenset[str] = frozenset()
    judged: frozenset[str] = frozenset()
    misses: tuple[Miss, ...] = ()
    false: tuple[FalseAccusation, ...] = ()
    blind: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    trouble: str = ""

    @property
    def needless(self) -> Mapping[str, str]:
        """The blind requirements that could have been judged."""
        return {one: why for one, why in self.blind.items() if one not in self.patient.out_of_sight}


def diagnosis(patient: Patient, report: Report, seconds: float) -> Diagnosis:
    """Compare the report on a patient with its defects."""
    entries = {
        entry["id"]: entry
        for entry in report["requirements"]
        if entry["level"] == "MUST" and not entry["provisional"] and entry["verdict"] in JUDGED
    }
    broken = patient.broken & entries.keys()
    consequences = (patient.consequences & entries.keys()) - broken
    reported = frozenset(one for one, entry in entries.items() if entry["verdict"] == "violated")
    return Diagnosis(
        patient=patient,
        broken=broken,
        consequences=consequences,
        reported=reported,
        judged=frozenset(entries),
        misses=tuple(
            Miss(one, entries[one]["verdict"], entries[one]["reason"], _defects(patient, one))
            for one in entries
            if one in broken - reported
        ),
        false=tuple(
            FalseAccusation(entry["requirement"], entry["check"], entry["got"], entry["replay"]["line"])
            for entry in report["failures"]
            if entry["requirement"] in reported - broken - consequences
        ),
        blind={one: entry["reason"] for one, entry in entries.items() if entry["verdict"] == "not tested"},
        seconds=seconds,
    )


def undiagnosed(patient: Patient, classes: Iterable[str], trouble: str, seconds: float) -> Diagnosis:
    """Return the diagnosis where a run has not judged the patient at all: all was missed."""
    claimed = frozenset(classes)
    judged = frozenset(
        one.id
        for one in REQUIREMENTS.values()
        if one.conformance_class in claimed and one.level == "MUST" and not one.untestable
    )
    broken = patient.broken & judged
    misses = tuple(Miss(one, "not tested", trouble, _defects(patient, one)) for one in sorted(broken))
    blind = dict.fromkeys(sorted(judged), trouble)
    return Diagnosis(patient, broken, judged=judged, misses=misses, blind=blind, seconds=seconds, trouble=trouble)


def _defects(patient: Patient, requirement: str) -> tuple[str, ...]:
    return tuple(one.name for one in patient.combination.parts if one.violates == requirement)


# -- sums --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """The sums over some patients. `just`: reported, and broken or a consequence; `in_sight`: no fault hides it."""

    patients: int
    broken: int
    found: int
    consequences: int
    consequences_found: int
    reported: int
    just: int
    judged: int
    blind: int
    judged_in_sight: int
    blind_in_sight: int
    seconds: float

    @property
    def recall(self) -> float:
        """Broken and reported violated, of those broken."""
        return _share(self.found, self.broken)

    @property
    def recall_of_consequences(self) -> float:
        """Reported violated, of those that may be broken as well."""
        return _share(self.consequences_found, self.consequences)

    @property
    def precision(self) -> float:
        """Reported violated and broken, of those reported."""
        return _share(self.just, self.reported)

    @property
    def blindness(self) -> float:
        """Not tested, of those that could have been: without what an operation with a fault takes out of sight."""
        return 1 - _share(self.judged_in_sight - self.blind_in_sight, self.judged_in_sight)

    @property
    def whole_blindness(self) -> float:
        """Not tested, of all."""
        return 1 - _share(self.judged - self.blind, self.judged)

    @property
    def holds(self) -> bool:
        """Whether the verdicts can be believed."""
        return (
            bool(self.patients)
            and self.precision >= LEAST_PRECISION
            and self.recall >= LEAST_RECALL
            and self.blindness <= MOST_BLINDNESS
        )

    def to_json(self) -> dict[str, Any]:
        """Return the shares and the sums as JSON."""
        shares = {name: round(getattr(self, name), 4) for name in SHARES}
        return shares | {name: getattr(self, name) for name in self.__dataclass_fields__}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def score(diagnoses: Iterable[Diagnosis]) -> Score:
    """Return the sums over some diagnoses."""
    found = list(diagnoses)

    def total(count: Callable[[Diagnosis], int]) -> int:
        return sum(map(count, found))

    return Score(
        patients=len(found),
        broken=total(lambda one: len(one.broken)),
        found=total(lambda one: len(one.broken & one.reported)),
        consequences=total(lambda one: len(one.consequences)),
        consequences_found=total(lambda one: len(one.consequences & one.reported)),
        reported=total(lambda one: len(one.reported)),
        just=total(lambda one: len(one.reported & (one.broken | one.consequences))),
        judged=total(lambda one: len(one.judged)),
        blind=total(lambda one: len(one.blind)),
        judged_in_sight=total(lambda one: len(one.judged - one.patient.out_of_sight)),
        blind_in_sight=total(lambda one: len(one.needless)),
        seconds=round(sum(one.seconds for one in found), 1),
    )


def table(diagnoses: Iterable[Diagnosis]) -> Mapping[str, Score]:
    """Return the sums by the number of defects, by the kind of the store, and over all."""
    found = list(diagnoses)
    rows: dict[str, list[Diagnosis]] = {}
    for one in sorted(found, key=lambda one: one.patient.size):
        rows.setdefault(f"{one.patient.size} defects", []).append(one)
    for one in found:
        rows.setdefault(f"in {one.patient.combination.store}", []).append(one)
    return {name: score(members) for name, members in {**rows, "all": found}.items()}


def to_json(diagnoses: Iterable[Diagnosis]) -> dict[str, Any]:
    """Return everything as JSON."""
    found = list(diagnoses)
    return {
        "scores": {name: one.to_json() for name, one in table(found).items()},
        "patients": [
            {
                "number": one.patient.number,
                "target": one.patient.target,
                "size": one.patient.size,
                "store": one.patient.combination.store,
                "seconds": round(one.seconds, 1),
                "trouble": one.trouble,
                "broken": sorted(one.broken),
                "consequences": sorted(one.consequences),
                "reported": sorted(one.reported),
                "misses": [dict(vars(miss), defects=list(miss.defects)) for miss in one.misses],
                "false": [dict(vars(false)) for false in one.false],
                "blind": dict(one.needless),
                "out_of_sight": sorted(one.blind.keys() - one.needless.keys()),
            }
            for one in found
        ],
    }
