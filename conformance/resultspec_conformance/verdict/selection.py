"""Which requirements and checks a run judges: those that are claimed and selected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from resultspec import REQUIREMENTS, Requirement
from resultspec.requirements import CLASSES
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.suggestions import did_you_mean
from resultspec_conformance.verdict.verdicts import VIEWS


@dataclass(frozen=True)
class Selection:
    """The selection of the user. `classes`: empty for all claimed ones.

    `patterns` and `deselected` are ids, names of checks, or globs of them; without patterns everything is selected.
    `lenient`: a class that the target does not claim is left out, and not refused.
    """

    classes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    lenient: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run will do. `ids` are judged; `checks` run in this order; `skipped` says why others do not run.

    `deselected` are not judged, even if a check that runs for another requirement breaks them. `unclaimed` has those of
    `skipped` that need something the target does not claim; the others need a view that the suite lacks. `beforehand`
    are checks of ordinary calls that are not selected: they run without being judged, since what fails there explains
    what the others cannot test.
    """

    classes: tuple[str, ...]
    ids: frozenset[str]
    checks: tuple[Check, ...]
    skipped: Mapping[str, str]
    deselected: frozenset[str] = frozenset()
    unclaimed: frozenset[str] = frozenset()
    beforehand: tuple[Check, ...] = ()


def require_known(id_: str) -> Requirement:
    """Return a requirement by its id, in upper or lower case. Raises UsageError."""
    found = REQUIREMENTS.get(id_.upper())
    if found is None:
        raise UsageError(
            f"no requirement has the id {id_!r}.{did_you_mean(id_, REQUIREMENTS)}\nAll ids: resultspec requirements"
        )
    return found


def _matches(pattern: str, check: Check) -> bool:
    return fnmatchcase(check.name, pattern)


def _ids_of(pattern: str) -> list[str]:
    return [one for one in REQUIREMENTS if fnmatchcase(one, pattern.upper())]


def validate(selection: Selection, checks: Mapping[str, Check]) -> None:
    """Raise UsageError for a class that does not exist, or a pattern that matches no id and no check."""
    for name in selection.classes:
        if name not in CLASSES:
            raise UsageError(f"no class is named {name!r}.{did_you_mean(name, CLASSES)}\nClasses: {', '.join(CLASSES)}")
    for option, patterns in (("--select", selection.patterns), ("--deselect", selection.deselected)):
        for pattern in patterns:
            if not _ids_of(pattern) and not any(_matches(pattern, check) for check in checks.values()):
                hint = did_you_mean(pattern, [*REQUIREMENTS, *checks])
                raise UsageError(
                    f"{option} {pattern} matches no requirement and no check.{hint}\nSee: resultspec requirements"
                )


def _classes(selection: Selection, claimed: Sequence[str]) -> tuple[str, ...]:
    for name in selection.classes:
        if name not in claimed and not selection.lenient:
            raise UsageError(f"the target does not claim the class {name!r}; it claims {', '.join(claimed)}.")
    return tuple(name for name in CLASSES if name in (selection.classes or claimed) and name in claimed)


def _selected(patterns: Sequence[str], checks: Iterable[Check]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids that patterns select, and the names of the checks that are named or cite a selected id."""
    candidates = list(checks)
    if not patterns:
        return frozenset(REQUIREMENTS), frozenset(check.name for check in candidates)
    ids = {one for pattern in patterns for one in _ids_of(pattern)}
    named = [check for check in candidates if any(_matches(pattern, check) for pattern in patterns)]
    chosen = {check.name for check in named} | {check.name for check in candidates if ids & set(check.cites)}
    return frozenset(ids | {check.principal for check in named}), frozenset(chosen)


def _deselected(patterns: Sequence[str], checks: Iterable[Check]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids that patterns deselect, and the names of the checks that are named.

    A check takes its principal with it, as it does when it is selected, and whatever no other check cites.
    """
    named: list[Check] = []
    others: list[Check] = []
    for check in checks:
        (named if any(_matches(pattern, check) for pattern in patterns) else others).append(check)
    ids = {one for pattern in patterns for one in _ids_of(pattern)} | {check.principal for check in named}
    orphans = _cited(named) - _cited(others)
    return frozenset(ids | orphans), frozenset(check.name for check in named)


def _cited(checks: Iterable[Check]) -> frozenset[str]:
    return frozenset(one for check in checks for one in check.cites)


def in_order(checks: Iterable[Check]) -> list[Check]:
    """Return checks in the order of their principal requirements in the register."""
    order = {one: position for position, one in enumerate(REQUIREMENTS)}
    return sorted(checks, key=lambda check: (order[check.principal], check.name))


def _is_claimed(check: Check, claimed: Sequence[str]) -> bool:
    return any(REQUIREMENTS[cite].conformance_class in claimed for cite in check.cites)


def plan(selection: Selection, checks: Mapping[str, Check], claimed: Sequence[str], available: frozenset[str]) -> Plan:
    """Return what a run does. Raises UsageError if nothing is left to do."""
    validate(selection, checks)
    classes = _classes(selection, claimed)
    in_classes = [
        check
        for check in checks.values()
        if any(REQUIREMENTS[cite].conformance_class in classes for cite in check.cites)
    ]
    ids, names = _selected(selection.patterns, in_classes)
    deselected, left_out = _deselected(selection.deselected, in_classes)
    judged = frozenset(one for one in ids - deselected if REQUIREMENTS[one].conformance_class in classes)
    chosen = in_order(check for check in in_classes if check.name in names - left_out and judged & set(check.cites))
    if not chosen or not judged:
        raise UsageError(_nothing_selected(selection, classes, claimed))
    chosen.sort(key=lambda check: not check.first)
    skipped = {
        check.name: f"needs {', '.join(sorted(lacking))}" for check in chosen if (lacking := check.lacks(available))
    }
    runs = tuple(check for check in chosen if check.name not in skipped)
    unclaimed = frozenset(check.name for check in chosen if check.lacks(available) - VIEWS)
    beforehand = tuple(
        check
        for check in checks.values()
        if check.first and check not in chosen and _is_claimed(check, claimed) and not check.lacks(available)
    )
    return Plan(classes, judged, runs, skipped, deselected, unclaimed, beforehand)


def _nothing_selected(selection: Selection, classes: Sequence[str], claimed: Sequence[str]) -> str:
    sought = f" for {', '.join(selection.patterns)}" if selection.patterns else ""
    left = f" is left without {', '.join(selection.deselected)}" if selection.deselected else ""
    return (
        f"nothing is selected: no check{sought} in the classes {', '.join(classes)}{left}.\n"
        f"The target claims {', '.join(claimed)}. See: resultspec requirements"
    )
