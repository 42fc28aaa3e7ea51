"""The bookkeeping of chords in a Redis: its keys and lives, layouts that are not ours, and a real Celery beside us."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import Celery, chord, group
from celery.app.task import Context

from resultspec_adapters.redis.backend import RedisBackend
from resultspec_reference import App
from resultspec_reference.errors import DecodeError, OperationalError

# Celery calls commands of redis-py that redis-py deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

BODY = {"task": "t.body", "args": [], "kwargs": {}, "options": {"task_id": "body-1"}}


class RecordingApp(App):
    """An app that notes what it is asked to send."""

    def __init__(self, **conf: Any) -> None:
        super().__init__(**conf)
        self.sent: list[tuple[Mapping[str, Any], tuple[Any, ...]]] = []

    def signature(self, varies: Mapping[str, Any]) -> Any:
        """Return something that can be sent."""
        return SimpleNamespace(apply_async=lambda args: self.sent.append((varies, args)))


@pytest.fixture(name="backend")
def make_backend(redis_url: str, prefix: str) -> Iterator[RedisBackend]:
    """Yield a backend below the prefix of the test."""
    backend = RedisBackend(RecordingApp(), redis_url, global_keyprefix=prefix)
    yield backend
    backend.remove_all(prefix)


def sent(backend: RedisBackend) -> list[Any]:
    """Return the arguments of what was sent."""
    return [args for _, args in backend.app.sent]  # type: ignore[attr-defined]


def request(index: int, **more: Any) -> dict[str, Any]:
    """Return the request of a part of the chord g."""
    return {"id": f"t{index}", "group": "g", "group_index": index, "chord": BODY, **more}


def keys(raw: Any, prefix: str) -> dict[str, int]:
    """Return the keys below a prefix, without it, and the milliseconds of their lives."""
    found = list(raw.scan_iter(match=f"{prefix}*"))
    return {key.decode().removeprefix(prefix): raw.pttl(key) for key in found}


def test_keys_are_those_of_celery(backend: RedisBackend, raw: Any, prefix: str) -> None:
    """Names, types and content are the same, so that a client that reads Celery's keys can read these."""
    backend.apply_chord(["t0", "t1"], (), "g", BODY)
    backend.set_chord_size("g", 2)
    backend.on_chord_part_return(request(1), "SUCCESS", {"a": 1})
    group_key = f"{prefix}celery-taskset-meta-g"
    ((member, score),) = raw.zrange(f"{group_key}.j", 0, -1, withscores=True)
    assert (json.loads(member), score) == ([1, "t1", "SUCCESS", {"a": 1}], 1.0)
    assert raw.smembers(f"{group_key}.d") == {b"t1:1"}
    assert raw.get(f"{group_key}.s") == b"2"
    backend.add_to_chord("g", [["t2", None], None])
    assert raw.get(f"{group_key}.t") == b"1"
    assert all(0 < life <= 86_400_000 for life in keys(raw, prefix).values())


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE"])
def test_the_mark_is_all_that_stays(backend: RedisBackend, raw: Any, prefix: str, state: str) -> None:
    """After the decision, whatever it was; late duplicates change nothing of that."""
    backend.apply_chord([[["t0", None], None], [["h", None], [[["t1", None], None]]]], (), "g", BODY)
    backend.set_chord_size("g", 2)
    for _ in range(2):
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
        backend.on_chord_part_return(request(1), state, ValueError("x") if state == "FAILURE" else 2)
    left = keys(raw, prefix)
    left.pop("celery-task-meta-body-1", None)
    assert set(left) == {"celery-taskset-meta-g.c", "chord-unlock-g"}
    assert left["celery-taskset-meta-g.c"] > 300_000
    assert 0 < left["chord-unlock-g"] <= 60_000
    assert raw.get(f"{prefix}celery-taskset-meta-g.c") == b"done"


def test_bookkeeping_ends_where_results_do_not(redis_url: str, raw: Any, prefix: str) -> None:
    """With a life of results that is for ever."""
    backend = RedisBackend(RecordingApp(result_expires=None), redis_url, global_keyprefix=prefix)
    try:
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
        backend.set_chord_size("g", 1)
        assert min(keys(raw, prefix).values()) > 29 * 86_400_000
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
        assert sent(backend) == [([1],)]
        assert all(0 < life <= 86_400_000 for life in keys(raw, prefix).values())
    finally:
        backend.remove_all(prefix)


def test_a_part_is_one_round_trip(backend: RedisBackend, raw: Any) -> None:
    """One command, whatever the number of parts."""
    backend.apply_chord([f"t{index}" for index in range(60)], (), "g", BODY)
    backend.on_chord_part_return(request(0), "SUCCESS", 0)
    before = raw.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    for index in range(1, 50):
        backend.on_chord_part_return(request(index), "SUCCESS", index)
    assert raw.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 49


