"""Decoding of rows: the fast path for a plain SUCCESS has the same results as the general path."""

from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

from hypothesis import given
from hypothesis import strategies as st

from resultspec_adapters.sql.rows import RowCodec, found_by_id
from resultspec_adapters.sql.tables import ADDED_COLUMNS, REQUIRED
from resultspec_reference.entries import meta
from resultspec_reference.entries.serialization import Codec
from resultspec_reference.errors import BackendError
from resultspec_reference.states import READY_STATES

COLUMNS = (*REQUIRED, "children", "name", *ADDED_COLUMNS)
ROWS = RowCodec(Codec("json", ["json"]))
DATE = datetime(2026, 1, 2, 3, 4, 5, 678901)
PICKLED = b"\x80\x04K\x01."
PAYLOADS = [b"1", b'{"a": "\\u00e9"}', b'{"__type__": "bytes", "__value__": "x"}', PICKLED, b"", b"{", None]


def outcome(action: Any) -> Any:
    """Return what an action returns, or what it raises, as something that can be compared."""
    try:
        return action()
    except BackendError as error:
        return type(error), str(error)


def carefully(found: Any) -> Any:
    """Return what the careful way makes of a row."""
    return outcome(lambda: meta.complete(ROWS.meta(found), "t"))


@given(
    status=st.sampled_from([*sorted(READY_STATES), "STARTED", "success", "", None]),
    result=st.sampled_from(PAYLOADS),
    date=st.one_of(st.none(), st.datetimes(), st.datetimes(timezones=st.just(UTC))),
    traceback=st.sampled_from([None, "", "Traceback"]),
    more=st.tuples(*(st.sampled_from([None, value]) for value in (b"[]", "add", "g", "p"))),
)
def test_both_ways_say_the_same(status: Any, result: Any, date: Any, traceback: Any, more: Any) -> None:
    """Every row that the fast path accepts has the same result, or the same error, as on the general path."""
    found = found_by_id(COLUMNS, [("t", status, result, date, traceback, *more)])["t"]
    short = outcome(lambda: ROWS.plain(found))
    assert short is None or short == carefully(found)


@pytest.mark.parametrize(
    ("row", "is_plain"),
    [
        (("t", "SUCCESS", b"1", DATE, None, None, None, None, None), True),
        (("t", "SUCCESS", b"1", DATE, None, None, None, None, "p"), False),
        (("t", "SUCCESS", PICKLED, DATE, None, None, None, None, None), False),
        (("t", "FAILURE", b"1", DATE, None, None, None, None, None), False),
    ],
)
def test_the_short_way_is_for_plain_rows(row: Any, is_plain: bool) -> None:
    """It takes a SUCCESS with its result, and nothing else."""
    assert (ROWS.plain(found_by_id(COLUMNS, [row])["t"]) is not None) == is_plain
