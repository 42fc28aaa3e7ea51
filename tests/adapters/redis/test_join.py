"""Joins on a real Redis: what they cost, what wakes them, faults, and joins of a real Celery."""

import gc
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult, ResultSet

from resultspec_adapters.redis.backend import RedisBackend
from resultspec_reference import App

# Celery calls commands of redis-py that redis-py deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")


@pytest.fixture(name="make")
def backend_maker(redis_url: str, prefix: str) -> Iterator[Callable[..., RedisBackend]]:
    """Yield what makes backends below the prefix of the test."""
    made: list[RedisBackend] = []

    def make(**options: Any) -> RedisBackend:
        made.append(RedisBackend(App(), redis_url, global_keyprefix=prefix, **options))
        return made[-1]

    yield make
    made[-1].remove_all(prefix)


@pytest.fixture(name="backend")
def one_backend(make: Callable[..., RedisBackend]) -> RedisBackend:
    """Return a backend with the default options."""
    return make()


@pytest.fixture(name="app")
def celery_app(redis_url: str, prefix: str) -> Iterator[Celery]:
    """Yield a Celery app whose results are in the Redis, below the prefix of the test."""
    app = Celery("tests", broker="memory://", backend=redis_url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    yield app
    # a set of results is a cycle, and its members unsubscribe when they are collected
    gc.collect()
    app.backend.result_consumer.stop()
    app.backend.client.close()
    app.close()


def until(condition: Callable[[], Any], bound: float = 10.0) -> None:
    """Return when the condition holds, and fail if it does not in time."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def subscribers(raw: Any, backend: RedisBackend, task_id: str) -> int:
    """Return how many wait for a task."""
    return int(raw.pubsub_numsub(backend.get_key_for_task(task_id).decode())[0][1])


def store_all(backend: RedisBackend, ids: list[str]) -> None:
    """Store a SUCCESS for each id."""
    backend.mark_as_done(ids[0], 7)
    payload = backend.get(backend.get_key_for_task(ids[0])) or b""
    pipeline = backend.client.pipeline(transaction=False)
    for task_id in ids:
        pipeline.set(backend.get_key_for_task(task_id), payload.replace(ids[0].encode(), task_id.encode()), ex=60)
    pipeline.execute()


def commands(raw: Any) -> dict[str, int]:
    """Return how often each command was called since the statistics were reset."""
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in raw.info("commandstats").items()}


def test_round_trips_are_those_of_batches(backend: RedisBackend, raw: Any) -> None:
    """2,500 ids that are ready are three reads and no subscription (JOIN-21)."""
    ids = [f"t{number:04}" for number in range(2500)]
    store_all(backend, ids)
    raw.config_resetstat()
    assert {task_id for task_id, _ in backend.get_many(ids)} == set(ids)
    called = commands(raw)
    assert called["mget"] == 3
    assert "subscribe" not in called
    assert "get" not in called


def test_memory_does_not_grow_with_the_results(backend: RedisBackend) -> None:
    """Ten times the ids cost the ids, and no more results at a time."""
    peaks = []
    for size in (2000, 20_000):
        ids = [f"t{number:05}" for number in range(size)]
        store_all(backend, ids)
        tracemalloc.start()
        assert sum(1 for _ in backend.get_many(iter(ids))) == size
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 18_000 * 200


def test_many_that_are_not_ready_share_a_connection(backend: RedisBackend, raw: Any) -> None:
    """Their channels are subscribed to in batches, and a notification costs a read of one key."""
    ids = [f"t{number}" for number in range(1500)]
    raw.config_resetstat()
    connected = int(raw.info("clients")["connected_clients"])
    with ThreadPoolExecutor(1) as pool:
        items = backend.get_many(ids, timeout=30, interval=30)
        coming = pool.submit(next, items)
        until(lambda: subscribers(raw, backend, "t1499"))
        assert int(raw.info("clients")["connected_clients"]) <= connected + 2
        backend.mark_as_done("t700", 1)
        assert coming.result(30)[0] == "t700"
        assert commands(raw)["subscribe"] == 2
    items.close()  # type: ignore[attr-defined]
    until(lambda: not subscribers(raw, backend, "t0"))


def test_a_store_wakes_a_join(backend: RedisBackend, raw: Any) -> None:
    """Long before its next pass."""
    backend.reread_interval = 30.0
    with ThreadPoolExecutor(1) as pool:
        items = backend.get_many(["a", "b"], timeout=30, interval=30)
        for task_id in ("b", "a"):
            coming = pool.submit(next, items)
            until(lambda: subscribers(raw, backend, "a"))
            began = time.monotonic()
            backend.mark_as_done(task_id, 1)
            assert coming.result(30)[0] == task_id
            assert time.monotonic() - began < 5.0
    assert list(items) == []
    assert not subscribers(raw, backend, "a")


def test_stores_that_come_all_at_once(backend: RedisBackend, raw: Any) -> None:
    """Each is yielded once, whatever the messages say, and messages of strangers are no matter."""
    ids = [f"t{number}" for number in range(300)]

    def store() -> None:
        until(lambda: subscribers(raw, backend, "t299"))
        raw.publish(backend.get_key_for_task("t5"), b"no meta")
        for task_id in ids:
            backend.mark_as_done(task_id, 1)
            backend.mark_as_done(task_id, 2)

    writer = threading.Thread(target=store)
    writer.start()
    found = [task_id for task_id, _ in backend.get_many(ids, timeout=30)]
    writer.join()
    assert sorted(found) == sorted(ids)


def test_a_cut_connection_is_made_again(make: Callable[..., RedisBackend], raw: Any, prefix: str) -> None:
    """The join subscribes to all that is left, then reads it all (JOIN-15)."""
    name = prefix.strip(":")
    backend, writer = make(client_name=name), make()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: [task_id for task_id, _ in backend.get_many(["a", "b"], timeout=30, interval=30)])
        for task_id in ("a", "b"):
            until(lambda: subscribers(raw, backend, "b"))
            clients: Any = raw.client_list()
            assert sum(int(raw.client_kill_filter(_id=each["id"])) for each in clients if each["name"] == name)
            until(lambda: subscribers(raw, backend, "b"))
            writer.mark_as_done(task_id, 1)
        assert future.result(30) == ["a", "b"]


def test_a_server_that_stands_still_does_not_stretch_the_timeout(backend: RedisBackend, raw: Any) -> None:
    """Neither in the first pass nor later."""
    for timeout in (0.3, 0.0001):
        began = time.monotonic()
        raw.client_pause(2500)
        with pytest.raises(backend.TimeoutError, match="could not be reached"):
            list(backend.get_many(["a"], timeout=timeout))
        assert time.monotonic() - began < 2.4
        raw.client_unpause()


# -- Celery ----------------------------------------------------------------------------------------

STORED: list[tuple[str, str, Any]] = [
    ("done", "SUCCESS", {"a": [1, None, "é"]}),
    ("failed", "FAILURE", KeyError("k")),
    ("revoked", "REVOKED", ValueError("no")),
]


def described(value: Any) -> Any:
    """Return a value, and of an exception what has to come back of it."""
    return (type(value).__qualname__, value.args) if isinstance(value, BaseException) else value


def test_we_join_what_celery_stores(app: Celery, backend: RedisBackend) -> None:
    """Before the join and during it."""
    for task_id, state, value in STORED:
        app.backend.store_result(task_id, value, state)
    ids = [task_id for task_id, _, _ in STORED]
    items = backend.get_many(ids, timeout=10)
    found = {task_id: (meta["status"], described(meta["result"])) for task_id, meta in items}
    assert found == {task_id: (state, described(value)) for task_id, state, value in STORED}


def test_we_are_woken_by_celery(app: Celery, backend: RedisBackend, raw: Any) -> None:
    """By its notifications alone."""
    backend.reread_interval = 30.0
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: dict(backend.get_many(["x", "y"], timeout=20, interval=30)))
        until(lambda: subscribers(raw, backend, "y"))
        began = time.monotonic()
        app.backend.mark_as_done("x", 1)
        app.backend.mark_as_failure("y", KeyError("k"))
        assert {task_id: meta["status"] for task_id, meta in future.result(30).items()} == {
            "x": "SUCCESS",
            "y": "FAILURE",
        }
        assert time.monotonic() - began < 10.0


def test_celery_joins_what_we_store(app: Celery, backend: RedisBackend) -> None:
    """By `get_many`, by `join` and by `join_native` of a set of results."""
    for task_id, state, value in STORED:
        backend.store_result(task_id, value, state)
    ids = [task_id for task_id, _, _ in STORED]
    found = {task_id: (meta["status"], described(meta["result"])) for task_id, meta in app.backend.get_many(ids)}
    assert found == {task_id: (state, described(value)) for task_id, state, value in STORED}
    results = ResultSet([AsyncResult(task_id, app=app) for task_id in ids], app=app)
    for join in (results.join, results.join_native):
        assert list(map(described, join(timeout=10, propagate=False))) == [described(value) for _, _, value in STORED]