LAYOUTS = {
    "a list of results, as Celery wrote it before 5.0": lambda raw, key: raw.rpush(f"{key}.j", "[1]"),
    "results without the set of what was counted": lambda raw, key: raw.zadd(f"{key}.j", {"[1]": 0}),
    "counted parts without results": lambda raw, key: raw.sadd(f"{key}.d", "t9:9"),
    "a text for results": lambda raw, key: raw.set(f"{key}.j", "x"),
    "a size that is not a number": lambda raw, key: raw.set(f"{key}.s", "three"),
    "a size of another type": lambda raw, key: raw.rpush(f"{key}.s", "3"),
    "a claim of another type": lambda raw, key: raw.rpush(f"{key}.c", "x"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_unknown_layout_is_left_alone(backend: RedisBackend, raw: Any, prefix: str, layout: str) -> None:
    """A definite error, and nothing is changed: never is a chord counted in two ways."""
    LAYOUTS[layout](raw, f"{prefix}celery-taskset-meta-g")

    def everything() -> dict[bytes, bytes]:
        return {key: raw.dump(key) for key in raw.scan_iter(match=f"{prefix}*")}

    before = everything()
    with pytest.raises(DecodeError, match=r"unknown chord layout under .*celery-taskset-meta-g"):
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
    assert everything() == before


def test_applying_anew_removes_any_layout(backend: RedisBackend, raw: Any, prefix: str) -> None:
    """The client begins a run of ours."""
    raw.rpush(f"{prefix}celery-taskset-meta-g.j", "[1]")
    backend.apply_chord(["t0"], (), "g", BODY)
    backend.on_chord_part_return(request(0), "SUCCESS", 1)
    assert sent(backend) == [([1],)]


def test_adding_is_not_repeated(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is lost is an error, since a second time would count twice."""
    asked: list[str] = []

    def lose(*args: Any, **kwargs: Any) -> Any:
        asked.append("add")
        raise redis.ConnectionError("gone")

    scripts = backend._chord_scripts.get()
    monkeypatch.setitem(scripts._scripts, "add", lose)
    with pytest.raises(OperationalError):
        backend.add_to_chord("g", [["t0", None], None])
    assert asked == ["add"]


# -- beside a real Celery --------------------------------------------------------------------------


def identity(value: Any) -> Any:
    """Do what every task of these tests does: none of them ever runs."""
    return value


@pytest.fixture(name="app")
def celery_app(redis_url: str, prefix: str) -> Iterator[Celery]:
    """Yield a Celery app whose results are in the Redis, below the prefix of the test."""
    app = Celery("tests", broker="memory://", backend=redis_url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}

    for name in ("t.part", "t.body"):
        app.task(identity, name=name, shared=False, ignore_result=True)
    # nothing is waited for here, and results that are collected late must not ask a server that is gone
    app.backend.remove_pending_result = lambda result: result
    yield app
    app.backend.result_consumer.stop()
    app.backend.client.close()
    app.close()


@pytest.fixture(name="ours")
def our_backend(app: Celery, redis_url: str, prefix: str) -> Iterator[RedisBackend]:
    """Yield our backend for that app, by which it sends."""
    backend = RedisBackend(app, redis_url)
    yield backend
    backend.remove_all(prefix)


def messages(app: Celery) -> list[tuple[dict[str, Any], Any]]:
    """Return the headers and arguments of all messages that wait at the broker."""
    found: list[tuple[dict[str, Any], Any]] = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return found
            message.ack()
            headers = message.headers
            assert headers is not None
            found.append((headers, message.payload))


def apply(app: Celery, header: Any, body: Any) -> list[tuple[Any, Any]]:
    """Apply a chord by Celery's canvas; return the requests of its parts, and their values."""
    chord(header, app=app)(body)
    return [
        (Context(headers, chord=payload[2]["chord"], group=headers["group"], args=payload[0]), payload[0][0])
        for headers, payload in messages(app)
    ]


@pytest.mark.parametrize("nested", [False, True])
def test_canvas_of_celery_and_our_counter(app: Celery, ours: RedisBackend, nested: bool) -> None:
    """A chord that Celery's canvas applies is counted by ours, and its body is sent by a real Celery app."""
    part, body = app.tasks["t.part"], app.tasks["t.body"]
    inner = group(part.s(1), part.s(2)) if nested else part.s(1)
    parts = apply(app, [part.s(0), inner, part.s(3)], body.s())
    for request, value in reversed(parts * 2):
        ours.store_result(request.id, value, "SUCCESS")
        ours.on_chord_part_return(request, "SUCCESS", value)
    ((headers, payload),) = messages(app)
    assert headers["task"] == "t.body"
    assert payload[0] == [[value for _, value in parts]]


def test_celery_counts_what_we_began(app: Celery, ours: RedisBackend) -> None:
    """Workers of Celery 5.7 and of ours complete one chord between them, without a part counted twice."""
    part, body = app.tasks["t.part"], app.tasks["t.body"]
    parts = apply(app, [part.s(value) for value in range(6)], body.s())
    for number, (request, value) in enumerate([*parts, *parts]):
        counter = (ours, app.backend)[number % 2]
        counter.on_chord_part_return(request, "SUCCESS", value)
    ((headers, payload),) = messages(app)
    assert (headers["task"], payload[0]) == ("t.body", [list(range(6))])
