"""What is decoded is what the schema `value` allows; of results, also what is wrong in a way that checks can see."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resultspec import OPERATIONS
from resultspec.schemas import complaint, validator
from resultspec_conformance.subject.driver.messages import DriverAnswer, outcome_of
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.strategies import portable_values
from resultspec_conformance.wire.values import ValueFormatError, decode, encode

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


def is_decoded(document: object) -> bool:
    """Whether a document is decoded."""
    try:
        decode(document)
    except ValueFormatError:
        return False
    return True


FORMS_IN_TEXTS = ("bytes", "datetime", "date", "time", "uuid", "decimal", "timedelta")
"""The schema does not say which texts stand for a value of these; what is a key or in a set has to have a hash."""


def _is_exact(document: Any) -> bool:
    """Whether the schema says everything about a document, and decoding may not be stricter."""
    if isinstance(document, list):
        return all(map(_is_exact, document))
    if not isinstance(document, dict):
        return True
    kind = document.get("$type")
    return kind not in (*FORMS_IN_TEXTS, "set", "frozenset", "map") and all(map(_is_exact, document.values()))


@settings(max_examples=300, deadline=None, database=None)
@given(DOCUMENTS)
def test_what_is_decoded_is_valid(document: object) -> None:
    """Only what is valid by the schema is decoded, and everything that the schema describes completely."""
    valid = complaint(document, "value") is None
    assert valid or not is_decoded(document)
    assert is_decoded(document) or not valid or not _is_exact(document)


@settings(max_examples=100, deadline=None, database=None)
@given(portable_values)
def test_what_is_encoded_is_valid(value: object) -> None:
    """What the suite itself writes is a value for both."""
    assert is_decoded(encode(value))
    assert complaint(encode(value), "value") is None


RESULTS: list[tuple[str, Any]] = [
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
    ("on_task_call", {}),
    ("on_task_call", {"reply_to": "q"}),
    ("current_task_children", None),
    ("current_task_children", [[["c", None], None]]),
    ("apply_chord", "body-1"),
    ("apply_chord", None),
    ("as_uri", "redis://"),
]
MALFORMED = [
    ("get_task_meta", {"status": 7, "result": None}, "it has no status that is a text"),
    ("get_task_meta", ["status", "result"], "it is not a map"),
    ("get_task_meta", {"status": "X", "result": {"$type": "nothing"}}, "type 'nothing'"),
    ("get_state", None, "it is not a text"),
    ("get_result", {"a": [{"$type": "float", "value": 1.5}]}, "type 'float'"),
    ("wait_for", {"returned": 1, "raised": 2}, "either returned or raised"),
    ("wait_for", 7, "returned 7: it is not a map"),
    ("wait_for", {"returned": {"$type": "tuple"}}, "type 'tuple'"),
    ("get_many", {"yielded": []}, "how the join has ended"),
    ("get_many", {"yielded": None}, "what was yielded"),
    ("get_many", {"yielded": ["t"], "ended": "closed", "message": "", "seconds": 0}, "an item does not have a task_id"),
    (
        "get_many",
        {
            "yielded": [{"task_id": "t", "meta": {"status": 7, "result": 1}, "at": 0}],
            "ended": "closed",
            "message": "",
            "seconds": 0,
        },
        "of the meta of an item, it has no status that is a text",
    ),
    ("is_cached", "yes", "neither true nor false"),
    ("restore_group", [["t", None], None], "it is not a group"),
    ("restore_group", {"id": "g"}, "it is not a group"),
    ("get_group_meta", {}, "it is not a map with a result"),
    ("get_group_meta", [["g", None], []], "it is not a map with a result"),
    ("get_group_meta", {"result": None}, "it is not a group"),
    ("get_group_meta", {"result": [["g", None], []], "date_done": {"$type": "datetime"}}, "type 'datetime'"),
    ("apply_chord", 7, "it is not a text"),
    ("as_uri", None, "it is not a text"),
]
HANDED_ON = [
    ("get_task_meta", {"status": "PENDING"}),
    ("get_many", {"yielded": [{"task_id": 1, "meta": {"status": "S"}, "at": 0}], "ended": "closed", "message": ""}),
    ("get_task_meta", {"status": "X", "result": None, "children": [["c", None]]}),
    ("get_task_meta", {"status": "X", "result": None, "children": {"id": "c"}}),
    ("get_children", [[["", None], None]]),
    ("on_task_call", None),
    ("current_task_children", [["c", None]]),
    ("restore_group", [["g", None], [[["m", None]]]]),
    ("restore_group", [["g", None], [[["", None], None]]]),
    ("restore_group", [["g", None], [[["m", None], {}]]]),
]


@pytest.mark.parametrize(("method", "result"), RESULTS)
def test_results_of_operations(method: str, result: object) -> None:
    """A result by the schema of its operation is taken."""
    assert outcome_of(method, DriverAnswer(1, b"", result)).kind == "ok"
    if "$type" not in (result if isinstance(result, dict) else {}):
        assert validator(OPERATIONS[method].result).is_valid(result)


@pytest.mark.parametrize(("method", "result", "told"), MALFORMED)
def test_malformed_results(method: str, result: object, told: str) -> None:
    """A result that no check can look at is an outcome that says why, and what was answered."""
    outcome = outcome_of(method, DriverAnswer(1, b"", result))
    assert (outcome.kind, outcome.error) == ("info", "MalformedResult")
    assert outcome.message.startswith(f"{method} returned ")
    assert told in outcome.message
    assert not validator(OPERATIONS[method].result).is_valid(result)


@pytest.mark.parametrize(("method", "result"), HANDED_ON)
def test_wrong_results_that_are_handed_on(method: str, result: Any) -> None:
    """Wrong content reaches the check whose requirement it violates."""
    assert outcome_of(method, DriverAnswer(1, b"", result)).value == result
    assert not validator(OPERATIONS[method].result).is_valid(result)


@pytest.mark.parametrize("method", sorted(op for op, known in OPERATIONS.items() if known.result == {"type": "null"}))
def test_result_that_nobody_needs(method: str) -> None:
    """What comes instead of null does no harm."""
    assert outcome_of(method, DriverAnswer(1, b"", {"$type": "nonsense"})) == Outcome("ok")


def test_every_operation_has_a_result_that_is_tried() -> None:
    """No operation with a result is left out above, but for one whose result is any value."""
    tried = {method for method, *_ in (*RESULTS, *MALFORMED, *HANDED_ON)}
    with_result = {op for op, known in OPERATIONS.items() if known.result != {"type": "null"}}
    assert with_result - tried == {"get_traceback"}


def test_reading_an_answer_is_cheap() -> None:
    """A result of a megabyte is read in a fraction of the seconds that validation by the schema would take."""
    large = {"status": "SUCCESS", "result": [{"n": number, "text": "x" * 40} for number in range(20_000)]}
    began = time.process_time()
    assert outcome_of("get_task_meta", DriverAnswer(1, b"", large)).kind == "ok"
    assert time.process_time() - began < 0.5
