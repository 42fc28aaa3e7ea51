"""How a check is run on its examples: in batches between which nothing is kept, the same for the same seed."""

from typing import Any

import pytest
from hypothesis.strategies import integers

from resultspec_conformance.runner import execute
from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject import Subject, Unobserved
from resultspec_conformance.subject.call_failures import HUNG, CallFailure
from resultspec_conformance.testkit.context import Context, Session
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult


def _run(examples: int, failing: int | None = None) -> tuple[list[int], list[Subject], CheckResult]:
    """Run a check that notes its examples. Returns them, the subjects that were opened, and the result."""
    tried: list[int] = []
    subjects: list[Subject] = []

    def function(ctx: Context, number: int) -> None:
        """Holds."""
        tried.append(number)
        ctx.require("STATE-3", failing is None or number < failing, got=str(number), allowed="less")

    def reopen() -> Subject:
        subjects.append(open_target("memory://", "batches"))
        return subjects[-1]

    check = Check("made.up", ("STATE-3",), function, given={"number": integers(0, 10**9)})
    session = Session(reopen(), "batches", None, reopen)
    result = execute.execute(check, session, seed_number=5, examples=examples)
    session.close()
    return tried, subjects, result


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "EXAMPLES_PER_BATCH", 10)


def test_examples_are_tried_in_batches_on_fresh_subjects() -> None:
    """As many as were asked for, others in each batch, and the first as if there was one batch only."""
    tried, subjects, result = _run(35)
    assert (len(tried), len(subjects), result.examples) == (35, 4, 35)
    assert len(set(tried[:10]) & set(tried[10:20])) <= 3
    assert _run(10)[0] == tried[:10]
    assert _run(35)[0] == tried


def test_after_a_failure_in_a_later_batch_the_search_goes_on() -> None:
    """It is shrunk and reported once, and the other batches are tried for failures of another kind."""
    most = max(_run(10)[0])
    _, subjects, result = _run(300, failing=most + 1)
    assert result.status == "violated"
    assert [failure.example for failure in result.failures] == [{"number": most + 1}]
    assert len(subjects) == 30


def test_a_renewed_session_has_nothing_of_before() -> None:
    """What was written is removed, and clients are opened again."""
    session = Session(open_target("memory://", "renewed"), "renewed", None, lambda: open_target("memory://", "renewed"))
    context = Context(session, "STATE-3")
    context.client().store("t", 1)
    session.renew()
    after: Any = Context(session, "STATE-3").client()
    assert after.state("t") == "PENDING"
    session.close()


def test_a_few_cases_are_spread_over_all_and_others_for_each_seed() -> None:
    """A self-test that tries a few listed cases at a time has tried all of them after some seeds."""
    cases = [{"case": number} for number in range(10)]
    assert execute.spread_sample(cases, 0) == execute.spread_sample(cases, 10) == cases
    assert [one["case"] for one in execute.spread_sample(cases, 4)] == [0, 2, 5, 7]
    met = {str(one["case"]) for seed in range(3) for one in execute.spread_sample(cases, 4, seed)}
    assert met == {str(number) for number in range(10)}
    assert len(execute.spread_sample(cases, 4, 2**31)) == 4


@pytest.mark.parametrize(
    ("then", "exercised"),
    [("holds", ("META-4", "STATE-3")), ("fails", ()), ("raises", ()), ("was not observed", ())],
)
def test_a_violation_does_not_hide_what_else_a_check_looks_at(then: str, exercised: tuple[str, ...]) -> None:
    """What holds has been seen, too; what fails from there on may follow from the violation, and accuses nothing."""

    def function(ctx: Context) -> None:
        """Holds."""
        ctx.require("META-4", True, got="", allowed="")
        ctx.require("META-16", False, got="another id", allowed="the id")
        if then == "raises":
            raise TypeError("nothing to subscript")
        if then == "was not observed":
            raise Unobserved("too slow")
        ctx.require("STATE-3", then == "holds", got="", allowed="")

    session = Session(open_target("memory://", "past"), "past")
    check = Check("made.up", ("META-16", "META-4", "STATE-3"), function)
    result = execute.execute(check, session, seed_number=0, examples=1)
    session.close()
    assert (result.status, result.exercised) == ("violated", exercised)
    assert [failure.requirement for failure in result.failures] == ["META-16"]


def test_every_example_that_failed_is_looked_past() -> None:
    """What only the last of them comes to is looked at, too."""

    def function(ctx: Context, number: int) -> None:
        """Fails, and then looks at another sentence if the number is 2."""
        ctx.require("STATE-3", False, got="wrong", allowed="right")
        if number == 2:
            ctx.require("META-5", True, got="", allowed="")

    cases = tuple({"number": number} for number in range(3))
    check = Check("made.up", ("STATE-3", "META-5"), function, cases=cases)
    session = Session(open_target("memory://", "past"), "past")
    result = execute.execute(check, session, seed_number=5, examples=10)
    session.close()
    assert [failure.alike for failure in result.failures] == [2]
    assert result.exercised == ("META-5",)


def test_an_example_in_which_a_call_was_not_made_is_no_evidence() -> None:
    """Also where the check takes any outcome of the call, and would be content with the error."""

    def function(ctx: Context) -> None:
        """Holds."""
        outcome = ctx.client().attempt("forget", task_id=ctx.new_id())
        ctx.require("READ-5", outcome.kind in ("ok", "info"), got="", allowed="")

    session = Session(open_target("memory://", "blind"), "blind")
    check = Check("made.up", ("READ-5",), function)
    assert execute.execute(check, session, seed_number=0, examples=1).status == "passed"
    session.in_flight.known = (CallFailure("forget", None, HUNG, "READ-4"),)
    result = execute.execute(check, session, seed_number=0, examples=1)
    session.close()
    assert (result.status, result.exercised) == ("blocked", ())
    assert [call.requirement for call in result.blocked] == ["READ-4"]
