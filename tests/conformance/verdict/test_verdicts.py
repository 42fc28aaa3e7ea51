"""Verdicts: what a requirement, a class and a run are judged to be, from what the checks saw."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from resultspec import Requirement
from resultspec_conformance.subject.capabilities import ONLY_WAITS
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult, Failure, Status
from resultspec_conformance.verdict.excuses import Excused, Shared
from resultspec_conformance.verdict.verdicts import EXIT_CODES, Evidence, Judgement, Verdict, judge, trace


def requirement(id_: str, **members: Any) -> Requirement:
    """Return a requirement of the class core."""
    known: dict[str, Any] = {
        "chapter": "3-states", "level": "MUST", "role": "writer", "conformance_class": "core", "severity": "loss",
        "statement": "A backend MUST hold.", "intent": "So it is.", "since": "0.1", "source": "nobody",
    }  # fmt: skip
    return Requirement(id=id_, **{**known, **members})


def one(*cites: str, name: str = "a.one", needs: frozenset[str] = frozenset()) -> Check:
    """Return a check that cites requirements."""
    return Check(name=name, cites=cites, function=lambda ctx: None, needs=needs)


def result(
    name: str = "a.one", status: Status = "passed", exercised: str = "", broke: str = "", **more: Any
) -> CheckResult:
    """Return what became of a check; `exercised` holds ids, `broke` the id that it violated."""
    failures = tuple(Failure(one, "got", "allowed", {}, [], {}) for one in broke.split())
    return CheckResult(name, status, exercised=tuple(exercised.split()), failures=failures, **more)


def judged(
    requirements: list[Requirement], checks: list[Check], results: list[CheckResult], **evidence: Any
) -> Judgement:
    """Judge the class core, everything being selected."""
    register = {one.id: one for one in requirements}
    seen = Evidence({one.name: one for one in results}, evidence.pop("ids", frozenset(register)), **evidence)
    return judge(register, {one.name: one for one in checks}, ["core"], seen)


X, Y = requirement("X-1"), requirement("Y-1")


@pytest.mark.parametrize(
    ("found", "verdict", "reason", "code"),
    [
        ([result(exercised="X-1")], "passed", "", 0),
        ([result(exercised="")], "not tested", "a.one passed, but did not exercise X-1", 4),
        ([result(status="violated", broke="X-1")], "violated", "shown by a.one", 1),
        ([result(status="violated", broke="Y-1")], "not tested", "a.one was stopped by a violation of Y-1", 4),
        (
            [result(status="hung", message="store_result by client a\nmore")],
            "not tested",
            "a.one hung: store_result by client a",
            3,
        ),
        ([result(status="died", message="exit code 1")], "not tested", "a.one died: exit code 1", 3),
        ([result(status="error", message="KeyError")], "not tested", "a.one ended in an error: KeyError", 3),
        ([result(status="unobserved", message="no race")], "not tested", "a.one observed nothing: no race", 4),
        ([], "not tested", "a.one was not selected", 4),
    ],
)
def test_one_check_decides_a_requirement(found: list[CheckResult], verdict: str, reason: str, code: int) -> None:
    """Passed needs a check that passed and exercised it; every other case differs, and no other exits with 0."""
    judgement = judged([X], [one("X-1")], found)
    assert (judgement.requirements[0].verdict, judgement.requirements[0].reason) == (verdict, reason)
    assert judgement.exit_code == code


@pytest.mark.parametrize(
    ("members", "checks", "verdict"),
    [
        ({"untestable": "no clock can tell"}, [], "untestable"),
        ({"applies": "cache"}, [one("X-1")], "not applicable"),
        ({"observe": "probe"}, [one("X-1")], "not observable"),
        ({}, [one("X-1", needs=frozenset({"wire"}))], "not observable"),
        ({}, [one("X-1", needs=frozenset({"wire"})), one("X-1", name="a.two")], "not tested"),
        ({}, [one("X-1", needs=frozenset({"pickle"}))], "not tested"),
        ({}, [], "not tested"),
    ],
)
def test_verdicts_without_evidence_differ(members: dict[str, Any], checks: list[Check], verdict: str) -> None:
    """Not applicable and not observable follow from the subject; a gap of the suite is not tested."""
    assert judged([requirement("X-1", **members)], checks, []).requirements[0].verdict == verdict


def test_claim_that_no_check_can_test_says_what_to_declare_or_to_drop() -> None:
    """Otherwise nobody would know by which claim the class could be conformant."""
    claimed = requirement("X-1", applies="worker-calls")
    checks = [one("X-1", needs=frozenset({"opaque"})), one("X-1", name="a.two", needs=frozenset({"opaque", "rows"}))]
    found = judged([claimed], checks, [], available=frozenset({"worker-calls"})).requirements[0]
    assert found.verdict == "not tested"
    assert found.reason == "its checks need opaque: declare that, or do not claim worker-calls"


def test_what_applies_and_is_seen_is_judged_as_any_other() -> None:
    """A capability that the subject declares makes its requirements count."""
    applied = requirement("X-1", applies="cache", observe="probe")
    judgement = judged([applied], [one("X-1")], [], available=frozenset({"cache", "probe"}))
    assert judgement.requirements[0].verdict == "not tested"


def test_a_violation_wins_over_trouble_and_trouble_over_gaps() -> None:
    """The exit code is that of the worst that was found, in the order 1, 3, 4."""
    z = requirement("Z-1")
    checks = [one("X-1"), one("Y-1", name="a.two")]
    died = result("a.two", "died")
    assert judged([X, Y, z], checks, [result(status="violated", broke="X-1"), died]).exit_code == 1
    assert judged([X, Y, z], checks, [result(exercised="X-1"), died]).exit_code == 3
    assert judged([X, z], checks, [result(exercised="X-1")]).exit_code == 4


def test_a_violated_should_is_shown_and_not_scored() -> None:
    """A class is conformant though a SHOULD is violated, as long as something passed."""
    should = requirement("Y-1", level="SHOULD")
    checks = [one("X-1"), one("Y-1", name="a.two")]
    found = [result(exercised="X-1"), result("a.two", "violated", broke="Y-1")]
    judgement = judged([X, should], checks, found)
    assert (judgement.requirements[1].verdict, judgement.verdict) == ("violated", "conformant")


def test_a_should_that_was_not_tested_is_a_gap_and_a_may_is_none() -> None:
    """A check that did not run is not evidence, whatever the level; a MAY does not need any."""
    found = [result(exercised="X-1")]
    assert judged([X, requirement("Y-1", level="SHOULD")], [one("X-1")], found).exit_code == 4
    assert judged([X, requirement("Y-1", level="MAY")], [one("X-1")], found).exit_code == 0


KNOWN = Excused(frozenset({("X-1", "wrong", "a.one")}))


def test_known_violations_exit_0_and_keep_the_class_from_being_conformant() -> None:
    """A violation as recorded is neither new nor conformance; another one of the same requirement is new."""
    found = [result(status="violated", broke="X-1")]
    judgement = judged([X], [one("X-1")], found, excused=KNOWN)
    assert (judgement.verdict, judgement.exit_code, judgement.reasons) == ("nothing new", 0, ())
    assert judgement.classes[0].verdict == "violated"
    assert judgement.classes[0].summary == "not conformant: 1 violated, 1 of them known"
    more = [*found, result("a.two", "violated", broke="X-1")]
    checks = [one("X-1"), one("X-1", name="a.two")]
    assert judged([X], checks, more, excused=KNOWN).exit_code == 1


def test_what_known_violations_hide_is_excused_with_them() -> None:
    """Their class is still not conformant, and neither is another one of which they hide everything."""
    found = [result(status="violated", broke="X-1")]
    judgement = judged([X, Y], [one("X-1", "Y-1")], found, excused=KNOWN)
    assert [one.excuse for one in judgement.requirements] == ["known", "known"]
    assert (judgement.requirements[1].verdict, judgement.requirements[1].consequence) == ("not tested", True)
    assert (judgement.verdict, judgement.reasons) == ("nothing new", ())
    assert judgement.classes[0].summary == (
        "not conformant: 1 violated, 1 of them known; 1 not tested, which is excused"
    )
    only_hidden = judged([Y], [one("X-1", "Y-1")], found, excused=KNOWN)
    assert (only_hidden.verdict, only_hidden.classes[0].verdict) == ("nothing new", "not tested")
    assert only_hidden.classes[0].summary == "not conformant: 1 not tested, which is excused"


def test_what_nothing_excuses_is_a_gap_as_before() -> None:
    """A check that saw nothing, or that did not run, is not the consequence of a known violation."""
    found = [result(status="violated", broke="X-1"), result("a.two", "unobserved", message="too slow")]
    checks = [one("X-1", "Y-1"), one("Y-1", name="a.two")]
    judgement = judged([X, Y], checks, found, excused=KNOWN)
    assert (judgement.exit_code, judgement.requirements[1].consequence) == (4, False)
    listed = replace(KNOWN, gaps=frozenset({"Y-1"}))
    assert judged([X, Y], checks, found, excused=listed).exit_code == 0
    died = [found[0], result("a.two", "died", message="exit code 1")]
    assert judged([X, Y], checks, died, excused=listed).exit_code == 3


def test_violations_of_a_baseline_exit_0_and_are_counted_apart() -> None:
    """A requirement that is violated in another way there is the backend's own violation."""
    found = [result(status="violated", broke="X-1"), result("a.two", "violated", broke="Y-1")]
    checks = [one("X-1"), one("Y-1", name="a.two")]
    shared = Excused(KNOWN.known, shared=Shared(frozenset({("Y-1", "wrong")})))
    judgement = judged([X, Y], checks, found, excused=shared)
    assert judgement.verdict == "nothing new"
    assert judgement.classes[0].summary == (
        "not conformant: 2 violated, 1 of them known, 1 of them shared with the baseline"
    )
    hung = Excused(KNOWN.known, shared=Shared(frozenset({("Y-1", "hung")})))
    assert judged([X, Y], checks, found, excused=hung).exit_code == 1


