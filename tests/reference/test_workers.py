"""What a worker calls, on the least that a store can be."""

import inspect
import os
import pickle
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from resultspec_adapters.memory.backend import MemoryBackend
from resultspec_adapters.redis.backend import RedisBackend
from resultspec_reference import App, BaseBackend, DisabledBackend, KeyValueStoreBackend
from resultspec_reference.errors import EncodeError, TaskRevokedError


class DictBackend(KeyValueStoreBackend):
    """Results in a dict of its own."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self.entries: dict[bytes, bytes] = {}
        self.ended: list[tuple[Any, str, Any]] = []

    def get(self, key: bytes) -> bytes | None:
        """Read."""
        return self.entries.get(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write."""
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        """Remove."""
        self.entries.pop(key, None)

    def _task_ended(self, request: object | None, state: str, result: Any) -> None:
        """Remember what follows from the end of a task."""
        self.ended.append((request, state, result))


class RunningApp(App):
    """An app in which a task runs."""

    def __init__(self, **request: Any) -> None:
        super().__init__()
        self.current_task = SimpleNamespace(request=SimpleNamespace(**request))


CHILD = (("c", None), None)


@pytest.fixture(name="backend")
def make_backend() -> DictBackend:
    """Return a backend."""
    return DictBackend(App())


def test_what_follows_from_the_end_of_a_task_comes_after_its_store(backend: DictBackend) -> None:
    """For the states that end one, whether the result is ignored or the store lost; a retry and a start end nothing."""
    request, error = {"id": "t", "ignore_result": True}, ValueError("x")
    backend.mark_as_started("t", pid=1)
    backend.mark_as_retry("t", error, request=request)
    assert backend.ended == []
    backend.mark_as_done("t", 7, request)
    assert backend.get_state("t") == "RETRY"
    backend.mark_as_failure("t", error, request=request)
    backend.mark_as_revoked("t", "because", request)
    assert [(state, result) for _, state, result in backend.ended[:2]] == [("SUCCESS", 7), ("FAILURE", error)]
    revoked = backend.ended[2][2]
    assert (type(revoked), revoked.args) == (TaskRevokedError, ("because",))
    assert {id(given) for given, _, _ in backend.ended} == {id(request)}
    backend.mark_as_done("t", 8)
    backend.mark_as_failure("t", error, request=request)
    assert backend.get_result("t") == 8
    assert len(backend.ended) == 5


def test_nothing_follows_where_storing_failed(backend: DictBackend) -> None:
    """The error reaches the caller."""
    with pytest.raises(EncodeError):
        backend.mark_as_done("t", object(), {"id": "t"})
    assert backend.ended == []


@pytest.mark.parametrize("running", ["t", "another"])
def test_children_of_the_task_that_runs(running: str) -> None:
    """They are stored for that task alone (WORK-7), and handed out in any case (WORK-8)."""
    backend = DictBackend(RunningApp(id=running, children=[CHILD]))
    backend.mark_as_failure("t", ValueError())
    assert backend.get_children("t") == ([[["c", None], None]] if running == "t" else None)
    assert backend.current_task_children() == [[["c", None], None]]
    assert backend.current_task_children({"children": []}) == []
    backend.store_result("t", 1, "SUCCESS", request={"id": "t"})
    assert backend.get_children("t") == []


def test_no_task_has_no_children(backend: DictBackend) -> None:
    """None is not known, and an app may have no task that runs."""
    assert backend.current_task_children() is None
    app = RunningApp()
    app.current_task = SimpleNamespace(request=None)
    assert DictBackend(app).current_task_children() is None


@pytest.mark.parametrize("cls", [DictBackend, DisabledBackend])
def test_what_is_around_a_task(cls: type[BaseBackend]) -> None:
    """There is a map for the message, and nothing to clean up."""
    backend = cls(App())
    assert backend.on_task_call(None, "t") == {}
    backend.process_cleanup()
    backend.process_cleanup()


def test_a_worker_runs_without_a_backend() -> None:
    """All that it calls succeeds (DIS-4)."""
    backend = DisabledBackend(App())
    backend.mark_as_started("t", pid=1)
    backend.mark_as_done("t", object(), {"id": "t"})
    backend.mark_as_failure("t", ValueError(object()), "tb")
    backend.mark_as_retry("t", None)
    backend.mark_as_revoked("t")


# -- processes -------------------------------------------------------------------------------------

OPTIONS: list[tuple[type[BaseBackend], str, Any]] = [
    *((cls, "serializer", "pickle") for cls in (DictBackend, DisabledBackend, MemoryBackend, RedisBackend)),
    *((cls, "accept", ["pickle", "json"]) for cls in (DictBackend, DisabledBackend, MemoryBackend, RedisBackend)),
    *((cls, "max_cached_results", 7) for cls in (DictBackend, DisabledBackend, MemoryBackend, RedisBackend)),
    (DictBackend, "url", "dict://u:pw@h"),
    (MemoryBackend, "url", "memory://name"),
    (RedisBackend, "url", "redis://:pw@h:7/3"),
    *((cls, "global_keyprefix", "pre") for cls in (DictBackend, MemoryBackend, RedisBackend)),
    (RedisBackend, "expires", 77),
    (RedisBackend, "retry_policy", {"max_retries": 3}),
    (RedisBackend, "socket_timeout", 3),
]


def _seen(backend: Any) -> dict[str, Any]:
    """Return what can be seen of the options of a backend: attributes that are plain values."""
    plain = (str, int, float, bytes, bool, tuple, list, dict, set, frozenset)
    found = {name: value for name, value in vars(backend).items() if isinstance(value, plain)}
    return found | {"policy": dict(backend.retry_policy), "room": backend._cache._limit}


@pytest.mark.parametrize(("cls", "option", "value"), OPTIONS)
def test_pickling_keeps_each_option(cls: type[BaseBackend], option: str, value: Any) -> None:
    """What differs from a backend without the option differs after pickling, too."""
    made: Any = cls(App(), **{option: value})
    again = pickle.loads(pickle.dumps(made))
    assert again._constructed == made._constructed == ((), {option: value})
    assert _seen(again) == _seen(made)


def test_no_option_of_a_constructor_is_left_out() -> None:
    """The parameters that the documentation has are all tried above."""
    documented = set(inspect.signature(BaseBackend.__init__).parameters) - {"self", "app", "kwargs"}
    assert documented <= {option for cls, option, _ in OPTIONS if cls is DictBackend}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_shares_no_cache_and_no_lock() -> None:
    """Though a thread of the parent holds the lock of the cache at the fork."""
    backend = DictBackend(App(), max_cached_results=0)
    backend.mark_as_done("t", 1)
    backend.get_result("t")
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with backend._cache._lock:
            held.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    child = os.fork()
    if child == 0:
        os._exit(0 if not backend.is_cached("t") and backend.get_result("t") == 1 else 1)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert backend.is_cached("t")
