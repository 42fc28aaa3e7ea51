"""The Redis backend on a real Redis: bytes, guard, waiting, faults, processes."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import redis

from resultspec.schemas import complaint
from resultspec_adapters.redis.backend import STORE_DIGEST, RedisBackend, milliseconds
from resultspec_adapters.redis.subject import adapter
from resultspec_conformance.subject import ClientOptions, SubjectError, Target, UsageError
from resultspec_reference import App
from resultspec_reference.errors import DecodeError, ImproperlyConfigured, OperationalError

QUICK = {"max_retries": 2, "interval_step": 0.01}


@pytest.fixture(name="make")
def backend_maker(redis_url: str, prefix: str) -> Iterator[Callable[..., RedisBackend]]:
    """Yield what makes backends below the prefix of the test."""
    made: list[RedisBackend] = []

    def make(**options: Any) -> RedisBackend:
        if "serializer" in options:
            options.setdefault("accept", [options["serializer"]])
        made.append(RedisBackend(App(), redis_url, **{"global_keyprefix": prefix, **options}))
        return made[-1]

    yield make
    for backend in made:
        backend.remove_all(prefix)


@pytest.fixture(name="backend")
def one_backend(make: Callable[..., RedisBackend]) -> RedisBackend:
    """Return a backend with the default options."""
    return make()


def until(condition: Callable[[], Any], bound: float = 10.0) -> None:
    """Return when the condition holds, and fail if it does not in time."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def subscribers(raw: Any, backend: RedisBackend, task_id: str = "t") -> int:
    """Return how many wait for a task."""
    return int(raw.pubsub_numsub(backend.get_key_for_task(task_id).decode())[0][1])


def waiting(pool: ThreadPoolExecutor, raw: Any, backend: RedisBackend, **options: Any) -> "Future[Any]":
    """Start a wait for the task, and return when it is subscribed."""
    before = subscribers(raw, backend)
    future = pool.submit(backend.wait_for, "t", **{"timeout": 30, "interval": 30, **options})
    until(lambda: subscribers(raw, backend) > before)
    return future


# -- bytes -----------------------------------------------------------------------------------------


def test_an_accepted_store_sets_expires_and_publishes(backend: RedisBackend, raw: Any, prefix: str) -> None:
    """The same bytes under the key and on the channel, and no other key (KEY-1 to KEY-5, KEY-8)."""
    key = f"{prefix}celery-task-meta-t"
    with closing(raw.pubsub(ignore_subscribe_messages=True)) as channel:
        channel.subscribe(key)
        before = set(raw.keys())
        message: Any = None
        for state in ("STARTED", "FAILURE", "SUCCESS"):
            backend.store_result("t", ValueError("é") if state == "FAILURE" else 1, state)
            stored: bytes = raw.get(key)
            message = None
            while message is None:
                message = channel.get_message(timeout=5.0)
            assert message["data"] == stored
            assert complaint(json.loads(stored), "task-meta") is None
        assert set(raw.keys()) - before == {key.encode()}
        assert 86_390 < raw.ttl(key) <= 86_400
        backend.mark_as_failure("t", ValueError("late"))
        backend.mark_as_done("t", 2)
        assert channel.get_message(timeout=0.2) is None
        assert raw.get(key) == message["data"]


@pytest.mark.parametrize(
    ("expires", "left"),
    [(0, -1), (60, 60_000), (0.0001, 1), (timedelta(milliseconds=500), 500), (10**30, 100 * 365 * 86_400_000)],
)
@pytest.mark.parametrize("state", ["SUCCESS", "STARTED", "FAILURE"])
def test_the_life_of_an_entry(make: Callable[..., RedisBackend], raw: Any, expires: Any, left: int, state: str) -> None:
    """In milliseconds, rounded up, the same in every state; 0 is for ever, and a very large one is not at once."""
    backend = make(expires=expires)
    assert milliseconds(backend.expires) == max(left, 0)
    backend.store_result("t", None, state)
    found: Any = raw.pttl(backend.get_key_for_task("t"))
    assert found in (-2, 0, 1) if left == 1 else left - 1000 <= found <= left