def test_a_stale_entry_of_the_known_failures_is_inconclusive() -> None:
    """A list that matches nothing must not stay green."""
    judgement = judged([X], [one("X-1")], [result(exercised="X-1")], stale=("known.toml, line 2",))
    assert (judgement.exit_code, judgement.reasons) == (4, ("known.toml, line 2",))


def test_trouble_of_the_harness_fails_the_run() -> None:
    """A lost store or a void self-check leaves no verdict, though every check passed."""
    assert judged([X], [one("X-1")], [result(exercised="X-1")], harness=("the store was lost",)).exit_code == 3


def test_nothing_judged_is_not_green() -> None:
    """No requirement, or a class of which nothing was tested, is inconclusive."""
    assert judged([], [], []).exit_code == 4
    untestable = requirement("X-1", untestable="no clock can tell")
    assert (judged([untestable], [], []).exit_code, judged([untestable], [], []).classes[0].verdict) == (
        4,
        "not tested",
    )


def test_what_is_not_observable_is_counted_in_the_summary() -> None:
    """Conformant as observed says how much was not observed."""
    hidden = requirement("Y-1", observe="probe")
    judgement = judged([X, hidden], [one("X-1")], [result(exercised="X-1")])
    assert judgement.exit_code == 0
    assert judgement.classes[0].summary == "conformant as observed, 1 not observable"


