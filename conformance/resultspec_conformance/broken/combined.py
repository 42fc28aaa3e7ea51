"""Backends with many defects: several of the catalogue's in one class, with faults, on a store of some kind.

A combination has a name: those of its defects and faults with `+` between them, and after `@` the kind of the store,
as in `failure-is-final+tombstones+hangs-forget@sqlite`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from resultspec import OPERATIONS
from resultspec_conformance.broken.baseline.lasting import KINDS
from resultspec_conformance.broken.baseline.tables import CorrectTables
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import CATALOGUE, EVERYTHING, IN_TABLES, VARIATIONS, Specimen
from resultspec_conformance.broken.faults import FAULTS, Fault
from resultspec_conformance.broken.interplay import ABOUT_DATES, HIDES, MEETING, disturbed, named_in, reached
from resultspec_conformance.subject.capabilities import Capabilities

COOPERATIVE = frozenset({"__init__", "close"})
"""Members that several classes may override: each calls the next one."""

NO_MEMBERS = frozenset(vars(type("Empty", (), {"__doc__": ""}))) | {"__annotations__", "__parameters__"}
"""What every class has of its own."""


class CombinationError(ValueError):
    """A name of a combination that cannot be made. `unknown` is the part of it that nothing is called, or empty."""

    def __init__(self, message: str, unknown: str = "") -> None:
        super().__init__(message)
        self.unknown = unknown


@dataclass(frozen=True)
class Combination:
    """Defects of one backend, faults, and the kind or the URL of its store."""

    specimens: tuple[Specimen, ...]
    faults: tuple[Fault, ...] = ()
    store: str = "memory"

    @property
    def parts(self) -> tuple[Specimen | Fault, ...]:
        """The defects and the faults."""
        return (*self.specimens, *self.faults)

    @property
    def name(self) -> str:
        """The name, by which `parsed` finds it."""
        return "+".join(one.name for one in self.parts) + (f"@{self.store}" if self.store != "memory" else "")


def parsed(name: str) -> Combination:
    """Return the combination of a name. Raises CombinationError."""
    names, _, store = name.partition("@")
    known: Mapping[str, Specimen] = {**CATALOGUE, **VARIATIONS}
    parts = names.split("+")
    for part in parts:
        if part not in known and part not in FAULTS:
            raise CombinationError(f"no broken backend is named {part!r}", part)
    if store and store.partition(":")[0] not in KINDS:
        raise CombinationError(f"entries are kept in {', '.join(KINDS)}, not in {store!r}")
    specimens = tuple(known[part] for part in parts if part in known)
    if any(specimen.disabled for specimen in specimens) and (len(parts) > 1 or store):
        raise CombinationError("a disabled backend has one defect, and no store")
    for position, one in enumerate(specimens):
        for other in specimens[:position]:
            if not can_live_together(one, other):
                raise CombinationError(f"{other.name} and {one.name} change the same thing")
    return Combination(specimens, tuple(FAULTS[part] for part in parts if part in FAULTS), store or "memory")


# -- what a defect consists of -----------------------------------------------------------------


def _family(specimen: Specimen) -> type:
    return CorrectTables if specimen.in_tables else Correct


def _usual(specimen: Specimen) -> Capabilities:
    return IN_TABLES if specimen.in_tables else EVERYTHING


def _own_classes(specimen: Specimen) -> frozenset[type]:
    return frozenset(specimen.backend.__mro__) - frozenset(_family(specimen).__mro__)


def _members(classes: Iterable[type]) -> frozenset[str]:
    return frozenset(name for cls in classes for name in vars(cls)) - NO_MEMBERS - COOPERATIVE


def changed_by(specimen: Specimen) -> frozenset[str]:
    """Return the members of the correct backend that a defect changes, and its own."""
    return _members(_own_classes(specimen))


def shown_by(specimen: Specimen) -> frozenset[str]:
    """Return the operations that come to what a defect changes, directly or through other members."""
    family, changed = _family(specimen), changed_by(specimen)
    return frozenset(operation for operation in OPERATIONS if changed & reached(family, [operation]))


def _changed(specimen: Specimen) -> Mapping[str, Any]:
    """Return the capabilities in which a specimen differs from its family."""
    mine, usual = specimen.capabilities, _usual(specimen)
    return {
        one.name: getattr(mine, one.name) for one in fields(mine) if getattr(mine, one.name) != getattr(usual, one.name)
    }


def can_live_together(one: Specimen, other: Specimen) -> bool:
    """Whether two defects fit into one class, where each does what it does alone, and nothing more.

    Both are of one family, claim nothing different, and neither changes, uses, cuts off or comes to what the other
    changes.
    """
    if one is other or one.disabled or other.disabled or one.in_tables != other.in_tables:
        return False
    if frozenset({one.name, other.name}) in MEETING or _spoils(one, other) or _spoils(other, one):
        return False
    mine, theirs = _own_classes(one), _own_classes(other)
    changed, others = _members(mine - theirs), _members(theirs - mine)
    if changed & (others | _touched(other)) or others & _touched(one):
        return False
    claims, their_claims = _changed(one), _changed(other)
    return all(their_claims.get(name, value) == value for name, value in claims.items())


def _spoils(one: Specimen, other: Specimen) -> bool:
    """Whether a defect hides what another one breaks, or breaks more together with it."""
    lives_end_by_dates = one.capabilities.choice("expiry") != "autoexpire"
    return other.violates in HIDES.get(one.name, ()) or (lives_end_by_dates and other.violates in ABOUT_DATES)


def _touched(specimen: Specimen) -> frozenset[str]:
    """Return the members of the family that a defect uses, cuts off or comes to, and does not change."""
    overridden = changed_by(specimen)
    return disturbed(specimen.backend, _family(specimen), overridden) | named_in(_own_classes(specimen)) - overridden


def combined(specimens: Sequence[Specimen]) -> Specimen:
    """Return one specimen with the defects of all, which can live together; none: the correct backend."""
    if len(specimens) == 1:
        return specimens[0]
    if not specimens:
        return VARIATIONS["no-op"]
    first = specimens[0]
    changes = {name: value for specimen in specimens for name, value in _changed(specimen).items()}
    return Specimen(
        name="+".join(specimen.name for specimen in specimens),
        violates="",
        description="Has several defects.",
        backend=type("Combined", tuple(specimen.backend for specimen in specimens), {"__doc__": "Several defects."}),
        capabilities=replace(_usual(first), **changes),
    )