def test_expire_gives_another_life(make: Callable[..., RedisBackend], raw: Any) -> None:
    """Rounded up like any other; None and 0 take the end away; where nothing is, nothing is made."""
    backend = make(expires=60)
    key = backend.get_key_for_task("t")
    backend.expire(key, 60)
    assert raw.pttl(key) == -2
    backend.mark_as_done("t", 1)
    for life, least, most in ((1000.5, 1_000_000, 1_000_500), (None, -1, -1), (30, 29_000, 30_000), (0, -1, -1)):
        backend.expire(key, life)
        assert least <= raw.pttl(key) <= most
    with pytest.raises(ImproperlyConfigured):
        backend.expire(key, -1)
    assert backend.cleanup() is None  # type: ignore[func-returns-value]
    assert backend.get_result("t") == 1


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_every_serializer_guards_success(make: Callable[..., RedisBackend], serializer: str) -> None:
    """Though Lua cannot read the state of three of them."""
    backend = make(serializer=serializer)
    for state in ("PENDING", "PROGRESS", "FAILURE", "STARTED", "REVOKED", "SUCCESS"):
        backend.store_result("t", None if state == "FAILURE" else [state], state)
        assert backend.get_state("t") == state
    backend.mark_as_failure("t", ValueError())
    assert backend.get_result("t") == ["SUCCESS"]
    backend.forget("t")
    backend.mark_as_started("t")
    assert backend.get_state("t") == "STARTED"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"garbage",
        b'{"status": "SUCCESS", "result": {"__type__": "datetime", "__value__": "yesterday"}}',
        b'{"status": "SUCCESS", "result": "\xff"}',
        b'{"status": "SUCCESS", "children": 7}',
        b'["SUCCESS"]',
        b"null",
        None,
    ],
)
def test_what_cannot_be_decoded_is_named_replaced_and_removed(
    backend: RedisBackend, raw: Any, garbage: bytes | None
) -> None:
    """Also where Lua can read a SUCCESS in it, and where the key holds a list (VALUE-6 to VALUE-8)."""
    key = backend.get_key_for_task("t")
    for replace in (lambda: backend.mark_as_started("t"), lambda: backend.forget("t")):
        raw.delete(key)
        raw.rpush(key, b"x") if garbage is None else raw.set(key, garbage)
        with pytest.raises(DecodeError, match="'t'"):
            backend.get_task_meta("t")
        with pytest.raises(DecodeError, match="'t'"):
            backend.wait_for("t", timeout=5)
        replace()
        assert backend.get_state("t") in ("STARTED", "PENDING")


def test_a_success_that_lua_cannot_read_is_kept(backend: RedisBackend) -> None:
    """A lone surrogate and deep nesting are too much for its parser, and not for ours."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for value in ("\ud800", deep, [float("nan")], 10**400):
        backend.mark_as_done("t", value)
        backend.mark_as_failure("t", ValueError())
        assert backend.get_state("t") == "SUCCESS"
        backend.forget("t")


def test_one_round_trip(backend: RedisBackend, raw: Any) -> None:
    """A store over nothing, over an unready entry and over SUCCESS is one script and nothing else."""
    backend.mark_as_started("warm")
    raw.config_resetstat()
    for state in ("STARTED", "PROGRESS", "SUCCESS", "FAILURE"):
        backend.store_result("t", None, state)
    ran: Any = raw.info("commandstats")
    called = {name: stats["calls"] for name, stats in ran.items()}
    assert called["cmdstat_evalsha"] == 4
    assert called["cmdstat_publish"] == called["cmdstat_set"] == 3


# -- the guard under concurrency -------------------------------------------------------------------

WRITER = """
import sys
from resultspec_adapters.redis.backend import RedisBackend
from resultspec_reference import App
url, prefix, serializer, role = sys.argv[1:]
backend = RedisBackend(App(), url, global_keyprefix=prefix, serializer=serializer, accept=[serializer])
print("ready", flush=True)
sys.stdin.readline()
lost = 0
for number in range(50):
    if role == "worker":
        backend.mark_as_started(f"t{number}")
        backend.mark_as_done(f"t{number}", role)
        lost += backend.get_state(f"t{number}") != "SUCCESS"
    else:
        backend.mark_as_failure(f"t{number}", ValueError(role))
        backend.mark_as_started(f"t{number}")
