"""Patients: backends with many defects at once, drawn from the catalogue, and what the suite has to find in each.

Everything here is decided by the seed. A patient has 2, 5, 10 or 25 defects that can live together. About a fifth of
them are faults of operations (hangs, deaths of the process, missing methods), and its store outlives its process.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE, Specimen
from resultspec_conformance.broken.combined import Combination, can_live_together, changed_by, combined, shown_by
from resultspec_conformance.broken.faults import CLASSES, FAULTS, Fault
from resultspec_conformance.broken.interplay import HIDES, SHOWN_WITH

SIZES = (2, 5, 10, 25)
"""Numbers of defects."""

STORES = ("files", "sqlite", "redis")
"""Kinds of stores that outlive a process."""

FAULTS_PER_DEFECT = 0.2

TABLES_EVERY = 4 * len(SIZES)
"""Every so many patients, one keeps rows. It has few defects, since the catalogue has few of tables."""


@dataclass(frozen=True)
class Patient:
    """One patient. `size` is the number of defects that was asked for; there may not be so many that fit together."""

    number: int
    size: int
    combination: Combination

    @property
    def target(self) -> str:
        """What judges it on the command line."""
        return f"broken:{self.combination.name}"

    @property
    def broken(self) -> frozenset[str]:
        """The requirements that its defects are there to break."""
        return frozenset(one.violates for one in self.combination.parts)

    @property
    def consequences(self) -> frozenset[str]:
        """The requirements that may be broken as well, by the catalogue or the register."""
        return frozenset[str]().union(*(one.breaks for one in self.combination.parts)) - self.broken

    @property
    def out_of_sight(self) -> frozenset[str]:
        """The requirements that nobody can judge: an operation never returns, or a defect hides them."""
        hidden = (HIDES.get(specimen.name, frozenset()) for specimen in self.combination.specimens)
        return frozenset[str]().union(*map(hidden_by, self.combination.faults), *hidden)


ONLY_BY: Mapping[str, frozenset[str]] = {
    "save_group": frozenset({"GROUP-17", "GROUP-18", "EXP-17"}),
    "wait_for": frozenset({"KEY-7", "JOIN-17", "EXP-15", "WORK-10"}),
    "apply_chord": frozenset({"GROUP-12"}),
    "set_chord_size": frozenset({"CHORD-6"}),
    "on_chord_part_return": frozenset({"GROUP-12"}),
}
"""Requirements that do not name an operation, and are about what only this operation does: bytes, waits, chords."""


def hidden_by(fault: Fault) -> frozenset[str]:
    """Return the requirements that cannot be judged with a fault: of every call, and not only of some arguments.

    They are those that name the operation, those of a class which is about this operation, and those that only this
    operation makes visible. The sentence that the fault breaks can be judged.
    """
    if fault.argument:
        return frozenset()
    named = re.compile(rf"`{fault.operation}`")
    return frozenset(
        one.id
        for one in REQUIREMENTS.values()
        if named.search(one.statement)
        or one.conformance_class == CLASSES.get(fault.operation)
        or one.id in ONLY_BY.get(fault.operation, ())
    ) - {fault.violates}


# -- drawing -----------------------------------------------------------------------------------


def drawn(count: int, seed: int) -> Iterator[Patient]:
    """Yield patients of all sizes on all stores, the same ones for the same seed."""
    for number in range(count):
        size, store = SIZES[number % len(SIZES)], STORES[number // len(SIZES) % len(STORES)]
        yield Patient(number, size, _combination(random.Random(f"{seed}/{number}"), number, size, store))


def _combination(chance: random.Random, number: int, size: int, store: str) -> Combination:
    in_tables = number % TABLES_EVERY == 1
    shelf = [one for one in CATALOGUE.values() if not one.disabled and one.in_tables == in_tables]
    chance.shuffle(shelf)
    faults = _faults(chance, int(size * FAULTS_PER_DEFECT + chance.random()), shelf[0])
    return Combination(tuple(_specimens(shelf, faults, size - len(faults))), tuple(faults), store)


def _faults(chance: random.Random, count: int, kin: Specimen) -> list[Fault]:
    """Return some faults, of one operation each, that a backend of the kind of a specimen can have."""
    candidates = [
        fault
        for fault in FAULTS.values()
        if REQUIREMENTS[fault.violates].conformance_class in kin.capabilities.classes
        and REQUIREMENTS[fault.violates].applies in ("", *kin.capabilities.provided)
    ]
    chance.shuffle(candidates)
    chosen: dict[str, Fault] = {}
    for fault in candidates:
        in_sight = all(fault.violates not in hidden_by(other) for other in chosen.values())
        hides = hidden_by(fault) & {other.violates for other in chosen.values()}
        if len(chosen) < count and in_sight and not hides:
            chosen.setdefault(fault.operation, fault)
    return list(chosen.values())


def _specimens(shelf: Iterable[Specimen], faults: Sequence[Fault], count: int) -> list[Specimen]:
    """Return the first specimens that can live with each other, and that no fault puts out of sight."""
    hidden = frozenset[str]().union(*map(hidden_by, faults))
    unreachable = frozenset(fault.operation for fault in faults if not fault.argument)
    chosen: list[Specimen] = []
    for specimen in shelf:
        if len(chosen) == count:
            break
        in_sight = specimen.violates not in hidden and _is_reached(specimen, unreachable)
        fits = in_sight and all(can_live_together(specimen, other) for other in chosen)
        if fits and _can_be_made([*chosen, specimen]):
            chosen.append(specimen)
    return chosen


def _is_reached(specimen: Specimen, unreachable: frozenset[str]) -> bool:
    """Whether a defect is in none of the operations that cannot be reached, and not behind them alone."""
    operations = shown_by(specimen)
    if SHOWN_WITH.get(specimen.name) in unreachable or unreachable & changed_by(specimen):
        return False
    return not operations or not operations <= unreachable


def _can_be_made(specimens: list[Specimen]) -> bool:
    try:
        combined(specimens)
    except TypeError:
        # Python finds no order for the bases of these classes
        return False
    return True