def test_a_selection_is_judged_as_what_was_selected_and_says_so() -> None:
    """Only selected ids are judged, and any other that a check broke."""
    found = [result(exercised="X-1")]
    judgement = judged([X, Y], [one("X-1", "Y-1")], found, ids=frozenset({"X-1"}))
    assert [verdict.requirement.id for verdict in judgement.requirements] == ["X-1"]
    assert judgement.classes[0].summary == "conformant (1 of 2 requirements selected)"
    broke_another = judged(
        [X, Y], [one("X-1", "Y-1")], [result(status="violated", broke="Y-1")], ids=frozenset({"X-1"})
    )
    assert [verdict.verdict for verdict in broke_another.requirements] == ["not tested", "violated"]


def test_a_deselected_requirement_is_not_judged_even_if_a_check_broke_it() -> None:
    """It has no verdict and does not change the exit code; the class counts it as not selected."""
    found = [result(status="violated", broke="Y-1", exercised="X-1"), result("a.two", exercised="X-1")]
    checks = [one("X-1", "Y-1"), one("X-1", name="a.two")]
    judgement = judged([X, Y], checks, found, ids=frozenset({"X-1"}), deselected=frozenset({"Y-1"}))
    assert [(one.requirement.id, one.verdict) for one in judgement.requirements] == [("X-1", "passed")]
    assert (judgement.exit_code, judgement.classes[0].summary) == (0, "conformant (1 of 2 requirements selected)")