print(lost)
"""


def test_a_server_that_has_forgotten_the_script_is_given_it(backend: RedisBackend, raw: Any) -> None:
    """Redis keeps no scripts across a restart; the store that finds that out succeeds, and the next is short again."""
    backend.store_result("t", 1, "STARTED")
    raw.script_flush()
    backend.store_result("t", 2, "SUCCESS")
    assert raw.script_exists(STORE_DIGEST) == [True]
    backend.store_result("t", 3, "SUCCESS")
    assert backend.get_result("t") == 2


def test_idle_connections_that_were_closed_cost_no_error(make: Callable[..., RedisBackend], raw: Any) -> None:
    """All of them are found out at once, by the first command; a store and a read then go through without a pause."""
    backend = make(retry_policy={"max_retries": 0}, client_name="idle-ones")
    barrier = threading.Barrier(4)

    def store(number: int) -> None:
        barrier.wait(10)
        backend.store_result(f"t{number}", number, "SUCCESS")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(4)))
    for _ in range(2):
        idle = [one["id"] for one in raw.client_list() if one["name"] == "idle-ones"]
        assert idle
        assert all(raw.client_kill_filter(_id=one) for one in idle)
        assert backend.get_result("t3") == 3
        assert raw.client_kill_filter(_id=next(one["id"] for one in raw.client_list() if one["name"] == "idle-ones"))
        backend.store_result("t0", "late", "SUCCESS")
        assert backend.get_result("t0") == 0


def test_an_error_of_the_server_does_not_cost_the_connection(make: Callable[..., RedisBackend], raw: Any) -> None:
    """A key that holds something else than bytes is an answer; the connection goes on."""
    backend = make(client_name="one-connection")
    raw.lpush(backend.get_key_for_task("odd"), "item")
    for _ in range(3):
        with pytest.raises(DecodeError):
            backend.get_task_meta("odd")
        assert backend.get_state("nothing") == "PENDING"
    assert len([one for one in raw.client_list() if one["name"] == "one-connection"]) == 1


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_an_acknowledged_success_survives_other_processes(
    make: Callable[..., RedisBackend], redis_url: str, prefix: str, serializer: str
) -> None:
    """Two processes succeed, two fail, on the same tasks at the same time (STATE-12)."""
    command = [sys.executable, "-c", WRITER, redis_url, prefix, serializer]
    writers = [
        subprocess.Popen([*command, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for role in ("worker", "worker", "late", "late")
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        outputs = []
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        outputs = [writer.communicate(timeout=60)[0] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert outputs == ["0\n"] * 4
    backend = make(serializer=serializer)
    assert {backend.get_state(f"t{number}") for number in range(50)} == {"SUCCESS"}


def test_threads_share_a_backend(make: Callable[..., RedisBackend]) -> None:
    """Stores, reads and waits at the same time."""
    backend = make(max_cached_results=50)

    def work(number: int) -> Any:
        backend.mark_as_started(f"t{number}")
        backend.mark_as_done(f"t{number}", number)
        return backend.wait_for(f"t{(number // 2)}", timeout=30)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(100))) == [number // 2 for number in range(100)]


# -- waiting ---------------------------------------------------------------------------------------


def test_a_waiter_is_woken_by_the_notification(backend: RedisBackend, raw: Any) -> None:
    """Long before it would read again by itself, and it unsubscribes."""
    with ThreadPoolExecutor(1) as pool:
        future = waiting(pool, raw, backend)
        began = time.monotonic()
        backend.mark_as_failure("t", KeyError("k"))
        with pytest.raises(KeyError):
            future.result(30)
        assert time.monotonic() - began < 0.5
    assert subscribers(raw, backend) == 0


def test_a_waiter_believes_the_store_and_not_the_notification(backend: RedisBackend, raw: Any) -> None:
    """Whatever a message says, also of another task (KEY-7)."""
    channel = backend.get_key_for_task("t").decode()
    with ThreadPoolExecutor(1) as pool:
        future = waiting(pool, raw, backend)
        for body in (
            b"",
            b"\xff",
            b'{"status": "SUCCESS", "result": 1, "task_id": "t"}',
            b'{"status": "SUCCESS", "task_id": "u"}',
        ):
            raw.publish(channel, body)
        backend.mark_as_started("t")
        backend.mark_as_done("t", "right")
        assert future.result(30) == "right"
    assert backend.get_state("u") == "PENDING"


def test_a_writer_that_does_not_publish_is_seen(backend: RedisBackend, raw: Any) -> None:
    """At the deadline, or after a second at the latest (WAIT-8)."""
    payload = b'{"status": "SUCCESS", "result": 1}'
    for timeout in (0.3, None):
        raw.delete(backend.get_key_for_task("t"))
        with ThreadPoolExecutor(1) as pool:
            future = waiting(pool, raw, backend, timeout=timeout)
            raw.set(backend.get_key_for_task("t"), payload)
            assert future.result(10) == 1


def test_leaving_a_wait_leaves_no_subscription(backend: RedisBackend, raw: Any) -> None:
    """By the timeout, an exception or an interrupt, and it leaves the neighbour's alone (WAIT-11, WAIT-12)."""

    def leave(error: type[BaseException]) -> Callable[[], None]:
        def raise_it() -> None:
            raise error

        return raise_it

    with ThreadPoolExecutor(1) as pool:
        neighbour = waiting(pool, raw, backend)
        with pytest.raises(backend.TimeoutError):
            backend.wait_for("t", timeout=0.05)
        for error in (KeyboardInterrupt, ValueError):
            with pytest.raises(error):
                backend.wait_for("t", timeout=5, on_interval=leave(error))
        assert subscribers(raw, backend) == 1
        backend.mark_as_done("t", 1)
        assert neighbour.result(30) == 1
    assert subscribers(raw, backend) == 0


