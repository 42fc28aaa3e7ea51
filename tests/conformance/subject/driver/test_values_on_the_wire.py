"""The fast reader of the schema `value` says what the schema says, and costs little."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resultspec import OPERATIONS
from resultspec.schemas import complaint, validator
from resultspec_conformance.subject.driver.fast_values import value_complaint
from resultspec_conformance.subject.driver.messages import result_complaint
from resultspec_conformance.testkit.strategies import portable_values
from resultspec_conformance.wire.values import encode

KINDS = [
    *("bytes", "int", "float", "text", "tuple", "set", "frozenset", "map", "datetime", "date", "time"),
    *("uuid", "decimal", "timedelta", "exception", "opaque", "colour", 5, None),
]
LEAVES = st.none() | st.booleans() | st.integers(-5, 2**60) | st.floats(allow_nan=False) | st.text(max_size=3)
ALMOST = LEAVES | st.sampled_from(["12", "-7", "nan", "inf", "1.5", "+1", 55357, 55357.0, 0x110000, True])


def _containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    pairs = st.lists(st.lists(inner, min_size=1, max_size=3), max_size=2)
    tagged = st.fixed_dictionaries(
        {"$type": st.sampled_from(KINDS)},
        optional={
            "value": inner | pairs | st.lists(inner, max_size=3) | ALMOST,
            "type": inner,
            "module": inner,
            "args": st.lists(inner, max_size=2) | inner,
            "cause": inner,
            "more": LEAVES,
        },
    )
    exception = st.fixed_dictionaries(
        {
            "$type": st.just("exception"),
            "type": st.text(max_size=2) | LEAVES,
            "module": st.none() | LEAVES,
            "args": st.lists(inner, max_size=2),
        },
        optional={"cause": inner},
    )
    simple = st.fixed_dictionaries(
        {"$type": st.sampled_from(KINDS), "value": ALMOST | st.lists(inner, max_size=2) | pairs}
    )
    plain = st.dictionaries(st.text(max_size=2), inner, max_size=3)
    return st.lists(inner, max_size=3) | plain | tagged | exception | simple


DOCUMENTS = st.recursive(ALMOST, _containers, max_leaves=8)


@settings(max_examples=300, deadline=None, database=None)
@given(DOCUMENTS)
def test_both_readers_agree(document: object) -> None:
    """A document is a value for the fast reader exactly if it is valid by the schema."""
    assert (value_complaint(document) is None) == (complaint(document, "value") is None)


@settings(max_examples=100, deadline=None, database=None)
@given(portable_values)
def test_what_is_encoded_is_valid(value: object) -> None:
    """What the suite itself writes is a value for both readers."""
    assert value_complaint(encode(value)) is None
    assert complaint(encode(value), "value") is None


RESULTS: list[tuple[str, Any]] = [
    ("store_result", None),
    ("save_group", None),
    ("restore_group", None),
    ("restore_group", [["g", [["p", None], None]], [[["m", None], None], [["h", None], []]]]),
    ("get_group_meta", None),
    ("get_group_meta", {"result": [["g", None], []], "date_done": None, "x_other": 1}),
    ("get_task_meta", {"status": "PENDING", "result": None}),
    ("get_task_meta", {"status": "PENDING", "result": None, "$type": "a member that nobody knows"}),
    (
        "get_task_meta",
        {"status": "SUCCESS", "result": {"$type": "bytes", "value": "YQ=="}, "children": [[["c", None], None]]},
    ),
    ("get_state", "SUCCESS"),
    ("get_result", [{"$type": "int", "value": "9007199254740992"}]),
    ("get_children", None),
    ("get_children", [[["c", [["p", None], None]], []]]),
    ("wait_for", {"returned": None}),
    ("wait_for", {"raised": {"$type": "exception", "type": "E", "module": None, "args": []}}),
    ("get_many", {"yielded": [], "ended": "exhausted", "message": "", "seconds": 0}),
    (
        "get_many",
        {
            "yielded": [{"task_id": "t", "meta": {"status": "S", "result": {"$type": "set", "value": []}}, "at": 0.1}],
            "ended": "TimeoutError",
            "message": "late",
            "seconds": 1.5,
        },
    ),
    ("is_cached", False),
    ("mark_as_started", None),
    ("process_cleanup", None),
    ("on_task_call", {}),
    ("on_task_call", {"reply_to": "q"}),
    ("current_task_children", None),
    ("current_task_children", [[["c", None], None]]),
    ("apply_chord", "body-1"),
    ("apply_chord", None),
    ("on_chord_part_return", None),
    ("as_uri", "redis://"),
    ("shutdown", None),
]
WRONG_RESULTS = [
    ("store_result", True, "null"),
    ("get_task_meta", {"status": "PENDING"}, "result"),
    ("get_task_meta", {"status": 7, "result": None}, "status"),
    ("get_task_meta", {"status": "X", "result": {"$type": "nothing"}}, "$.result"),
    ("get_task_meta", {"status": "X", "result": None, "children": [["c", None]]}, "children"),
    ("get_state", None, "string"),
    ("get_result", {"a": [{"$type": "float", "value": 1.5}]}, "$.a[0]"),
    ("get_children", [[["", None], None]], "non-empty"),
    ("wait_for", {"returned": 1, "raised": 2}, "not valid under"),
    ("wait_for", 7, "7"),
    ("wait_for", {"returned": {"$type": "tuple"}}, "$.returned"),
    ("get_many", {"yielded": []}, "required"),
    ("get_many", {"yielded": [], "ended": "tired", "message": "", "seconds": 0}, "tired"),
    ("get_many", {"yielded": ["t"], "ended": "closed", "message": "", "seconds": 0}, "$.yielded[0]"),
    ("is_cached", "yes", "boolean"),
    ("on_task_call", None, "object"),
    ("current_task_children", [["c", None]], "array"),
    ("restore_group", [["t", None], None], "is not the result tuple of a group"),
    ("restore_group", [["g", None], [["m", None]]], "is not a result tuple"),
    ("restore_group", [["g", None], [[["", None], None]]], "which is empty or not text"),
    ("restore_group", [["g", None], [[["m", None], {}]]], "are not a list"),
    ("get_group_meta", {}, "required"),
    ("get_group_meta", [["g", None], []], "not valid"),
    ("get_group_meta", {"result": None}, "is not the result tuple of a group"),
    ("get_group_meta", {"result": [["g", None], []], "date_done": {"$type": "datetime"}}, "date_done"),
    ("save_group", True, "null"),
    ("shutdown", {}, "null"),
]


@pytest.mark.parametrize(("method", "result"), RESULTS)
def test_results_of_operations(method: str, result: object) -> None:
    """A result by the schema of its operation is taken."""
    assert result_complaint(method, result) is None
    if method in OPERATIONS and "$type" not in (result if isinstance(result, dict) else {}):
        assert validator(OPERATIONS[method].result).is_valid(result)


@pytest.mark.parametrize(("method", "result", "told"), WRONG_RESULTS)
def test_wrong_results_of_operations(method: str, result: object, told: str) -> None:
    """A result of another shape is refused, and what is wrong is named."""
    found = result_complaint(method, result)
    assert found is not None
    assert told in found


OTHER_STORES = {
    "mark_as_done",
    "mark_as_failure",
    "mark_as_retry",
    "mark_as_revoked",
    "fail_from_current_stack",
}
"""Operations whose result is null, as that of the first of their kind."""


def test_every_operation_has_a_result_that_is_tried() -> None:
    """No operation is left out above, but for the one whose result is that of another."""
    tried = {method for method, _ in RESULTS} | {method for method, _, _ in WRONG_RESULTS}
    others = {"delete_group", "reload_group_result", "cleanup", "expire", "set_chord_size", "add_to_chord", "settle"}
    untried = {"get_traceback", "forget", "reload_task_result", *others, *OTHER_STORES}
    assert set(OPERATIONS) - tried == untried


def test_validation_is_cheap() -> None:
    """A result of a megabyte is validated in a fraction of the seconds that the schema itself would take."""
    large = {"status": "SUCCESS", "result": [{"n": number, "text": "x" * 40} for number in range(20_000)]}
    began = time.process_time()
    assert result_complaint("get_task_meta", large) is None
    assert time.process_time() - began < 0.5
