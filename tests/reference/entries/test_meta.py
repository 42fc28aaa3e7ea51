"""The task meta, as it is stored and as it is read."""

import datetime as dt
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultspec.schemas import complaint
from resultspec_reference.entries import meta
from resultspec_reference.entries.result_tuples import is_result_object, read_children, to_stored
from resultspec_reference.errors import DecodeError


class Handle:
    """The handle of a task or group."""

    def __init__(self, task_id: str, parent: Any = None, members: list["Handle"] | None = None) -> None:
        self.id = task_id
        self.parent = parent
        self.members = members

    def as_tuple(self) -> Any:
        """Return the result tuple."""
        members = None if self.members is None else [member.as_tuple() for member in self.members]
        return (self.id, self.parent.as_tuple() if self.parent else None), members


def build(status: str = "SUCCESS", request: object = None) -> meta.TaskMeta:
    """Return a meta to be stored."""
    return meta.build("t", status, 1, None, request, dt.UTC)


@pytest.mark.parametrize("status", ["PENDING", "STARTED", "PROGRESS", "RETRY", "SUCCESS", "FAILURE", "REVOKED"])
def test_what_is_built_is_valid(status: str) -> None:
    """All six members, and a date only if the state is ready (META-1, META-9)."""
    built = build(status)
    assert complaint(built, "task-meta") is None
    assert list(built) == ["status", "result", "traceback", "children", "date_done", "task_id"]
    assert (built["date_done"] is not None) == (status in {"SUCCESS", "FAILURE", "REVOKED"})


def test_the_date_is_now_in_the_zone_of_the_app() -> None:
    """With a numeric offset, whatever the zone (META-10)."""
    for zone, hours in ((ZoneInfo("Asia/Tokyo"), 9), (dt.UTC, 0)):
        before = dt.datetime.now(dt.UTC)
        found = dt.datetime.fromisoformat(meta.date_done("SUCCESS", zone) or "")
        assert before <= found <= dt.datetime.now(dt.UTC)
        assert found.utcoffset() == dt.timedelta(hours=hours)
    assert dt.datetime.fromisoformat(meta.date_done("SUCCESS", None) or "").tzinfo is not None


@pytest.mark.parametrize("make", [dict, lambda **members: SimpleNamespace(**members)], ids=["map", "object"])
def test_a_request_gives_its_group_parent_and_children(make: Any) -> None:
    """A request is an object or a map (META-7, META-11)."""
    child = Handle("c1", Handle("p"), None)
    group = Handle("g", None, [Handle("m1")])
    built = build(request=make(group="G", parent_id="P", children=[child, group]))
    assert (built["group_id"], built["parent_id"]) == ("G", "P")
    assert built["children"] == [[["c1", [["p", None], None]], None], [["g", None], [[["m1", None], None]]]]
    assert complaint(built, "task-meta") is None


def test_without_them_the_members_are_empty_or_absent() -> None:
    """No request: nothing is known of children; a request without any: there are none (META-8)."""
    assert build()["children"] is None
    assert build(request={"children": None, "group": None})["children"] == []
    assert not {"group_id", "parent_id"} & build(request=SimpleNamespace()).keys()


def test_what_is_a_handle() -> None:
    """A decimal number has an `as_tuple` too, and is none."""
    from decimal import Decimal

    assert is_result_object(Handle("a"))
    assert not any(is_result_object(value) for value in (Decimal("1.5"), Handle, "a", ("a", None), None))
    assert to_stored((("a", None), None)) == [["a", None], None]


def test_children_of_old_releases_are_read_in_the_form_of_today() -> None:
    """Up to 4.0.2 the tuple of a group began with its bare id."""
    assert read_children([["g", [[["m", None], None]]]]) == [[["g", None], [[["m", None], None]]]]
    deep: Any = [["a", None], None]
    for _ in range(10_000):
        deep = [["a", deep], None]
    with pytest.raises(DecodeError):
        read_children([deep])


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("2026-11-22T06:19:56.001382", "2026-11-22T06:19:56.001382+00:00"),
        ("2026-11-22T06:19:56Z", "2026-11-22T06:19:56+00:00"),
        ("2026-11-22T01:19:56-05:00", "2026-11-22T01:19:56-05:00"),
        (dt.datetime(2026, 11, 22), "2026-11-22T00:00:00+00:00"),
        (None, None),
    ],
)
def test_a_stored_date_names_an_instant(stored: Any, read: str | None) -> None:
    """Without an offset it means UTC (META-15)."""
    assert meta.instant(stored) == read


ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=-5, minutes=-30)), dt.timezone(dt.timedelta(seconds=30)), None]


@given(
    st.builds(
        lambda moment, spec, form: moment.isoformat(timespec=spec).replace(*form),
        st.datetimes(timezones=st.sampled_from(ZONES)),
        st.sampled_from(["auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"]),
        st.sampled_from([("", ""), ("+00:00", "Z"), ("+00:00", "-00:00"), (":", ""), ("T", " "), ("-", "")]),
    )
    | st.builds("2026-11-{}T{}:19:56.{}{}:00".format,
                st.sampled_from(["31", "22", "W1"]), st.sampled_from(["23", "24", "\u0661\u0661"]),
                st.sampled_from(["000000", "000001", "1234567", "123"]), st.sampled_from(["+00", "-00", "-05", "+24"]))
)  # fmt: skip
def test_a_date_that_is_left_as_it_is_would_be_written_so(text: str) -> None:
    """The short way with a date gives the text that is made of its instant."""
    try:
        expected = meta.instant(dt.datetime.fromisoformat(text))
    except ValueError:
        with pytest.raises(DecodeError):
            meta.instant(text)
    else:
        assert meta.instant(text) == expected


def test_the_id_that_was_asked_for_wins(caplog: pytest.LogCaptureFixture) -> None:
    """And the other one is logged (META-4)."""
    found = meta.complete({"status": "SUCCESS", "task_id": "other", "result": 1, "new": 2}, "t")
    assert (found["task_id"], found["result"], found["new"]) == ("t", 1, 2)
    assert "other" in caplog.text
