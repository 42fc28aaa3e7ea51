"""The self-test: how a trial is judged, that nothing can be taken away unnoticed, and the whole of it for real."""

from dataclasses import replace
from pathlib import Path

import pytest

from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE, VARIATIONS, Specimen
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import CatalogueError, broken, variation
from resultspec_conformance.selftest.traceability import gaps, markdown, matrix, page
from resultspec_conformance.selftest.trials import Selftest, judge, selftest
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import CheckDefinitionError, check
from resultspec_conformance.verdict.check_results import CheckResult, Failure, Status

ROOT = Path(__file__).parents[3]
CHECKS = all_checks()
KILLER = "states.every_pair"
GUILTY = CATALOGUE["success-overwritten"]
INNOCENT = VARIATIONS["no-op"]


def result(status: Status, requirement: str = "", name: str = KILLER) -> CheckResult:
    """Return the result of a check, with a failure if a requirement is named."""
    failures = (Failure(requirement, "got", "allowed", {}, [], {}),) if requirement else ()
    return CheckResult(name, status, failures=failures, message="why")


@pytest.mark.parametrize(
    ("specimen", "results", "fate"),
    [
        (GUILTY, [result("violated", "STATE-3")], "killed"),
        (GUILTY, [result("violated", "STATE-3"), result("violated", "STATE-13")], "killed"),
        (GUILTY, [result("violated", "STATE-3"), result("violated", "EXC-1")], "stray"),
        (GUILTY, [result("violated", "STATE-13")], "survived"),
        (GUILTY, [result("violated", "STATE-3", "states.wrong_state_is_refused")], "survived"),
        (GUILTY, [result("passed")], "survived"),
        (GUILTY, [result("hung")], "failed"),
        (GUILTY, [result("error"), result("violated", "STATE-3")], "killed"),
        (INNOCENT, [result("passed")], "acquitted"),
        (INNOCENT, [result("violated", "EXC-1")], "accused"),
        (INNOCENT, [result("died")], "failed"),
    ],
)
def test_how_a_trial_ends(specimen: Specimen, results: list[CheckResult], fate: str) -> None:
    """A kill is by a check that cites the violated requirement; every other outcome differs from it."""
    assert judge(specimen, results, CHECKS, 1.0).fate == fate


def test_a_stray_accusation_is_reported() -> None:
    """Otherwise its reason would be unknown later; what follows from the defect is not reported."""
    trial = judge(GUILTY, [result("violated", "STATE-3"), result("violated", "EXC-1", "other")], CHECKS, 1.0)
    assert trial.message == "other got got"


def test_what_follows_from_a_defect_is_what_the_register_entails() -> None:
    """Consequences are followed to their end, and a correct backend has none."""
    assert {"STATE-3", "STATE-12", "STATE-13", "STATE-14"} <= GUILTY.breaks
    assert INNOCENT.breaks == frozenset()


def test_a_self_test_without_trials_does_not_hold() -> None:
    """Nothing tried is nothing shown."""
    assert not Selftest((), (), 0.0).holds


def test_nothing_is_missing() -> None:
    """Every MUST has a check that cites it and a broken backend."""
    assert gaps(REQUIREMENTS, CHECKS, CATALOGUE) == []


MUSTS = [one.id for one in REQUIREMENTS.values() if one.level == "MUST" and not one.untestable]


@pytest.mark.parametrize("must", MUSTS)
def test_a_must_that_loses_its_checks_or_its_broken_backends_is_named(must: str) -> None:
    """Without the checks that cite it, without its broken backends, or without its sentence, an id is missed."""
    uncited = {name: one for name, one in CHECKS.items() if must not in one.cites}
    assert f"{must} is cited by no check" in gaps(REQUIREMENTS, uncited, CATALOGUE)
    unbroken = {name: one for name, one in CATALOGUE.items() if one.violates != must}
    assert f"{must} is broken by no backend of the catalogue" in gaps(REQUIREMENTS, CHECKS, unbroken)
    without = {name: one for name, one in REQUIREMENTS.items() if name != must}
    assert any(f"{must}, which is unknown" in gap for gap in gaps(without, CHECKS, CATALOGUE))


