"""What our Redis backend writes, a real Celery client reads, and the other way round."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import celery.exceptions
import pytest
from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult
from kombu.exceptions import EncodeError

from resultspec_adapters.redis.backend import RedisBackend
from resultspec_reference import App

# Celery calls commands of redis-py that redis-py deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

CLASS_OF_NOBODY = type("CardRefused", (Exception,), {"__module__": "no.such.module"})


@pytest.fixture(name="app")
def celery_app(redis_url: str, prefix: str) -> Iterator[Celery]:
    """Yield a Celery app whose results are in the Redis, below the prefix of the test."""
    app = Celery("tests", broker="memory://", backend=redis_url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    yield app
    app.backend.result_consumer.stop()
    app.backend.client.connection_pool.disconnect()
    app.close()


@pytest.fixture(name="ours")
def our_backend(app: Celery, redis_url: str, prefix: str) -> Iterator[RedisBackend]:
    """Yield our backend, made for the same real Celery app: prefix, serializer and life come from its settings."""
    backend = RedisBackend(app, redis_url)
    yield backend
    backend.remove_all(prefix)


TUPLE = [["c", None], None]

STORED: list[tuple[str, Any]] = [
    ("PENDING", None),
    ("STARTED", {"pid": 1, "hostname": "w@h"}),
    ("PROGRESS", {"current": 1}),
    ("RETRY", ValueError("again")),
    ("RETRY", None),
    ("SUCCESS", {"a": [1, None, "é", 1.5, True]}),
    ("SUCCESS", datetime(2026, 1, 2)),
    ("SUCCESS", "\ud800"),
    ("FAILURE", KeyError("k")),
    ("FAILURE", CLASS_OF_NOBODY("no funds", 3)),
    ("FAILURE", ValueError(object())),
    ("FAILURE", {"custom": 1}),
    ("FAILURE", "boom"),
    ("FAILURE", FileNotFoundError(2, "no", "file")),
]


def described(value: Any) -> Any:
    """Return a value, and of an exception what has to come back of it."""
    return (type(value).__qualname__, value.args) if isinstance(value, BaseException) else value


@pytest.mark.parametrize(("state", "value"), STORED)
def test_celery_reads_what_we_store(app: Celery, ours: RedisBackend, state: str, value: Any) -> None:
    """Every member of the meta, in every state, without the errors that Celery's own writer can cause."""
    request = {"group": "g", "parent_id": "p", "children": [TUPLE]}
    ours.store_result("t", value, state, traceback="tb", request=request)
    theirs = AsyncResult("t", app=app)
    assert theirs.state == state
    assert described(theirs.result) == described(ours.get_result("t"))
    assert theirs.traceback == "tb"
    children: Any = theirs.children  # handles only if the task is ready, and else what is stored
    assert ([child.id for child in children] if theirs.ready() else children) == (["c"] if theirs.ready() else [TUPLE])
    assert (theirs.date_done is not None) == theirs.ready()
    assert app.backend.get_task_meta("t")["group_id"] == "g"


@pytest.mark.parametrize(("state", "value"), STORED)
def test_we_read_what_celery_stores(app: Celery, ours: RedisBackend, state: str, value: Any) -> None:
    """Also an entry that Celery itself cannot read: a value that is not an exception, in FAILURE."""
    app.backend.store_result("t", value, state, traceback="tb")
    found = ours.get_task_meta("t")
    assert (found["status"], found["traceback"], found["task_id"]) == (state, "tb", "t")
    result = found["result"]
    if state == "FAILURE" and not isinstance(value, Exception):
        assert described(result) == ("Exception", (value,))
    elif isinstance(value, Exception) and not isinstance(value.args[0], (str, int)):
        assert type(result) is type(value)
    else:
        assert described(result) == described(value)


def test_groups_cross_in_both_directions(redis_url: str, prefix: str) -> None:
    """One key, the same bytes, the same group, replaced and deleted by either.

    In a process of its own: the handles of Celery refer to themselves, and call their backend when they are collected.
    """
    script = Path(__file__).parent / "groups_beside_celery.py"
    done = subprocess.run([sys.executable, script, redis_url, prefix], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout.strip()) == (0, "3 groups crossed"), done.stderr