def cut_others(raw: Any, prefix: str) -> int:
    """Cut the connections of the backend under test, which are known by their name."""
    clients: Any = raw.client_list()
    return sum(int(raw.client_kill_filter(_id=each["id"])) for each in clients if each["name"] == prefix.strip(":"))


def test_a_cut_connection_is_made_again(make: Callable[..., RedisBackend], raw: Any, prefix: str) -> None:
    """The waiter subscribes again, then reads again (WAIT-13)."""
    backend, writer = make(client_name=prefix.strip(":")), make()
    with ThreadPoolExecutor(1) as pool:
        future = waiting(pool, raw, backend)
        for _ in range(3):
            assert cut_others(raw, prefix) >= 1
            until(lambda: subscribers(raw, backend) == 1)
        writer.mark_as_done("t", 1)
        assert future.result(30) == 1
        writer.forget("t")
        future = waiting(pool, raw, backend, timeout=0.5)
        cut_others(raw, prefix)
        with pytest.raises(backend.TimeoutError):
            future.result(30)


def test_a_server_that_stands_still_does_not_stretch_the_timeout(backend: RedisBackend, raw: Any) -> None:
    """Reads are bounded by the deadline, and not by the timeout of the socket."""
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        future = waiting(pool, raw, backend, timeout=0.4)
        raw.client_pause(3000)
        with pytest.raises(backend.TimeoutError, match="could not be reached"):
            future.result(30)
        assert 0.4 <= time.monotonic() - began < 2
    raw.client_unpause()


def test_a_slow_server_is_given_the_time_that_it_needs(redis_url: str, prefix: str) -> None:
    """A ready result is found though each answer takes longer than the timeout."""
    with SlowProxy(redis_url, 0.15) as url:
        backend = RedisBackend(App(), url, global_keyprefix=prefix)
        backend.mark_as_done("t", 1)
        assert backend.wait_for("t", timeout=0.01) == 1
        assert backend.wait_for("t", timeout=0) == 1
        backend.remove_all(prefix)


class SlowProxy:
    """Forwards to a Redis, each chunk of an answer late by some seconds."""

    def __init__(self, url: str, delay: float) -> None:
        import socket

        self._target = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._accept, daemon=True).start()
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/{self._target.get('db', 0)}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        import socket

        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target["host"], self._target["port"]))
            for source, sink, delay in ((client, server, 0.0), (server, client, self._delay)):
                threading.Thread(target=self._pump, args=(source, sink, delay), daemon=True).start()

    @staticmethod
    def _pump(source: Any, sink: Any, delay: float) -> None:
        try:
            while chunk := source.recv(65536):
                time.sleep(delay)
                sink.sendall(chunk)
        except OSError:
            pass
        finally:
            sink.close()


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://:se/cret@localhost/0",
        "redis://:secret@localhost:port/0",
        "nonsense://:secret@localhost",
        "redis://:secret@localhost/0?bogus=secret",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    """Is refused when the backend is made, without its password."""
    with pytest.raises(ImproperlyConfigured) as raised:
        RedisBackend(App(), url)
    assert "cret" not in str(raised.value)
    with pytest.raises(UsageError) as usage:
        adapter.open(Target(url, "run"))
    assert "cret" not in str(usage.value)


