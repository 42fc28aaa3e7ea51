"""Which requirement a failing call violates, and which calls are the same failure once more."""

import math
import uuid
from typing import Any

import pytest

from resultspec import OPERATIONS, REQUIREMENTS
from resultspec_conformance.subject.call_failures import (
    HUNG,
    NOT_CALLED_AGAIN,
    CallFailure,
    first_that_covers,
    kinds_of,
    sentence_about,
    signature,
)
from resultspec_conformance.subject.history import Outcome


@pytest.mark.parametrize(
    ("op", "args", "how", "requirement"),
    [
        ("forget", {"task_id": "task-1"}, "TypeError", "READ-4"),
        ("forget", {"task_id": "a:b"}, "ValueError", "ID-1"),
        ("forget", {"task_id": "x" * 100}, "ValueError", "ID-1"),
        ("forget", {"task_id": "ä"}, "Unknown", "ID-3"),
        ("forget", {"task_id": ""}, "Unknown", "ID-4"),
        ("get_state", {"task_id": uuid.UUID(int=1)}, "TypeError", "ID-5"),
        ("save_group", {"group_id": uuid.UUID(int=1), "result": []}, "TypeError", "GROUP-10"),
        ("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}, "Unknown", "STATE-1"),
        ("store_result", {"task_id": "t", "state": "success", "request": {"id": "t"}}, "ValueError", "STATE-1"),
        ("store_result", {"task_id": "t", "result": b"1", "state": "SUCCESS"}, "EncodeError", "VALUE-1"),
        ("wait_for", {"task_id": "t", "timeout": math.nan}, HUNG, "WAIT-7"),
        ("wait_for", {"task_id": "t", "timeout": "1"}, HUNG, "WAIT-7"),
        ("wait_for", {"task_id": "t", "timeout": 0}, HUNG, "WAIT-5"),
        ("wait_for", {"task_id": "t", "timeout": 1, "interval": 0}, HUNG, "WAIT-4"),
        ("wait_for", {"task_id": "t", "timeout": 1}, HUNG, "WAIT-4"),
        ("wait_for", {"task_id": "t", "timeout": 1}, "Unknown", "WAIT-1"),
        ("get_many", {"task_ids": ["t"], "timeout": 1, "max_iterations": 3}, HUNG, "JOIN-13"),
    ],
)
def test_the_requirement_is_about_the_operation_and_its_unusual_argument(
    op: str, args: dict[str, Any], how: str, requirement: str
) -> None:
    """An ordinary call violates the sentence about the operation, an unusual one that about the argument."""
    assert sentence_about(op, args, how) == requirement


def test_every_operation_has_a_requirement_that_exists() -> None:
    """A new operation cannot be without one."""
    assert all(operation.requirement in REQUIREMENTS for operation in OPERATIONS.values())


def test_a_cause_covers_calls_with_arguments_of_the_same_kinds_only() -> None:
    """Another timeout is another cause; without kinds every call of the operation is meant."""
    hung = CallFailure("wait_for", kinds_of({"task_id": "t", "timeout": math.nan}), HUNG, "WAIT-7")
    assert hung.covers("wait_for", {"task_id": "other", "timeout": math.nan}, "a.check")
    assert not hung.covers("wait_for", {"task_id": "t", "timeout": 1}, "a.check")
    assert not hung.covers("get_many", {"task_ids": ["t"], "timeout": math.nan}, "a.check")
    always = CallFailure("forget", None, HUNG, "READ-4")
    assert first_that_covers([hung, always], "forget", {"task_id": "ä"}, "a.check") is always
    here = CallFailure("forget", (), HUNG, "READ-4", check="a.check")
    assert here.covers("forget", {"task_id": "t"}, "a.check")
    assert not here.covers("forget", {"task_id": "t"}, "another.check")


def test_an_error_is_the_same_whatever_it_says_of_the_call() -> None:
    """Ids and numbers in a message do not make another failure of it; another error does."""
    failure = CallFailure("forget", (), "Unknown", "READ-4", text=signature("KeyError: 'task-17'"))
    assert failure.explains("forget", Outcome.of_error("Unknown", "KeyError: 'task-18'"))
    assert not failure.explains("forget", Outcome.of_error("Unknown", "IndexError: 'task-18'"))
    assert not failure.explains("get_state", Outcome.of_error("Unknown", "KeyError: 'task-18'"))


def test_a_call_that_is_not_made_again_has_an_indefinite_outcome() -> None:
    """Nobody knows what it would have done."""
    outcome = CallFailure("forget", None, HUNG, "READ-4").outcome
    assert (outcome.kind, outcome.message.startswith(NOT_CALLED_AGAIN)) == ("info", True)


def test_a_failure_crosses_processes() -> None:
    """What one worker has learned, the others are told."""
    for failure in (
        CallFailure("forget", None, HUNG, "READ-4", check="a.check"),
        CallFailure("wait_for", (("timeout", "NaN"),), "Unknown", "WAIT-7", text="…"),
    ):
        assert CallFailure.from_json(failure.to_json()) == failure