def test_both_store_the_same_bytes(app: Celery, ours: RedisBackend, raw: Any) -> None:
    """But for the instant: one key, one form, one order of members, one life."""
    key = ours.get_key_for_task("t")
    assert key == app.backend.get_key_for_task("t")
    found = []
    for store in (app.backend.store_result, ours.store_result):
        store("t", ValueError("é", 3), "FAILURE", traceback="tb")
        payload: Any = raw.get(key)
        date = ours.get_task_meta("t")["date_done"]
        found.append((payload.replace(date.encode(), b"DATE"), raw.ttl(key)))
        raw.delete(key)
    assert found[0] == found[1]


@pytest.mark.parametrize("expires", [1, 60, 3600, 86_400.0, timedelta(days=30), timedelta(hours=1), None, 0])
def test_both_give_an_entry_the_same_life(redis_url: str, prefix: str, raw: Any, expires: Any) -> None:
    """Of a number, a timedelta and none at all; fractions, which Celery cuts off, are another matter."""
    app = Celery("tests", broker="memory://", backend=redis_url, set_as_current=False)
    app.conf.update(result_expires=expires, result_backend_transport_options={"global_keyprefix": prefix})
    ours = RedisBackend(app, redis_url)
    lives = []
    for number, backend in enumerate((app.backend, ours)):
        backend.store_result(f"t-{number}", 1, "SUCCESS")
        lives.append(raw.pttl(ours.get_key_for_task(f"t-{number}")))
    assert lives[0] == lives[1] == -1 if not expires else abs(lives[0] - lives[1]) < 500
    ours.remove_all(prefix)
    app.backend.client.close()
    app.close()


@pytest.mark.parametrize(
    ("state", "value"), [("SUCCESS", [1, "é"]), ("FAILURE", CLASS_OF_NOBODY("x")), ("REVOKED", None)]
)
def test_a_celery_client_that_waits_is_woken(app: Celery, ours: RedisBackend, raw: Any, state: str, value: Any) -> None:
    """`get()` started first, and ends by our notification."""
    theirs = AsyncResult("t", app=app)
    channel = ours.get_key_for_task("t").decode()

    def wait() -> Any:
        try:
            return theirs.get(timeout=20)
        except Exception as error:  # noqa: BLE001 - what get() raises is what is compared
            return described(error)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(wait)
        while not raw.pubsub_numsub(channel)[0][1]:
            assert not future.done()
        if state == "REVOKED":
            ours.mark_as_revoked("t", "terminated")
        else:
            ours.store_result("t", value, state)
        outcome = future.result(30)
    if state == "SUCCESS":
        assert outcome == value
    else:
        assert outcome == (("CardRefused", ("x",)) if state == "FAILURE" else ("TaskRevokedError", ("terminated",)))


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_we_are_woken_by_celery(app: Celery, ours: RedisBackend, raw: Any, state: str) -> None:
    """Our wait started first, and ends by Celery's notification."""
    channel = ours.get_key_for_task("t").decode()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ours.wait_for, "t", 20, 20)
        while not raw.pubsub_numsub(channel)[0][1]:
            assert not future.done()
        if state == "SUCCESS":
            app.backend.mark_as_done("t", [1])
            assert future.result(30) == [1]
        elif state == "FAILURE":
            app.backend.mark_as_failure("t", KeyError("k"))
            with pytest.raises(KeyError):
                future.result(30)
        else:
            app.backend.mark_as_revoked("t", "terminated")
            with pytest.raises(celery.exceptions.TaskRevokedError):
                future.result(30)


