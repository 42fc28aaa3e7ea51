"""The plan of a run: what is claimed, selected and not deselected."""

import pytest

from resultspec import REQUIREMENTS
from resultspec_conformance.subject import UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.selection import Plan, Selection, plan


def one(name: str, *cites: str, needs: frozenset[str] = frozenset()) -> Check:
    """Return a check that cites requirements; the first is its principal."""
    return Check(name=name, cites=cites, function=lambda ctx: None, needs=needs)


CHECKS = {
    check.name: check
    for check in (
        one("states.pair", "STATE-1", "STATE-3"),
        one("states.sequence", "STATE-3", "STATE-4"),
        one("meta.members", "META-1"),
        one("waiting.wakes", "WAIT-1"),
    )
}


def planned(*deselect: str, select: tuple[str, ...] = (), classes: tuple[str, ...] = ()) -> Plan:
    """Return the plan for a target that claims core and waiting."""
    return plan(Selection(classes, select, deselect), CHECKS, ("core", "waiting"), frozenset())


def names(found: Plan) -> list[str]:
    """Return the names of the checks that will run."""
    return [check.name for check in found.checks]


def test_without_a_selection_everything_claimed_is_judged() -> None:
    """Every check runs, and nothing is deselected."""
    found = planned()
    assert set(names(found)) == set(CHECKS)
    assert found.ids == {one.id for one in REQUIREMENTS.values() if one.conformance_class in ("core", "waiting")}
    assert found.deselected == frozenset()


def test_a_deselected_requirement_is_not_judged_and_its_checks_run_for_the_others() -> None:
    """Only a check that has nothing else to say is left out."""
    found = planned("STATE-3")
    assert found.deselected == {"STATE-3"}
    assert "STATE-3" not in found.ids
    assert set(names(found)) == set(CHECKS)
    assert set(names(planned("STATE-3", "STATE-4"))) == set(CHECKS) - {"states.sequence"}


@pytest.mark.parametrize("pattern", ["state-*", "STATE-?", "states.*"])
def test_globs_deselect_requirements_and_checks(pattern: str) -> None:
    """Ids in either case, or the names of checks."""
    found = planned(pattern)
    assert set(names(found)) == {"meta.members", "waiting.wakes"}
    assert not {"STATE-1", "STATE-3", "STATE-4"} & found.ids


def test_a_deselected_check_takes_its_principal_with_it_and_what_no_other_check_cites() -> None:
    """STATE-3 is cited by another check, and is judged by that one; STATE-4 is cited by none."""
    assert planned("states.pair").deselected == {"STATE-1"}
    assert "states.pair" not in names(planned("states.pair"))
    assert planned("states.sequence").deselected == {"STATE-3", "STATE-4"}


def test_deselecting_prevails_over_selecting() -> None:
    """A check that was selected for a deselected requirement does not run for others that nobody selected."""
    found = planned("STATE-4", select=("STATE-4", "META-1"))
    assert found.ids == {"META-1"}
    assert names(found) == ["meta.members"]


@pytest.mark.parametrize(
    ("deselect", "select", "said"),
    [
        (("STATE-99",), (), "--deselect STATE-99 matches no requirement and no check. Did you mean STATE-"),
        (("*",), (), "no check in the classes core, waiting is left without *."),
        (("META-1",), ("META-1",), "no check for META-1 in the classes core, waiting is left without META-1."),
    ],
)
def test_a_deselection_that_matches_nothing_or_everything_is_wrong_use(
    deselect: tuple[str, ...], select: tuple[str, ...], said: str
) -> None:
    """It is refused before the run, with what it was."""
    with pytest.raises(UsageError) as raised:
        planned(*deselect, select=select)
    assert said in str(raised.value)
