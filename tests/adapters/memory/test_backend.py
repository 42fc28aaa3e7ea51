"""The memory backend: one store per name, safe in threads, notified."""

import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from resultspec_adapters.memory.backend import MemoryBackend
from resultspec_adapters.memory.store import MemoryClock, MemoryStore, drop_store, named_store
from resultspec_adapters.memory.subject import adapter
from resultspec_conformance.subject import ClientOptions, Target
from resultspec_reference import App
from resultspec_reference.errors import ImproperlyConfigured


@pytest.fixture(name="url")
def make_url() -> str:
    """Return the URL of a store that no other test has."""
    return f"memory://{uuid4().hex}"


def until(condition: Callable[[], bool], bound: float = 5.0) -> None:
    """Return when the condition holds, and fail if it does not in time."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_name_is_a_store(url: str) -> None:
    """Backends with one URL share it; without a name each has its own."""
    MemoryBackend(App(), url).mark_as_done("t", 1)
    assert MemoryBackend(App(), url).get_result("t") == 1
    assert MemoryBackend(App(), url + "x").get_state("t") == "PENDING"
    private = MemoryBackend(App())
    private.mark_as_done("t", 1)
    assert MemoryBackend(App()).get_state("t") == "PENDING"
    assert private.mget([private.get_key_for_task("t"), b"none"])[1] is None


def test_a_waiter_is_woken(url: str) -> None:
    """Long before it would read again by itself, and it leaves no watch behind."""
    writer, reader = MemoryBackend(App(), url), MemoryBackend(App(), url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.wait_for, "t", 30, 30)
        until(lambda: bool(reader.store.watched()))
        began = time.monotonic()
        writer.mark_as_done("t", 1)
        assert waiting.result(30) == 1
        assert time.monotonic() - began < 0.5
    assert not reader.store.watched()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_leaving_a_wait_leaves_nothing(url: str, error: type[BaseException]) -> None:
    """By an exception, by an interrupt, or because the time is over."""
    backend = MemoryBackend(App(), url)

    def leave() -> None:
        raise error

    with pytest.raises(error):
        backend.wait_for("t", timeout=5, on_interval=leave)
    with pytest.raises(backend.TimeoutError):
        backend.wait_for("t", timeout=0.01)
    assert not backend.store.watched()


def test_a_writer_that_does_not_notify_is_seen(url: str) -> None:
    """At the deadline at the latest (WAIT-8)."""
    backend, other = MemoryBackend(App(), url), MemoryBackend(App())
    other.mark_as_done("t", 1)
    key = backend.get_key_for_task("t")
    payload = other.get(key) or b""
    found = backend.wait_for(
        "t", timeout=0.2, interval=60, on_interval=lambda: backend.store.put_silently(key, payload)
    )
    assert found == 1


def test_a_join_is_woken_and_leaves_nothing(url: str) -> None:
    """By each store, long before its next pass, and wherever its caller leaves it."""
    writer, reader = MemoryBackend(App(), url), MemoryBackend(App(), url)
    reader.reread_interval = 30.0
    ids = ["a", "b", "c"]
    for taken in (3, 1):
        items = reader.get_many(ids, timeout=30, interval=30)
        with ThreadPoolExecutor(1) as pool:
            for task_id in ids[:taken]:
                coming = pool.submit(next, items)
                until(lambda: coming.done() or bool(reader.store.watched()))  # noqa: B023 - asked for at once
                writer.mark_as_done(task_id, 1)
                assert coming.result(5)[0] == task_id
        assert len(reader.store.watched()) == 3
        items.close()  # type: ignore[attr-defined]
        assert not reader.store.watched()
        for task_id in ids:
            writer.forget(task_id)


def test_many_waiters_all_return(url: str) -> None:
    """Also if one of them gives up first (WAIT-10, WAIT-11)."""
    backend = MemoryBackend(App(), url)
    with ThreadPoolExecutor(9) as pool:
        waiting = [pool.submit(backend.wait_for, "t", 30, 30) for _ in range(8)]
        with pytest.raises(backend.TimeoutError):
            backend.wait_for("t", timeout=0.02)
        backend.mark_as_done("t", 1)
        assert [each.result(30) for each in waiting] == [1] * 8


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_an_acknowledged_success_is_never_replaced(url: str, serializer: str) -> None:
    """Whatever races with it (STATE-12)."""
    backends = [MemoryBackend(App(), url, serializer=serializer, accept=[serializer]) for _ in range(4)]
    for number in range(100):
        task_id, barrier = f"t{number}", threading.Barrier(4)

        def store(index: int, task_id: str = task_id, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            if index % 2:
                backends[index].mark_as_failure(task_id, ValueError(index))
                return "FAILURE"
            backends[index].mark_as_done(task_id, index)
            return backends[index].get_state(task_id)

        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(store, range(4)))
        assert seen[::2] == ["SUCCESS", "SUCCESS"]
        assert backends[0].get_result(task_id) in (0, 2)


def test_pickling_keeps_the_name(url: str) -> None:
    """And finds the same store in this process."""
    backend = MemoryBackend(App(), url, max_cached_results=0)
    backend.mark_as_done("t", 1)
    again = pickle.loads(pickle.dumps(backend))
    assert again.get_result("t") == 1
    assert again.is_cached("t")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_begins_with_nothing_of_its_parents(url: str) -> None:
    """Not even a lock that was held at the fork."""
    backend = MemoryBackend(App(), url, max_cached_results=0)
    backend.mark_as_done("t", 1)
    backend.get_result("t")
    with backend.store.subscribe(b"key"), backend.store._lock:
        child = os.fork()
        if child == 0:
            clean = not backend.is_cached("t") and not backend.store.watched()
            backend.mark_as_started("t")
            os._exit(0 if clean and backend.get_state("t") == "STARTED" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get_state("t") == "SUCCESS"


def test_the_adapter_opens_a_store_for_each_run() -> None:
    """With a probe that sees the stored bytes, and nothing left when it is closed."""
    subject, other = (adapter.open(Target("memory://x", run)) for run in ("one", "two"))
    connection = subject.connect(ClientOptions(serializer="pickle", max_cached_results=0))
    assert connection.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}).kind == "ok"
    found = subject.connect(ClientOptions(serializer="pickle")).call("get_result", {"task_id": "t"})
    assert (found.kind, found.value) == ("ok", 1)
    assert subject.probe is not None
    assert other.probe is not None
    stored = subject.probe.read("t")
    assert stored is not None
    assert other.probe.read("t") is None
    other.probe.write("t", stored)
    assert other.connect(ClientOptions(serializer="pickle")).call("get_result", {"task_id": "t"}).value == 1
    subject.close()
    subject.close()
    again = adapter.open(Target("memory://x", "one"))
    assert again.probe is not None
    assert again.probe.read("t") is None


# -- lives -----------------------------------------------------------------------------------------


def test_an_entry_ends_by_the_clock_of_its_store() -> None:
    """Not before, for every reader at once, and whatever else is stored; one for ever does not."""
    clock = MemoryClock()
    store = MemoryStore(clock)
    store.set(b"mortal", b"1", 60.0)
    store.set(b"immortal", b"1")
    clock.advance(59.0)
    assert store.get(b"mortal") == b"1"
    clock.advance(1.0)
    assert (store.get(b"mortal"), store.get(b"immortal")) == (None, b"1")
    assert store.replace(b"mortal", None, b"2", 60.0)
    clock.restore()
    assert store.get(b"mortal") == b"2"


def test_what_is_over_does_not_stay_in_memory() -> None:
    """A store that is used shrinks by itself to what is alive, and a cleanup takes the rest at once."""
    clock = MemoryClock()
    store = MemoryStore(clock)
    for number in range(5000):
        store.set(b"old-%d" % number, b"1", 60.0)
    store.set(b"for ever", b"1")
    clock.advance(61.0)
    for number in range(5000):
        store.set(b"new-%d" % number, b"1", 60.0)
    assert len(store) == 5001
    for _ in range(10_000):
        store.set(b"the same", b"1", 60.0)
    assert len(store) == 5002
    clock.advance(61.0)
    store.sweep()
    assert len(store) == 1
    assert store.get(b"for ever") == b"1"


def test_lives_of_a_backend() -> None:
    """The option, the setting, and `expire`; a wrong one is refused when the backend is made."""
    clock = MemoryClock()
    named_store("lives").clock = clock
    by_option = MemoryBackend(App(), "memory://lives", expires=timedelta(minutes=1))
    by_setting = MemoryBackend(App(result_expires=0), "memory://lives")
    assert (by_option.expires, by_setting.expires, by_option.supports_autoexpire) == (60.0, None, True)
    by_option.mark_as_done("option", 1)
    by_setting.mark_as_done("setting", 2)
    by_setting.mark_as_done("another", 3)
    by_setting.expire(by_setting.get_key_for_task("another"), 3600)
    by_setting.expire(by_setting.get_key_for_task("nothing"), 3600)
    clock.advance(61.0)
    assert [by_option.get_state(one) for one in ("option", "setting", "another", "nothing")] == [
        "PENDING",
        "SUCCESS",
        "SUCCESS",
        "PENDING",
    ]
    by_option.mark_as_failure("option", KeyError("late"))
    assert by_option.get_state("option") == "FAILURE"
    clock.advance(3600.0)
    by_option.cleanup()
    assert [len(by_option.store), by_option.get_state("another")] == [1, "PENDING"]
    drop_store("lives")
    with pytest.raises(ImproperlyConfigured):
        MemoryBackend(App(), expires=-1)