def test_the_guards_agree(app: Celery, ours: RedisBackend) -> None:
    """Neither replaces the SUCCESS of the other."""
    for task_id, first, second in (("a", app.backend, ours), ("b", ours, app.backend)):
        first.mark_as_failure(task_id, ValueError())
        second.mark_as_done(task_id, 1)
        first.mark_as_failure(task_id, ValueError())
        assert ours.get_result(task_id) == app.backend.get_result(task_id) == 1


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack"])
def test_the_other_serializers(redis_url: str, prefix: str, serializer: str) -> None:
    """Values and exceptions cross in both directions."""
    app = Celery("tests", broker="memory://", backend=redis_url, set_as_current=False)
    app.conf.update(
        result_serializer=serializer,
        result_accept_content=[serializer],
        result_backend_transport_options={"global_keyprefix": prefix},
    )
    ours = RedisBackend(app, redis_url)
    ours.mark_as_done("a", {"k": [1, None]})
    ours.mark_as_failure("b", KeyError("k"), traceback="tb")
    assert app.backend.get_result("a") == {"k": [1, None]}
    assert described(app.backend.get_result("b")) == ("KeyError", ("k",))
    app.backend.mark_as_done("c", [1])
    app.backend.mark_as_failure("d", KeyError("k"))
    assert ours.wait_for("c", timeout=5) == [1]
    assert described(ours.get_result("d")) == ("KeyError", ("k",))
    ours.remove_all(prefix)
    app.backend.client.close()
    app.close()


def test_our_settings_are_those_of_the_app(app: Celery, redis_url: str) -> None:
    """And those of the smallest app have the same defaults."""
    ours, plain = RedisBackend(app, redis_url), RedisBackend(App(), redis_url)
    assert ours.expires == plain.expires == app.backend.expires == 86_400
    assert ours.accept == plain.accept == {"application/json"}


# -- extended members ------------------------------------------------------------------------------

CALL: dict[str, Any] = {
    "id": "t",
    "task": "proj.charge",
    "args": [1, "é"],
    "kwargs": {"x": 1.5},
    "hostname": "w1@host",
    "retries": 2,
    "delivery_info": {"exchange": "", "routing_key": "orders.eu"},
    "group": "g",
    "parent_id": "p",
    "stamps": {"tenant": ["acme"], "shard": 3},
    "stamped_headers": ["tenant"],
}
TOLD = ("name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers", "tenant")


@pytest.fixture(name="telling")
def telling_backend(app: Celery, redis_url: str, prefix: str) -> Iterator[RedisBackend]:
    """Yield our backend, made for a real Celery app whose results are extended."""
    app.conf.result_extended = True
    backend = RedisBackend(app, redis_url)
    yield backend
    backend.remove_all(prefix)


@pytest.mark.parametrize("request_", [CALL, {"id": "t"}, {**CALL, "delivery_info": None, "stamps": None}])
def test_both_tell_of_a_call_in_the_same_bytes(app: Celery, telling: RedisBackend, raw: Any, request_: Any) -> None:
    """Order of members and null ones included, for the request that a worker of Celery has."""
    key, found = telling.get_key_for_task("t"), []
    for store in (app.backend.store_result, telling.store_result):
        store("t", 7, "SUCCESS", request=Context(request_))
        payload: Any = raw.get(key)
        found.append(payload.replace(str(telling.get_task_meta("t")["date_done"]).encode(), b"DATE"))
        raw.delete(key)
    assert found[0] == found[1]


def test_celery_reads_what_we_tell(app: Celery, telling: RedisBackend) -> None:
    """By the properties of its result, where there are some, and in the meta."""
    telling.store_result("t", 7, "SUCCESS", request=Context(CALL))
    theirs = AsyncResult("t", app=app)
    assert (theirs.name, theirs.args, theirs.kwargs) == ("proj.charge", [1, "é"], {"x": 1.5})
    assert (theirs.worker, theirs.retries, theirs.queue) == ("w1@host", 2, "orders.eu")
    assert "shard" not in app.backend.get_task_meta("t")


def test_we_read_what_celery_tells(app: Celery, telling: RedisBackend) -> None:
    """Stamps included, and as well as its own reader does."""
    app.backend.store_result("t", 7, "SUCCESS", request=Context(CALL))
    ours, theirs = telling.get_task_meta("t"), app.backend.get_task_meta("t")
    assert {name: ours[name] for name in TOLD} == {name: theirs[name] for name in TOLD}


def test_an_argument_that_cannot_be_encoded_costs_us_no_result(app: Celery, telling: RedisBackend) -> None:
    """It costs Celery's the result (EXT-4), and its reader reads ours."""
    request_ = Context({**CALL, "args": [1, object()]})
    with pytest.raises(EncodeError):
        app.backend.store_result("t", 7, "SUCCESS", request=request_)
    telling.store_result("t", 7, "SUCCESS", request=request_)
    assert AsyncResult("t", app=app).get(timeout=20) == 7
