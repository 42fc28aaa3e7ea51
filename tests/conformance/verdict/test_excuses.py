"""Excuses: which failures do not count, and which gaps follow from them."""

from resultspec_conformance.subject.call_failures import CallFailure
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.excuses import Excused, Shared


def failure(requirement: str, kind: str = "wrong") -> Failure:
    """Return a failure of a kind."""
    return Failure(requirement, "got", "allowed", {}, [], {}, kind=kind)


def found(*failures: Failure, name: str = "a.one", blocked: tuple[str, str] | None = None) -> CheckResult:
    """Return the result of a check; `blocked`: the requirement of a call at which examples ended, and how."""
    calls = () if blocked is None else (CallFailure("forget", (), blocked[1], blocked[0]),)
    return CheckResult(name, "violated" if failures else "blocked", failures=failures, blocked=calls)


KNOWN = frozenset({("X-1", "wrong", "a.one")})
SHARED = Shared(frozenset({("Y-1", "hung")}), frozenset({"Z-1"}))
EXCUSED = Excused(KNOWN, frozenset({("X-1", "wrong"), ("W-1", "")}), frozenset({"G-1"}), SHARED)


def test_a_failure_is_known_by_its_check_and_shared_by_its_kind() -> None:
    """What another check finds is new; what the baseline fails in the same way is shared, whoever finds it."""
    assert EXCUSED.of_failure("a.one", failure("X-1")) == "known"
    assert EXCUSED.of_failure("a.two", failure("X-1")) == ""
    assert EXCUSED.of_failure("a.one", failure("X-1", "hung")) == ""
    assert EXCUSED.of_failure("a.two", failure("Y-1", "hung")) == "shared"
    assert EXCUSED.of_failure("a.two", failure("Y-1")) == ""


def test_a_violation_is_excused_if_all_failures_that_show_it_are() -> None:
    """One that is new makes the requirement count."""
    both = Excused(frozenset({*KNOWN, ("Y-1", "wrong", "a.one")}), shared=SHARED)
    assert EXCUSED.of_violation("X-1", [found(failure("X-1"), failure("Q-1"))]) == "known"
    assert EXCUSED.of_violation("X-1", [found(failure("X-1")), found(failure("X-1"), name="a.two")]) == ""
    assert both.of_violation("Y-1", [found(failure("Y-1"), failure("Y-1", "hung"))]) == "shared"


def test_a_gap_is_excused_if_everything_that_ended_its_examples_is() -> None:
    """The calls at which they ended, and the failures that stopped them."""
    assert EXCUSED.of_gap("Q-1", [found(failure("X-1"))]) == "known"
    assert EXCUSED.of_gap("Q-1", [found(blocked=("Y-1", "hung"))]) == "shared"
    assert EXCUSED.of_gap("Q-1", [found(blocked=("X-1", "wrong"), name="a.two")]) == "known"
    assert EXCUSED.of_gap("Q-1", [found(blocked=("W-1", "hung"))]) == "known"
    assert EXCUSED.of_gap("Q-1", [found(blocked=("X-1", "hung"))]) == ""
    assert EXCUSED.of_gap("Q-1", [found(failure("X-1")), found(failure("Q-2"), name="a.two")]) == ""


def test_a_gap_without_such_a_reason_is_not_excused() -> None:
    """A check that did not run, or that saw nothing, says nothing about failures."""
    assert EXCUSED.of_gap("Q-1", []) == ""
    assert EXCUSED.of_gap("Q-1", [None, found(failure("X-1"))]) == ""
    assert EXCUSED.of_gap("Q-1", [CheckResult("a.one", "unobserved"), found(failure("X-1"))]) == ""


def test_a_gap_that_is_listed_or_shared_is_excused() -> None:
    """For whatever reason it was not tested."""
    assert EXCUSED.of_gap("G-1", [None]) == "known"
    assert EXCUSED.of_gap("Z-1", [CheckResult("a.one", "unobserved")]) == "shared"
