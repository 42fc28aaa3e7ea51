"""Causes: what one defect takes along is counted once, the worst first."""

from typing import Any

import pytest

from resultspec import REQUIREMENTS
from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.causes import causes_of
from resultspec_conformance.report.document import CauseEntry, CheckEntry, FailureEntry, Report, RequirementEntry
from resultspec_conformance.subject.call_failures import HUNG, NOT_CALLED_AGAIN, CallFailure, signature
from resultspec_conformance.verdict.check_results import WRONG, Failure
from resultspec_conformance.verdict.settings import CheckSettings

NO_TRACEBACK = "TypeError: Mine.store_result() got an unexpected keyword argument 'traceback'"
RECOMMENDED = next(one.id for one in REQUIREMENTS.values() if one.level == "SHOULD")
NO_REQUEST = "TypeError: Mine.store_result() got an unexpected keyword argument 'request'"


def step(op: str, error: str = "", message: str = "") -> dict[str, Any]:
    """Return an operation of a history that ended well, or in an error."""
    ended = {"kind": "fail", "error": error, "message": message} if error else {"kind": "ok", "value": None}
    return {"client": "a", "op": op, "args": {"task_id": "t"}, "start": 0.0, "end": 0.1, "outcome": ended}


def wrong(requirement: str, *history: dict[str, Any], check: str = "states.every_pair") -> FailureEntry:
    """Return the failure of a wrong answer; the last operation differs."""
    steps = list(history) or [step("get_state")]
    failure = Failure(requirement, "got", "allowed", {}, steps, {}, kind=WRONG, step=len(steps) - 1)
    return failure_entry(check, failure, "memory://", CheckSettings(), frozenset())


def ended_in(requirement: str, message: str, op: str = "store_result", check: str = "meta.m", how: str = "TypeError",
             before: int = 0) -> FailureEntry:  # fmt: skip
    """Return the failure of an operation that ended in an error."""
    history = [step("get_state")] * before + [step(op, how, message)]
    call = CallFailure(op, (("traceback", "given"),), how, requirement, text=signature(message)).to_json()
    failure = Failure(requirement, "got", "allowed", {}, history, {}, kind=how, call=call, step=before)
    return failure_entry(check, failure, "memory://", CheckSettings(), frozenset())


def requirement(report: Report, identifier: str, *checks: str) -> RequirementEntry:
    """Return the entry of a requirement that was not tested."""
    entry: RequirementEntry = {**report["requirements"][0], "id": identifier, "verdict": "not tested"}
    entry["checks"] = list(checks)
    return entry


def checked(report: Report, name: str, **changes: Any) -> CheckEntry:
    """Return the entry of a check that exercised nothing."""
    nothing = {"exercised": [], "blocked": [], "message": "", **changes}
    entry: CheckEntry = {**report["checks"][0], "name": name, **nothing}  # type: ignore[typeddict-item]
    return entry


def only(found: list[CauseEntry]) -> CauseEntry:
    """Return the single cause."""
    assert len(found) == 1, [cause["text"] for cause in found]
    return found[0]


def test_one_operation_with_one_error_is_one_cause() -> None:
    """Whatever the quoted names in the message, and whoever met it; the text has a whole message."""
    failures = [ended_in("META-5", NO_TRACEBACK, before=2), ended_in("META-7", NO_REQUEST), ended_in("META-7", "no")]
    first, second = causes_of(failures, [], [])
    assert first["text"] == f"store_result: {NO_REQUEST}"
    assert (first["violated"], first["failures"]) == (["META-5", "META-7"], [1, 0])
    assert second["text"] == "store_result: no"


def test_a_requirement_that_such_a_call_violates_belongs_to_it() -> None:
    """Also where the check has asked with `require`, and where the call failed before the step that differs."""
    failed = step("store_result", "TypeError", NO_TRACEBACK)
    failures = [ended_in("META-5", NO_TRACEBACK), wrong("VALUE-1", failed), wrong("READ-2", failed, step("get_result"))]
    assert only(causes_of(failures, [], []))["violated"] == ["META-5", "VALUE-1", "READ-2"]


def test_an_error_that_an_operation_may_end_in_is_no_cause() -> None:
    """A refusal at the wrong place is a wrong answer; an error of unknown kind is not."""
    late = wrong("WAIT-3", step("wait_for", "TimeoutError", "timed out"))
    assert only(causes_of([late], [], []))["text"] == "WAIT-3"
    assert only(causes_of([wrong("WAIT-3", step("wait_for", "Unknown", "KeyError: 1"))], [], []))["kind"] == "call"


def test_an_error_that_breaks_two_requirements_is_one_cause() -> None:
    """Although no check has said that the operation had to succeed; but a wait may run out of time for two reasons."""
    refused = step("store_result", "EncodeError", "JSON cannot carry the result of task t-1")
    cause = only(causes_of([wrong("EXC-1", refused), wrong("VALUE-1", refused)], [], []))
    assert cause["text"] == "store_result: JSON cannot carry the result of task t-1"
    late = step("wait_for", "TimeoutError", "timed out")
    assert len(causes_of([wrong("WAIT-1", late), wrong("WAIT-3", late)], [], [])) == 2


def test_a_missing_method_is_a_cause_and_comes_first() -> None:
    """It is met by calls that have to succeed and by others, and the loss of a result stands behind it."""
    missing = step("forget", "Unknown", "the backend has no forget")
    failures = [
        wrong("STATE-3"),
        ended_in("READ-4", "the backend has no forget", "forget", how="Unknown"),
        wrong("ID-6", missing, step("get_state")),
    ]
    first, second = causes_of(failures, [], [])
    assert (first["text"], first["violated"]) == ("the backend has no forget", ["ID-6", "READ-4"])
    assert (second["kind"], second["severity"]) == ("wrong answer", "loss")


