"""Groups of the reference: handles, entries, the cache, ids, and what a real Celery app gets."""

import pickle
import uuid
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult, GroupResult

from resultspec_adapters.memory.backend import MemoryBackend
from resultspec_reference import App, DisabledBackend
from resultspec_reference.entries.groups import GroupHandle, TaskHandle, from_entry, group_id_text, to_entry
from resultspec_reference.errors import DecodeError

TUPLE = [["g", [["p", None], None]], [[["a", [["p", None], None]], None], [["h", None], [[["b", None], None]]]]]


def lists(found: Any) -> Any:
    """Return tuples as lists, all the way down."""
    return [lists(item) for item in found] if isinstance(found, (list, tuple)) else found


def backend(**options: Any) -> MemoryBackend:
    """Return a backend with a store of its own."""
    return MemoryBackend(App(), **options)


def test_a_group_comes_back_as_a_handle() -> None:
    """It has id, parent and results, an order and a length, and its tuple is what was saved."""
    ours = backend()
    assert ours.save_group("g", TUPLE) is TUPLE
    found = ours.restore_group("g")
    assert isinstance(found, GroupHandle)
    assert (found.id, found.parent, len(found)) == ("g", TaskHandle("p"), 2)
    assert [member.id for member in found] == ["a", "h"]
    assert lists(found.as_tuple()) == TUPLE
    ours.save_group("again", found)
    assert ours.restore_group("again") == found


def test_an_empty_group_is_true() -> None:
    """A caller who asks `if found` does not take it for none."""
    ours = backend()
    ours.save_group("g", GroupHandle("g"))
    assert ours.restore_group("g")
    assert len(ours.restore_group("g")) == 0


def test_a_celery_app_gets_handles_of_celery() -> None:
    """As it would from a backend of its own."""
    app = Celery("tests", backend="cache+memory://", set_as_current=False)
    ours = MemoryBackend(app)
    parent = AsyncResult("p", app=app)
    saved = GroupResult("g", [AsyncResult("a", app=app), GroupResult("h", [], app=app)], app=app, parent=parent)
    ours.save_group("g", saved)
    found = ours.restore_group("g")
    assert isinstance(found, GroupResult)
    assert found == saved
    assert found.as_tuple() == saved.as_tuple()
    assert [type(member) for member in found.results] == [app.AsyncResult, app.GroupResult]


def test_what_is_restored_belongs_to_the_caller() -> None:
    """Also out of the cache (GROUP-15)."""
    ours = backend(max_cached_results=0)
    ours.save_group("g", TUPLE)
    for _ in range(3):
        found = ours.restore_group("g")
        assert lists(found.as_tuple()) == TUPLE
        found.results.clear()


@pytest.mark.parametrize("wrong", [None, 7, "g", [], [["t", None], None], [["", None], []], [["g", None], ["m"]]])
def test_only_groups_are_saved(wrong: Any) -> None:
    """A TypeError at the call, and the group that is there stays."""
    ours = backend()
    ours.save_group("g", TUPLE)
    with pytest.raises(TypeError, match="not a group"):
        ours.save_group("g", wrong)
    assert lists(ours.restore_group("g").as_tuple()) == TUPLE


def test_ids_that_are_uuids_are_stored_as_text() -> None:
    """Those of members and parents, too."""
    one = uuid.uuid4()
    assert to_entry([[one, [[one, None], None]], [[[one, None], None]]]) == {
        "result": [[str(one), [[str(one), None], None]], [[[str(one), None], None]]]
    }


@pytest.mark.parametrize("ending", [".j", ".t", ".s", ".d", ".c"])
def test_an_id_does_not_end_as_the_keys_of_chords_do(ending: str) -> None:
    """Every operation refuses it (GROUP-12)."""
    ours = backend()
    for call in (ours.restore_group, ours.get_group_meta, ours.delete_group, ours.reload_group_result):
        with pytest.raises(ValueError, match="must not end in"):
            call("g" + ending)
    with pytest.raises(ValueError, match="must not end in"):
        ours.save_group("g" + ending, TUPLE)
    assert ours.get_key_for_group("g", ending) == f"celery-taskset-meta-g{ending}".encode()


def test_the_message_names_a_group_id() -> None:
    """The error says which of the two ids is wrong."""
    with pytest.raises(ValueError, match="a group id must not be empty"):
        group_id_text("")
    with pytest.raises(TypeError, match="a group id must be text or a UUID, not int"):
        group_id_text(7)


@pytest.mark.parametrize("entry", [None, [], {}, {"result": None}, {"result": [["t", None], None]}, TUPLE])
def test_an_invalid_entry_cannot_be_decoded(entry: Any) -> None:
    """An error, and no group (GROUP-20)."""
    with pytest.raises(DecodeError):
        from_entry(entry)


def test_the_error_names_the_group() -> None:
    """It is raised by both ways of reading."""
    ours = backend()
    ours.set(ours.get_key_for_group("g"), b"{")
    for read in (ours.restore_group, ours.get_group_meta):
        with pytest.raises(DecodeError, match="entry of group 'g'"):
            read("g")
    ours.delete_group("g")
    assert ours.restore_group("g") is None


def test_a_read_that_was_under_way_does_not_undo_a_save() -> None:
    """What was read before the save is not cached after it (GROUP-13)."""
    ours, other = backend(max_cached_results=10), [["g", None], []]
    ours.save_group("g", TUPLE)
    read = ours.get

    def slow(key: bytes) -> bytes | None:
        found = read(key)
        ours.get = read  # type: ignore[method-assign]
        ours.save_group("g", other)
        return found

    ours.get = slow  # type: ignore[method-assign]
    assert lists(ours.restore_group("g").as_tuple()) == TUPLE
    assert lists(ours.restore_group("g").as_tuple()) == other


def test_the_cache_of_groups_is_not_that_of_tasks() -> None:
    """One id can be both (GROUP-11)."""
    ours = backend(max_cached_results=10)
    ours.save_group("x", TUPLE)
    ours.restore_group("x")
    assert not ours.is_cached("x")
    ours.store_result("x", 1, "SUCCESS")
    assert ours.get_result("x") == 1
    ours.forget("x")
    assert ours.restore_group("x") is not None


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_every_serializer_carries_a_group(serializer: str) -> None:
    """Through the store and through the cache."""
    ours = backend(serializer=serializer, accept=[serializer], max_cached_results=10)
    ours.save_group("g", TUPLE)
    for _ in range(2):
        assert lists(ours.restore_group("g").as_tuple()) == TUPLE
    assert lists(pickle.loads(pickle.dumps(ours.restore_group("g"))).as_tuple()) == TUPLE


def test_a_disabled_backend_says_so() -> None:
    """At the call (GROUP-21)."""
    disabled: Any = DisabledBackend(App())
    for name in ("restore_group", "delete_group", "get_group_meta", "reload_group_result"):
        with pytest.raises(NotImplementedError, match="No result backend is configured"):
            getattr(disabled, name)("g")
    with pytest.raises(NotImplementedError, match="No result backend is configured"):
        disabled.save_group("g", TUPLE)