def test_only_claimed_classes_are_judged() -> None:
    """A requirement of a class that is not claimed has no verdict, even if a check broke it."""
    foreign = requirement("Y-1", conformance_class="atomic")
    judgement = judged([X, foreign], [one("X-1", "Y-1")], [result(status="violated", broke="Y-1")])
    assert [(one.requirement.id, one.verdict) for one in judgement.requirements] == [("X-1", "not tested")]


def test_every_verdict_has_an_exit_code_of_its_own() -> None:
    """The exit code shows whether anything counts, and what; 2 means wrong usage."""
    assert sorted(EXIT_CODES.values()) == [0, 0, 1, 3, 4]
    assert {name for name, code in EXIT_CODES.items() if not code} == {"conformant", "nothing new"}


def test_what_a_run_exercised_is_joined_with_what_is_declared() -> None:
    """Leftovers on either side are named."""
    register: Mapping[str, Requirement] = {"X-1": X, "Y-1": Y}
    found = trace(register, {"a.one": ["X-1"], "a.two": ["Y-1"]}, {"a.one": ["Y-1", "Q-9"], "a.two": ["Y-1"]})
    assert found.unexercised == ("X-1",)
    assert found.undeclared == ("Q-9",)
    assert found.unclaimed == (("a.one", "Q-9"), ("a.one", "Y-1"))


def test_a_provisional_requirement_is_reported_and_not_scored() -> None:
    """New in this version, it neither breaks a class nor leaves a gap in the run; its verdict is there all the same."""
    new = requirement("Z-1", provisional=True)
    broken = judged(
        [X, new], [one("X-1"), one("Z-1", name="b.two")],
        [result(exercised="X-1"), result("b.two", "violated", broke="Z-1")],
    )  # fmt: skip
    assert [found.verdict for found in broken.requirements] == ["passed", "violated"]
    assert (broken.exit_code, broken.classes[0].verdict) == (0, "conformant")
    unseen = judged([X, new], [one("X-1")], [result(exercised="X-1")])
    assert (unseen.requirements[1].verdict, unseen.exit_code) == ("not tested", 0)


def test_the_spec_names_the_verdicts_that_a_run_gives() -> None:
    """One vocabulary: the words of the specification's table are those of a report."""
    chapter = (Path(__file__).parents[3] / "spec" / "README.md").read_text(encoding="utf-8")
    table = chapter.partition("| verdict of a requirement | when |")[2].partition("\n\n")[0]
    assert {line.split("|")[1].strip() for line in table.splitlines()[2:]} == set(get_args(Verdict))


def test_requirements_about_storing_do_not_concern_a_subject_that_only_waits() -> None:
    """They are not applicable, also where a check about reading cites them too, unless it finds one violated."""
    register = [requirement("WAIT-1", role="waiter"), requirement("STATE-3"), requirement("VALUE-1", reads_back=True)]
    checks = [one("WAIT-1", "STATE-3"), one("STATE-3", "VALUE-1", name="a.writer")]
    waits = frozenset({ONLY_WAITS})
    judgement = judged(register, checks, [result(exercised="WAIT-1 STATE-3")], available=waits)
    assert [found.verdict for found in judgement.requirements] == ["passed", "not applicable", "not applicable"]
    assert judgement.requirements[1].reason == "the subject only waits: the suite stores what it reads"
    assert "need a writer of its own" in judgement.requirements[2].reason
    assert judgement.exit_code == 0
    broken = judged(register, checks, [result(status="violated", broke="STATE-3")], available=waits)
    assert broken.requirements[1].verdict == "violated"
