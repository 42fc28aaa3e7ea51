"""What a meta says about the call, without a cost for the result."""

from types import SimpleNamespace
from typing import Any

import pytest

from resultspec.schemas import complaint
from resultspec_reference import App, KeyValueStoreBackend
from resultspec_reference.entries import meta
from resultspec_reference.entries.extended import EXTENDED, STAMPED_HEADERS, TAKEN, degraded, members
from resultspec_reference.entries.serialization import Codec

JSON = Codec("json", ["json"])

CALL = {
    "task": "proj.add",
    "args": (1, "é"),
    "kwargs": {"x": 1.5},
    "hostname": "w1@host",
    "retries": 2,
    "delivery_info": {"exchange": "x", "routing_key": "orders"},
}


class Mute:
    """Has no text representation, and cannot be encoded."""

    def __repr__(self) -> str:
        raise RuntimeError("on purpose")


@pytest.mark.parametrize("make", [dict, lambda **given: SimpleNamespace(**given)], ids=["map", "object"])
def test_members_of_a_request(make: Any) -> None:
    """By the names of the meta, and in the order in which Celery writes them (EXT-1, EXT-2)."""
    found = members(make(**CALL), JSON.carries)
    assert list(found) == list(EXTENDED)
    assert (found["name"], found["queue"]) == ("proj.add", "orders")
    assert (found["args"], found["worker"], found["retries"]) == ((1, "é"), "w1@host", 2)


def test_a_map_may_call_the_name_by_its_own_name() -> None:
    """As the schema of the request does."""
    assert members({"name": "proj.add"}, JSON.carries)["name"] == "proj.add"


def test_without_a_request_no_extended_members_exist() -> None:
    """And an empty request gives null members (EXT-3)."""
    assert members(None, JSON.carries) == {}
    assert members({}, JSON.carries) == dict.fromkeys(EXTENDED)
    assert members({"delivery_info": None}, JSON.carries)["queue"] is None


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_stamp_cannot_have_a_name_that_is_taken(name: str) -> None:
    """Declared or not (EXT-6)."""
    found = members({**CALL, "stamps": {name: "STAMPED", "ok": 1}, "stamped_headers": [name, "ok"]}, JSON.carries)
    assert "STAMPED" not in found.values()
    assert (found["ok"], found[STAMPED_HEADERS]) == (1, ["ok"])


@pytest.mark.parametrize(
    ("stamps", "declared", "found"),
    [
        ({"a": 1, "b": 2}, ["b"], {"b": 2, "stamped_headers": ["b"]}),
        ({"a": 1}, None, {"stamped_headers": []}),
        ({"a": 1}, ["a", "z", 7], {"a": 1, "stamped_headers": ["a", "z"]}),
        ({}, ["a"], {}),
        (None, ["a"], {}),
        ("no map", ["a"], {}),
    ],
)
def test_declared_stamps(stamps: Any, declared: Any, found: dict[str, Any]) -> None:
    """Only those, and nothing at all without stamps (EXT-5)."""
    told = members({"stamps": stamps, "stamped_headers": declared}, JSON.carries)
    assert {name: value for name, value in told.items() if name not in EXTENDED} == found


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_what_cannot_be_carried_degrades_by_itself(serializer: str) -> None:
    """An argument, a stamp, a name and even the name of a stamp; what can be carried stays (EXT-4)."""
    codec = Codec(serializer, [serializer])
    odd = (1, Mute(), lambda: None)
    request = {**CALL, "args": odd, "kwargs": {"a": Mute(), "b": 2, (1, (2,)): 3}, "task": "n\ud800"}
    request |= {"stamps": {"s": Mute(), "t": 1, "\ud800": 1}, "stamped_headers": ["s", "t", "\ud800"]}
    found = members(request, codec.carries)
    assert codec.carries(found)
    assert found["args"][0] == 1
    assert found["kwargs"]["b"] == 2
    assert (found["worker"], found["t"]) == ("w1@host", 1)


def test_what_has_no_end_becomes_a_text() -> None:
    """A value that contains itself, and one that is nested too deep."""
    endless: list[Any] = []
    endless.append(endless)
    assert degraded(endless, JSON.carries) == ["[[...]]"]
    assert isinstance(degraded(object(), JSON.carries), str)
    assert degraded("a\ud800\udc00b", JSON.carries) == "a\\ud800\\udc00b"


def test_the_setting_decides() -> None:
    """There are none unless the app says so; with them the meta is valid, and its id comes last as in Celery."""
    plain, telling = (KeyValueStoreBackend(App(result_extended=extended)) for extended in (False, True))
    built = [backend._build_meta("t", 7, "SUCCESS", None, CALL) for backend in (plain, telling)]
    assert set(built[1]) - set(built[0]) == set(EXTENDED)
    assert list(built[1])[-1] == "task_id"
    assert complaint(meta.TaskMeta(built[1], args=[1]), "task-meta") is None
