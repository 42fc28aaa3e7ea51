"""`get_many` of a key/value backend whose store polls: the loop of joins, and the arguments of the member."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from resultspec_reference import App, DisabledBackend, KeyValueStoreBackend
from resultspec_reference.errors import ContentDisallowed, DecodeError, ImproperlyConfigured, OperationalError
from resultspec_reference.joining.loop import JOIN_BATCH_SIZE


class DictBackend(KeyValueStoreBackend):
    """A store of keys in a map, which counts its round trips and loses its connection on demand."""

    reread_interval = 0.01

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.values: dict[bytes, bytes] = {}
        self.trips: list[int] = []
        self.losses = 0

    def get(self, key: bytes) -> bytes | None:
        """Return a value."""
        return self.values.get(key)

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return values, in one round trip."""
        wanted = list(keys)
        self.trips.append(len(wanted))
        if self.losses:
            self.losses -= 1
            raise OperationalError("the connection was lost")
        return [self.values.get(key) for key in wanted]

    def set(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a value."""
        self.values.pop(key, None)


@pytest.fixture(name="backend")
def make_backend() -> DictBackend:
    """Return an empty backend."""
    return DictBackend(App())


def test_each_id_comes_once_as_text(backend: DictBackend) -> None:
    """However it was given (JOIN-1)."""
    unique = uuid.uuid4()
    backend.mark_as_done(unique, 1)
    backend.mark_as_failure("f", KeyError("k"))
    given = {unique, str(unique), "f"}
    found = dict(backend.get_many(given))
    assert found.keys() == {str(unique), "f"}
    assert found["f"] == {**backend.get_task_meta("f"), "result": found["f"]["result"]}
    assert type(found["f"]["result"]) is KeyError
    assert len(given) == 3


def test_round_trips_and_memory_are_those_of_batches(backend: DictBackend) -> None:
    """A join of many ids asks for a batch, yields it, and asks for the next one then (JOIN-21)."""
    ids = [f"t{number}" for number in range(2 * JOIN_BATCH_SIZE + 500)]
    for task_id in ids:
        backend.mark_as_done(task_id, 1)
    items = backend.get_many(iter(ids))
    assert backend.trips == []
    for task_id in ids[:JOIN_BATCH_SIZE]:
        assert next(items)[0] == task_id
    assert backend.trips == [JOIN_BATCH_SIZE]
    assert [task_id for task_id, _ in items] == ids[JOIN_BATCH_SIZE:]
    assert backend.trips == [JOIN_BATCH_SIZE, JOIN_BATCH_SIZE, 500]


def test_the_time_is_over_after_all_that_is_ready(backend: DictBackend) -> None:
    """And the error says what is left."""
    backend.mark_as_done("a", 1)
    items = backend.get_many(["x", "a", "y", "z", "w"], timeout=0.05, interval=0)
    assert next(items)[0] == "a"
    with pytest.raises(backend.TimeoutError, match=r"4 tasks were not ready after 0\.05 s: 'x', 'y', 'z', …"):
        next(items)
    assert list(backend.get_many(["a"], timeout=0)) != []


def test_what_cannot_be_read_comes_last(backend: DictBackend) -> None:
    """From the first batch to the last, with the name of the entry (JOIN-18)."""
    ids = [f"t{number}" for number in range(JOIN_BATCH_SIZE + 2)]
    for task_id in (ids[3], ids[-1]):
        backend.mark_as_done(task_id, 1)
    backend.set(backend.get_key_for_task(ids[1]), b"garbage")
    backend.set(backend.get_key_for_task(ids[-2]), b"more of it")
    items = backend.get_many(ids)
    assert [next(items)[0], next(items)[0]] == [ids[3], ids[-1]]
    with pytest.raises(DecodeError, match="'t1'"):
        next(items)


def test_content_that_is_not_accepted(backend: DictBackend) -> None:
    """It ends a join as it ends a read."""
    reader = DictBackend(App(), accept=["pickle"], serializer="json")
    backend.mark_as_done("t", 1)
    reader.values = backend.values
    with pytest.raises(ContentDisallowed, match="'t'"):
        list(reader.get_many(["t"]))


def test_only_success_is_cached() -> None:
    """And a cached task is not asked for (JOIN-19)."""
    backend = DictBackend(App(), max_cached_results=0)
    backend.mark_as_done("a", [1])
    backend.mark_as_failure("b", KeyError())
    for _, meta in backend.get_many(["a", "b"]):
        meta.clear()
    assert (backend.is_cached("a"), backend.is_cached("b")) == (True, False)
    backend.forget("b")
    backend.mark_as_done("b", 2)
    backend.trips.clear()
    assert {task_id: meta["result"] for task_id, meta in backend.get_many(["a", "b"])} == {"a": [1], "b": 2}
    assert backend.trips == [1]


def test_states_can_be_given(backend: DictBackend) -> None:
    """Also by their place, which is that of the API reference of Celery 3.1."""
    backend.store_result("p", 1, "PROGRESS")
    backend.mark_as_done("s", 1)
    items = backend.get_many(["p", "s"], None, 0.5, True, ["PROGRESS"], max_iterations=1)
    assert [task_id for task_id, _ in items] == ["p"]


def test_a_lost_connection_is_found_again(backend: DictBackend) -> None:
    """As often as the policy says; a timeout ends it earlier, and a look tries once."""
    backend.mark_as_done("a", 1)
    backend.losses = 3
    assert [task_id for task_id, _ in backend.get_many(["a"])] == ["a"]
    backend.losses = 10**9
    with pytest.raises(backend.TimeoutError, match="could not be reached"):
        list(backend.get_many(["a"], timeout=0.05))
    with pytest.raises(OperationalError, match="lost"):
        list(backend.get_many(["a"], timeout=0))
    backend.retry_policy = {**backend.retry_policy, "max_retries": 2}
    backend.trips.clear()
    with pytest.raises(OperationalError, match="lost"):
        list(backend.get_many(["a"]))
    assert len(backend.trips) == 3


def test_on_interval(backend: DictBackend) -> None:
    """Is called between reads, and what it raises reaches the caller."""
    calls: list[int] = []
    with pytest.raises(backend.TimeoutError):
        list(backend.get_many(["a"], timeout=0.03, on_interval=lambda: calls.append(1)))
    assert calls

    def interrupt() -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        list(backend.get_many(["a"], on_interval=interrupt))


def test_a_pause_between_the_batches_of_a_pass(backend: DictBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """`subpolling_interval` spares the store, and never outlasts the deadline."""
    slept: list[float] = []
    monkeypatch.setattr("resultspec_reference.joining.loop.time.sleep", slept.append)
    backend.subpolling_interval = 7.0
    ids = [f"t{number}" for number in range(2 * JOIN_BATCH_SIZE + 1)]
    for task_id in ids:
        backend.mark_as_done(task_id, 1)
    assert sum(1 for _ in backend.get_many(ids)) == len(ids)
    assert slept == [7.0, 7.0]
    with pytest.raises(backend.TimeoutError):
        list(backend.get_many([*ids, "late"], timeout=0))
    assert slept[2:] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("ids", "options", "error"),
    [
        (["a"], {"timeout": float("nan")}, ValueError),
        (["a"], {"timeout": "1"}, TypeError),
        (["a"], {"interval": -1}, ValueError),
        (["a"], {"max_iterations": -1}, ValueError),
        (["a"], {"on_message": print}, ImproperlyConfigured),
        (["a", ""], {}, ValueError),
        (["a", None], {}, TypeError),
        ("abc", {}, TypeError),
        (7, {}, TypeError),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(
    backend: DictBackend, ids: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    """Before anything is iterated over (JOIN-10, JOIN-11)."""
    with pytest.raises(error):
        backend.get_many(ids, **options)


def test_the_disabled_backend_refuses_at_the_call() -> None:
    """Also a join of nothing (DIS-2)."""
    with pytest.raises(NotImplementedError, match="No result backend"):
        DisabledBackend(App()).get_many([])
