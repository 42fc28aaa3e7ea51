"""The table of chapter 5 says of each kind of value what kombu's serializers make of it."""

import datetime as dt
import decimal
import fractions
import http
import json
import math
import re
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kombu.serialization
import pytest
from kombu.exceptions import DecodeError, EncodeError

from resultspec.lint.markdown import Table, parse

CHAPTER = Path(__file__).parents[2] / "spec" / "5-values.md"
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 6)
CYCLE: list[Any] = []
CYCLE.append(CYCLE)

SAMPLES: Mapping[str, list[Any]] = {
    "null, true, false": [None, True, False],
    "integer from -2^63 to 2^64 - 1": [0, -(2**63), 2**53, 2**64 - 1],
    "any other integer": [2**64, -(2**63) - 1, 10**1000],
    "finite number of double precision": [0.0, -0.0, 1.0, 0.1, 1e300, 5e-324],
    "NaN, infinities": [math.nan, math.inf, -math.inf],
    "text of Unicode scalar values, including NUL": ["", "é\U0001f600", "a\0b", "\ufeff\x85\u2028", "~", "yes", "1:30"],
    "text with lone surrogates": ["\ud800", "a\udfffb"],
    "bytes": [b"abc", b"\xff\0"],
    "byte array": [bytearray(b"abc")],
    "list": [[], [1, [2, [3]]]],
    "tuple": [(), (1, "a")],
    "named tuple": [urllib.parse.urlsplit("redis://host/0")],
    "set": [{1}, {"a", "b"}],
    "frozen set": [frozenset({1})],
    "map with keys that are text": [{}, {"a": {"": 1}}],
    "map with keys that are bytes": [{b"a": 1}],
    "map with keys that are null, truth values or numbers": [{None: 1}, {True: 1}, {1: "a"}, {1.5: "a"}],
    "map with keys that are tuples": [{(1, 2): 3}],
    "date and time, with or without offset": [MOMENT, MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3)))],
    "date": [dt.date(2026, 1, 2)],
    "time of day": [dt.time(3, 4, 5, 6), dt.time(3, 4, tzinfo=dt.UTC)],
    "duration": [dt.timedelta(seconds=90)],
    "UUID": [uuid.UUID(int=5)],
    "decimal number": [decimal.Decimal("1.10")],
    "member of an enumeration of texts or of integers": [http.HTTPMethod.GET, http.HTTPStatus.OK],
    "member of another enumeration": [uuid.SafeUUID.unknown],
    "exception, in a state outside EXCEPTION": [ValueError("x", 1)],
    "value that contains itself": [CYCLE],
    "object of another class": [fractions.Fraction(1, 2)],
}
"""Values of the kind that each row of the table is about."""

KOMBU: Any = kombu.serialization
MADE: Mapping[str, Callable[[Any], Any]] = {"list": list, "bytes": bytes, "its value": lambda each: each.value}
"""What a cell other than *same* and *keys as text* makes of a value."""


def table() -> Table:
    """Return the table of serializers."""
    chapter = parse(CHAPTER.name, CHAPTER.read_text(encoding="utf-8"))
    (found,) = (each for each in chapter.tables if each.head[0] == "value")
    return found


ROWS = {row[0]: dict(zip(table().head[1:], row[1:], strict=True)) for _, row in table().rows}
CELLS = [(kind, name) for kind, row in ROWS.items() for name in row]


def carried(value: Any, serializer: str) -> Any:
    """Return what comes back of a value. Raises EncodeError or DecodeError where it is not carried."""
    content_type, encoding, payload = KOMBU.dumps({"result": value}, serializer=serializer)
    return KOMBU.loads(payload, content_type, encoding, accept=KOMBU.prepare_accept_content([serializer]))["result"]


def same(value: Any, found: Any) -> bool:
    """Whether a value came back equal and of the same kind; NaN equals NaN, exceptions by their arguments."""
    if type(value) is not type(found):
        return False
    if value is CYCLE:
        return found[0] is found
    if isinstance(value, BaseException):
        return bool(value.args == found.args)
    return bool(value == found or (value != value and found != found))


def test_the_table_and_the_samples_have_the_same_rows() -> None:
    """Every row has samples, and every sample a row."""
    assert set(ROWS) == set(SAMPLES)
    assert table().head[1:] == ("json", "pickle", "yaml", "msgpack")


@pytest.mark.parametrize(("kind", "serializer"), CELLS)
def test_a_cell_says_what_comes_back(kind: str, serializer: str) -> None:
    """A cell holds for every sample of its row, when kombu encodes and decodes it."""
    cell = re.sub(r" \([a-z]\)$", "", ROWS[kind][serializer])
    for value in SAMPLES[kind]:
        if cell == "-":
            with pytest.raises((EncodeError, DecodeError)):
                carried(value, serializer)
            continue
        found = carried(value, serializer)
        if cell == "same":
            assert same(value, found)
        elif cell == "keys as text":
            assert found == {json.dumps(key): member for key, member in value.items()}
        else:
            expected = MADE[cell](value)
            assert same(expected, found)
