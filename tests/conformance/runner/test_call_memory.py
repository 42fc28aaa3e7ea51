"""What the workers of a run remember of calls that hang or end the process."""

from resultspec_conformance.limits import HANGS_UNTIL_GIVEN_UP
from resultspec_conformance.runner.call_memory import CallMemory
from resultspec_conformance.subject.call_failures import HUNG, CallFailure
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import Failure


def _loss(kinds: tuple[tuple[str, str], ...] = ()) -> Failure:
    call = CallFailure("forget", kinds, HUNG, "READ-4")
    return Failure("READ-4", "got", "allowed", {}, [], {}, kind=HUNG, call=call.to_json())


def _check(name: str, *, first: bool = False) -> Check:
    return Check(name, ("READ-4",), lambda ctx: None, first=first)


def test_a_hang_of_an_ordinary_call_counts_everywhere() -> None:
    """Whatever the arguments are, no check makes it again."""
    memory = CallMemory()
    memory.add_loss(_loss(), _check("calls.forget_answers", first=True))
    assert memory.has_hung
    assert [(known.kinds, known.check) for known in memory.known] == [(None, "")]


def test_a_hang_of_an_unusual_call_counts_for_such_calls() -> None:
    """Others are still made."""
    memory = CallMemory()
    memory.add_loss(_loss((("task_id", "not portable"),)), _check("a.check"))
    assert [(known.kinds, known.check) for known in memory.known] == [((("task_id", "not portable"),), "")]


def test_a_hang_of_a_usual_call_counts_in_its_check_until_several_have_met_it() -> None:
    """Its cause may be what the check did before."""
    memory = CallMemory()
    for number in range(HANGS_UNTIL_GIVEN_UP):
        memory.add_loss(_loss(), _check(f"a.check_{number}"))
    assert [known.check for known in memory.known] == ["a.check_0", "a.check_1", ""]
