"""The tagged encoding carries every value of the suite through JSON, and refuses what is not well formed."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resultspec.schemas import complaint
from resultspec_conformance.testkit.strategies import (
    exceptions,
    nonportable_json_values,
    nonportable_values,
    opaque_values,
    portable_values,
    sample_exceptions,
)
from resultspec_conformance.wire.values import (
    ExceptionData,
    Opaque,
    Value,
    ValueFormatError,
    decode,
    describe_exception,
    encode,
    same,
    show,
)

every_value = st.one_of(
    portable_values, nonportable_values, nonportable_json_values, opaque_values, exceptions, sample_exceptions
)


@settings(max_examples=300)
@given(value=every_value)
def test_a_value_survives_the_encoding(value: Value) -> None:
    """Encoding, writing as strict JSON, reading and decoding gives an equal value, valid by the schema on its way."""
    encoded = encode(value)
    assert complaint(encoded, "value") is None
    text = json.dumps(encoded, allow_nan=False)
    assert text.isascii()
    assert same(decode(json.loads(text)), value, numbers_by_type=True)


@pytest.mark.parametrize(
    "value",
    [
        10**5_000,
        -(10**5_000),
        {"$type": "bytes", "value": "AA=="},
        {"$type": {"$type": 1}},
        {"a": [{1: {(2,): b"\x00"}}]},
        "\ud83d\ude00",
        float("-inf"),
        dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
        frozenset({(1, "a"), None}),
        ExceptionData("E", None, (ExceptionData("Inner", "m"), b"x"), cause=ExceptionData("Cause", "m", (1,))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_has_no_form_for(value: Value) -> None:
    """Integers of any size, maps that look tagged, odd keys, surrogates, infinities and nested exceptions survive."""
    encoded = json.loads(json.dumps(encode(value), allow_nan=False))
    assert complaint(encoded, "value") is None
    assert same(decode(encoded), value)


def test_a_cause_is_kept_though_it_is_not_compared() -> None:
    """The cause of an exception crosses the encoding; results are compared without it."""
    caused = ExceptionData("E", "m", (), cause=ExceptionData("Cause", "m", (1,)))
    assert decode(encode(caused)) == caused
    assert same(caused, ExceptionData("E", "other"))


@pytest.mark.parametrize(
    "encoded",
    [
        {"$type": "nothing", "value": 1},
        {"$type": None, "value": 1},
        {"$type": "bytes"},
        {"$type": "bytes", "value": "not base64!"},
        {"$type": "int", "value": "1.5x"},
        {"$type": "float", "value": "one"},
        {"$type": "text", "value": [1114112]},
        {"$type": "text", "value": "abc"},
        {"$type": "map", "value": [[1]]},
        {"$type": "map", "value": [[[1], 2]]},
        {"$type": "set", "value": [[1]]},
        {"$type": "datetime", "value": "yesterday"},
        {"$type": "uuid", "value": "1234"},
        {"$type": "decimal", "value": "ten"},
        {"$type": "exception", "module": None, "args": []},
        {"$type": "exception", "type": "E", "module": None, "args": 7},
        [{"a": {"$type": "bytes", "value": 7}}],
    ],
    ids=str,
)
def test_what_is_not_well_formed_is_refused(encoded: Any) -> None:
    """A tag that does not exist, or whose value does not fit it, is an error of one kind that shows it."""
    with pytest.raises(ValueFormatError, match="tagged value"):
        decode(encoded)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (0.0, -0.0, True),
        (float("nan"), float("nan"), True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("", None, False),
        ("a", b"a", False),
        (b"a", bytearray(b"a"), False),
        ([1], (1,), False),
        ([1, 2], [1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ([float("nan")], [float("nan")], True),
        (ExceptionData("E", "m", (1,)), ExceptionData("E", "n", (1,)), True),
        (ExceptionData("E", "m", (1,)), ExceptionData("F", "m", (1,)), False),
        (ExceptionData("E", "m", (1,)), ExceptionData("E", "m", ("1",)), False),
    ],
)
def test_which_values_are_the_same(left: Value, right: Value, equal: bool) -> None:
    """Values are compared by kind and content; one number is one number, and a truth value is none."""
    assert same(left, right) is equal
    assert same(right, left) is equal


def test_types_of_numbers_are_distinguished_on_request() -> None:
    """An integer is not a float where kinds of numbers count."""
    assert not same([1], [1.0], numbers_by_type=True)
    assert same([1.5], [1.5], numbers_by_type=True)


def test_exceptions_of_python_become_data() -> None:
    """Type, module, arguments and cause are taken from a Python exception, exceptions among its arguments too."""
    error = ValueError("x", KeyError("inner"))
    error.__cause__ = RuntimeError("cause")
    found = describe_exception(error)
    assert found == ExceptionData(
        "ValueError",
        "builtins",
        ("x", ExceptionData("KeyError", "builtins", ("inner",))),
        cause=ExceptionData("RuntimeError", "builtins", ("cause",)),
    )


def test_a_module_that_is_not_text_is_shown() -> None:
    """A backend can make a class with any module, and what it returns has to fit into a report."""
    made = type("MyError", (Exception,), {"__module__": 7})
    encoded = encode(made("boom"))
    assert encoded["module"] == "7"
    assert complaint(encoded, "value") is None


def test_foreign_objects_are_shown() -> None:
    """An object that is not a value is encoded by its representation, so that it can be shown."""
    encoded = encode(range(3))
    assert complaint(encoded, "value") is None
    assert encoded == {"$type": "opaque", "value": "range: range(0, 3)"}


@pytest.mark.parametrize(
    "value", [Opaque(None), [Opaque(None)], ExceptionData("E", None, (Opaque(None),)), "x" * 10_000]
)
def test_any_value_can_be_shown(value: Value) -> None:
    """Values are shown on one line of bounded length, also those whose representation raises."""
    text = show(value, 100)
    assert len(text) <= 130
    assert "\n" not in text