def test_what_a_violated_requirement_entails_follows_from_it() -> None:
    """Over several requirements too: KEY-8 entails KEY-1, which entails KEY-2."""
    assert [cause["text"] for cause in causes_of([wrong("KEY-2")], [], [])] == ["KEY-2"]
    cause = only(causes_of([wrong("KEY-2"), wrong("KEY-8"), wrong("KEY-1")], [], []))
    assert (cause["text"], cause["violated"], cause["follows"]) == ("KEY-8", ["KEY-8"], ["KEY-1", "KEY-2"])


def test_a_wrong_answer_follows_from_an_error_too() -> None:
    """A `forget` that raises violates READ-4, which entails STATE-13."""
    cause = only(causes_of([wrong("STATE-13"), ended_in("READ-4", "KeyError: 't'", "forget")], [], []))
    assert (cause["text"], cause["follows"]) == ("forget: KeyError: 't'", ["STATE-13"])


def test_a_call_that_hangs_is_one_cause_beside_a_wrong_answer() -> None:
    """The step that did not return, and one that was spared for it, are the same, whatever came before them."""
    hung = CallFailure("forget", None, HUNG, "READ-4").to_json()
    made = [step("store_result"), step("forget", "Unknown", "did not return")]
    spared = [step("store_result"), step("forget", "Unknown", f"{NOT_CALLED_AGAIN}, since it did not return before")]
    failures = [
        failure_entry(
            f"a.check_{number}",
            Failure("READ-4", "got", "allowed", {}, history, {}, kind=HUNG, call=hung, step=1),
            "memory://",
            CheckSettings(),
            frozenset(),
        )
        for number, history in enumerate((spared, made))
    ]
    found = causes_of([wrong("STATE-3"), *failures], [], [])
    assert [cause["text"] for cause in found] == ["STATE-3", "forget did not return"]
    assert found[1]["failures"][0] == 2


def test_a_call_that_hangs_is_a_cause() -> None:
    """Its text says with which kind of argument, since others return."""
    call = CallFailure("wait_for", (("timeout", "NaN"),), "hung", "WAIT-7").to_json()
    failure = Failure("WAIT-7", "hung", "returns", {}, [step("get_state")], {}, kind="hung", call=call, step=0)
    cause = only(causes_of([failure_entry("waiting.w", failure, "memory://", CheckSettings(), frozenset())], [], []))
    assert (cause["text"], cause["severity"]) == ("wait_for(timeout NaN) did not return", "hang")


@pytest.mark.parametrize(
    "changes",
    [
        {"blocked": ["store_result(traceback given) failed (META-5)"]},
        {"message": f"no task could be brought into the state SUCCESS: TypeError ({NO_TRACEBACK})"},
        {"message": "nothing to see; the entry of 't' has no traceback (META-5)"},
        {"name": "meta.m"},
    ],
)
def test_what_was_not_tested_is_noted_at_the_cause(broken_report: Report, changes: dict[str, Any]) -> None:
    """A check says so by the call that stopped it, by the error, by the requirement, or by its own violation."""
    check = checked(broken_report, **{"name": "reads.r", **changes})
    untested = [requirement(broken_report, one, check["name"]) for one in ("READ-1", "READ-2")]
    cause = only(causes_of([ended_in("META-5", NO_TRACEBACK)], untested, [check]))
    assert cause["not_tested"] == ["READ-1", "READ-2"]


def test_what_another_reason_left_untested_is_not_noted(broken_report: Report) -> None:
    """A check that has exercised the requirement, and one that had nothing to look at, are not stopped by a cause."""
    looked = checked(broken_report, "meta.m", exercised=["READ-1"])
    other = checked(broken_report, "reads.r", message="this machine was too slow")
    untested = [requirement(broken_report, "READ-1", "meta.m", "reads.r")]
    assert only(causes_of([ended_in("META-5", NO_TRACEBACK)], untested, [looked, other]))["not_tested"] == []


def known(failure: FailureEntry) -> FailureEntry:
    """Return a failure as a known one."""
    return {**failure, "known": True}


def test_the_worst_comes_first_and_the_known_last() -> None:
    """Then those that affect no verdict; of equal ones that which takes more along."""
    failures = [
        known(wrong("STATE-3")),
        wrong(RECOMMENDED),
        wrong("STATE-4"),
        wrong("META-2"),
        ended_in("META-5", "a"),
        ended_in("META-7", "a"),
    ]
    found = causes_of(failures, [], [])
    assert [cause["text"] for cause in found] == ["store_result: a", "STATE-4", "META-2", RECOMMENDED, "STATE-3"]
    assert [cause["known"] for cause in found] == [False, False, False, False, True]
    assert [cause["scored"] for cause in found] == [True, True, True, False, True]


def test_the_smallest_history_shows_a_cause_best() -> None:
    """A known failure shows it only if no new one does, and what follows only if nothing else."""
    long, short = (wrong("KEY-8", *[step("forget")] * length) for length in (3, 2))
    cause = only(causes_of([known(wrong("KEY-8")), wrong("KEY-1"), long, short], [], []))
    assert cause["failures"] == [3, 2, 1, 0]
    assert not cause["known"]


def test_a_real_run_has_the_cause_of_its_broken_backend(broken_report: Report) -> None:
    """A backend that overwrites SUCCESS has one: STATE-3."""
    assert [cause["text"] for cause in broken_report["causes"]] == ["STATE-3"]
