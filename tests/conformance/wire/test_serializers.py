"""The suite's table of serializers says what kombu's serializers really do, whatever they are given."""

from typing import Any

import kombu.serialization
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resultspec_conformance.testkit.strategies import (
    nonportable_json_values,
    nonportable_values,
    opaque_values,
    portable_values,
)
from resultspec_conformance.wire.serializers import (
    NotCarried,
    OutsideDomain,
    Unspecified,
    after_round_trip,
    exception_after_round_trip,
)
from resultspec_conformance.wire.values import ExceptionData, Value, same

KOMBU: Any = kombu.serialization
SERIALIZERS = ("json", "pickle", "yaml", "msgpack")
serializers = st.sampled_from(SERIALIZERS)


def carried(serializer: str, value: Value) -> Value:
    """Return what kombu makes of a value within a map, as a meta is one. Raises whatever kombu raises."""
    content_type, encoding, payload = KOMBU.dumps({"result": value}, serializer=serializer)
    return KOMBU.loads(payload, content_type, encoding, accept=KOMBU.prepare_accept_content([serializer]))["result"]


@given(serializer=serializers, value=portable_values)
def test_portable_values_are_carried_by_every_serializer(serializer: str, value: Value) -> None:
    """Of the portable domain nothing is refused, and the table says what comes back."""
    assert same(carried(serializer, value), after_round_trip(serializer, value), numbers_by_type=True)


@settings(max_examples=400)
@given(serializer=serializers, value=st.one_of(nonportable_values, nonportable_json_values))
def test_other_values_come_back_as_the_table_says(serializer: str, value: Value) -> None:
    """What the table carries comes back as it says; the rest fails, or comes back as something else."""
    try:
        expected = after_round_trip(serializer, value)
    except NotCarried:
        try:
            found = carried(serializer, value)
        except Exception:  # noqa: BLE001 - kombu wraps most errors of serializers, and not all
            return
        assert not same(found, value, numbers_by_type=True)
    else:
        assert same(carried(serializer, value), expected, numbers_by_type=True)


@given(serializer=serializers, value=opaque_values)
def test_opaque_objects_are_carried_by_none(serializer: str, value: Value) -> None:
    """An opaque object is outside the domain of every serializer, wherever it stands."""
    with pytest.raises(NotCarried):
        after_round_trip(serializer, value)
    with pytest.raises(Exception):  # noqa: B017, PT011 - what the serializer raises is its own affair
        carried(serializer, value)


@pytest.mark.parametrize(
    ("serializer", "value", "expected"),
    [
        ("json", (1, (2,)), [1, [2]]),
        ("json", {1: "a", None: "b", False: "c", 1.5: "d"}, {"1": "a", "null": "b", "false": "c", "1.5": "d"}),
        ("json", {float("nan"): 1, float("inf"): 2}, {"NaN": 1, "Infinity": 2}),
        ("yaml", {1: "a"}, {1: "a"}),
        ("msgpack", bytearray(b"x"), b"x"),
        ("msgpack", (b"x",), [b"x"]),
        ("pickle", (1, {2}), (1, {2})),
    ],
)
def test_what_changes_its_kind(serializer: str, value: Value, expected: Value) -> None:
    """Tuples, keys that are not text, and byte arrays come back as the table says."""
    assert same(after_round_trip(serializer, value), expected, numbers_by_type=True)
    assert same(carried(serializer, value), expected, numbers_by_type=True)


@pytest.mark.parametrize("value", [{"__type__": "x", "__value__": 1}, [{"__type__": 1, "__value__": []}], object()])
def test_of_some_values_nothing_is_promised(value: Value) -> None:
    """A map with the members of a type tag has no escape in json; an object of another class is in no row."""
    with pytest.raises(Unspecified):
        after_round_trip("json", value)


def test_an_unknown_serializer_has_no_column() -> None:
    """The table knows four serializers."""
    with pytest.raises(OutsideDomain):
        after_round_trip("xml", None)


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_arguments_of_exceptions_are_values(serializer: str) -> None:
    """The arguments of an exception come back as values do, one by one."""
    error = ExceptionData("Outer.Inner", "shop", ((1, 2), "x"))
    found = exception_after_round_trip(serializer, error)
    assert (found.type, found.module) == ("Outer.Inner", "shop")
    assert same(list(found.args), [after_round_trip(serializer, (1, 2)), "x"])