def test_a_server_that_is_not_there() -> None:
    """Costs the retries of the policy, then raises; a wait ends at its deadline."""
    backend = RedisBackend(App(), "redis://:secret@127.0.0.1:1/0", retry_policy=QUICK)
    calls: list[Callable[[], object]] = [
        lambda: backend.mark_as_done("t", 1),
        lambda: backend.get_state("t"),
        lambda: backend.forget("t"),
        lambda: backend.mget([b"a"]),
        lambda: backend.set(b"a", b"b"),
        lambda: backend.wait_for("t"),
        lambda: backend.wait_for("t", timeout=0),
    ]
    for call in calls:
        with pytest.raises(OperationalError, match=r"127\.0\.0\.1:1") as raised:
            call()
        assert "secret" not in str(raised.value)
    began = time.monotonic()
    with pytest.raises(backend.TimeoutError, match="could not be reached"):
        backend.wait_for("t", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 2
    with pytest.raises(SubjectError) as unreachable:
        adapter.open(Target("redis://:secret@127.0.0.1:1/0", "run"))
    assert "secret" not in str(unreachable.value)


def test_a_wrong_password_is_not_tried_again(redis_url: str) -> None:
    """And does not appear in the message."""
    backend = RedisBackend(App(), redis_url, username="nobody", password="wr0ng")
    began = time.monotonic()
    for call in (
        lambda: backend.get_state("t"),
        lambda: backend.wait_for("t"),
        lambda: backend.wait_for("t", timeout=9),
    ):
        with pytest.raises(OperationalError, match="refuses us") as raised:
            call()
        assert "wr0ng" not in str(raised.value)
    assert time.monotonic() - began < 5


# -- processes -------------------------------------------------------------------------------------


def test_pickling_keeps_the_options_and_no_connection(make: Callable[..., RedisBackend]) -> None:
    """The copy connects by itself."""
    backend = make(max_cached_results=0, expires=77, retry_policy=QUICK, socket_timeout=3)
    backend.mark_as_done("t", 1)
    again = pickle.loads(pickle.dumps(backend))
    assert again.get_result("t") == 1
    assert (again.expires, again.retry_policy["max_retries"], again.server.socket_timeout) == (77, 2, 3)
    assert again.client is not backend.client


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_has_connections_of_its_own(make: Callable[..., RedisBackend]) -> None:
    """Neither a socket nor the cache is shared."""
    backend = make(max_cached_results=0)
    backend.mark_as_done("t", 1)
    backend.get_result("t")
    parent = backend.client
    child = os.fork()
    if child == 0:
        fine = backend.client is not parent and not backend.is_cached("t") and backend.get_result("t") == 1
        backend.mark_as_done("child", 2)
        os._exit(0 if fine else 1)
    for _ in range(100):
        assert backend.get_task_meta("t", cache=False)["result"] == 1
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get_result("child") == 2


def test_close_is_not_the_end(backend: RedisBackend) -> None:
    """A later call connects again."""
    backend.mark_as_done("t", 1)
    backend.close()
    backend.close()
    assert backend.get_result("t") == 1


# -- the adapter -----------------------------------------------------------------------------------


def own_keys(raw: Any) -> list[bytes]:
    """Return the keys that begin as those of the suite do."""
    return sorted(raw.scan_iter(match="resultspec-*"))


def test_a_run_has_a_prefix_of_its_own_and_leaves_nothing(redis_url: str, raw: Any) -> None:
    """The prefix of a client comes behind that of the run; the keys of others stay."""
    raw.set("resultspec-bystander", b"x")
    subject = adapter.open(Target(redis_url, "run*1"))
    assert subject.capabilities.prefix == "resultspec-run*1:"
    arguments = {"task_id": "t", "result": 1, "state": "SUCCESS"}
    for prefix in (None, "p"):
        assert subject.connect(ClientOptions(prefix=prefix)).call("store_result", arguments).kind == "ok"
    assert set(own_keys(raw)) == {
        b"resultspec-run*1:celery-task-meta-t",
        b"resultspec-run*1:p_celery-task-meta-t",
        b"resultspec-bystander",
    }
    assert subject.probe is not None
    assert b"SUCCESS" in (subject.probe.read("t") or b"")
    subject.close()
    subject.close()
    assert own_keys(raw) == [b"resultspec-bystander"]
    raw.delete("resultspec-bystander")


def test_removing_everything_needs_a_prefix(backend: RedisBackend) -> None:
    """Results share a server with caches and sessions."""
    with pytest.raises(ValueError, match="prefix"):
        backend.remove_all("")