def test_the_page_of_the_matrix_is_that_of_the_suite() -> None:
    """The page has to be generated again after a check, a requirement or a broken backend is added or removed."""
    kept = (ROOT / "conformance" / "traceability.md").read_text(encoding="utf-8")
    assert kept == page(), "run: python -m resultspec_conformance.selftest.traceability > conformance/traceability.md"


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_is_removed_is_missed_on_the_page(name: str) -> None:
    """Also a check whose requirements others cite too cannot go unnoticed."""
    fewer = {other: one for other, one in CHECKS.items() if other != name}
    assert markdown(matrix(REQUIREMENTS, fewer, CATALOGUE), VARIATIONS) != page()


@pytest.mark.parametrize("name", [*CATALOGUE, *VARIATIONS])
def test_a_backend_that_is_removed_is_missed_on_the_page(name: str) -> None:
    """Also a broken backend whose requirement another one breaks too cannot go unnoticed."""
    catalogue = {other: one for other, one in CATALOGUE.items() if other != name}
    variations = {other: one for other, one in VARIATIONS.items() if other != name}
    assert markdown(matrix(REQUIREMENTS, CHECKS, catalogue), variations) != page()


@pytest.mark.parametrize(
    ("cites", "message"),
    [
        ([], "must cite a requirement"),
        (["STATE-99"], "unknown requirements: STATE-99$"),
        (["STATE-1", "NOPE-1"], "unknown requirements: NOPE-1$"),
    ],
)
def test_a_check_that_cites_nothing_known_is_an_error(cites: list[str], message: str) -> None:
    """A check without a sentence behind it tests what is not documented."""
    with pytest.raises(CheckDefinitionError, match=message):
        check(*cites)


def test_a_check_says_what_should_hold_and_has_a_name_of_its_own() -> None:
    """A check without a docstring, or of a name that is taken, is an error."""

    def mute(ctx: object) -> None: ...

    with pytest.raises(CheckDefinitionError, match="does not say"):
        check("STATE-1")(mute)


def test_the_catalogue_refuses_unknown_requirements_and_names_that_are_taken() -> None:
    """A broken backend breaks a sentence that exists, under a name of its own, and says how."""
    with pytest.raises(CatalogueError, match="is not a requirement"):
        broken("STATE-99", "new")
    with pytest.raises(CatalogueError, match="are called no-op"):
        variation("no-op")(Correct)
    with pytest.raises(CatalogueError, match="does not say"):
        broken("STATE-1", "mute")(type("Mute", (Correct,), {}))


def test_a_broken_backend_that_is_mended_survives() -> None:
    """A specimen without a defect is not killed: the trial distinguishes a defect from its absence."""
    mended = replace(GUILTY, backend=Correct)
    honest = [result("passed", name=name) for name in CHECKS]
    assert judge(mended, honest, CHECKS, 0.0).fate == "survived"


SAMPLE = [
    "no-op",
    "other-key-order",
    "small-values-only",
    "disabled",
    "ids-case-folded",
    "success-overwritten",
    "get-then-set",
    "unready-tasks-dated",
    "falsy-values-dropped",
    "text-message-split",
    "failure-is-final",
    "decode-error-without-a-name",
]
"""A backend of every chapter, and some correct ones; `make selftest` tries the whole catalogue."""


def test_a_sample_of_the_self_test_holds() -> None:
    """Broken backends die for their own sentence, and correct ones are not accused, in real trials."""
    outcome = selftest(SAMPLE)
    wrong = [trial for trial in outcome.trials if trial.fate not in ("killed", "acquitted")]
    said = [f"{trial.name} {trial.fate}: {dict(trial.accusations)} {trial.message}" for trial in wrong]
    assert not wrong, "\n".join(said)
    assert {trial.name for trial in outcome.trials} == set(SAMPLE)
    assert outcome.holds
