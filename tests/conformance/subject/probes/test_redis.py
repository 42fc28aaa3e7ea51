"""The probe of a Redis, against a real server: keys and channels as they are, and only our connections cut."""

import math
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import redis

from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import LifeProbe, SubjectError, WireProbe
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.probes.redis import RedisProbe
from resultspec_conformance.subject.probes.sockets import local_ports


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline, "it did not become true within 5 s"
        time.sleep(0.002)


@pytest.fixture(name="url", scope="module")
def start_server() -> Iterator[str]:
    """Run a throw-away server and return its URL."""
    with running("redis") as server:
        yield server.url


@pytest.fixture(name="prefix")
def make_prefix() -> str:
    """Return a global key prefix that nobody else uses."""
    return f"probe-{uuid.uuid4().hex}:"


@pytest.fixture(name="probe")
def open_probe(url: str, prefix: str) -> Iterator[RedisProbe]:
    """Return a probe, whose keys are removed afterwards."""
    probe = RedisProbe(url, prefix)
    yield probe
    probe.forget_run()
    probe.close()


@pytest.fixture(name="client")
def connect(url: str) -> Iterator[Any]:
    """Return a client of the server that is not the probe's."""
    client = redis.Redis.from_url(url, client_name="somebody")
    yield client
    client.close()


def test_probe_sees_keys_and_channels(probe: RedisProbe) -> None:
    """The probe of a Redis is one of a key/value store."""
    assert isinstance(probe, WireProbe)


def test_probe_is_chosen_by_the_url_of_the_store(url: str, prefix: str) -> None:
    """A Redis URL gets this probe, no URL gets none, and a store that the suite does not know gets none."""
    found = probe_for(url, prefix)
    assert isinstance(found, RedisProbe)
    assert found.prefix == prefix
    found.close()
    assert probe_for(None, prefix) is None
    assert probe_for("mongodb://localhost", prefix) is None


def test_task_is_under_its_prefixed_key(probe: RedisProbe, prefix: str, client: Any) -> None:
    """The bytes of a task are read and written under the prefix, `celery-task-meta-`, and the id."""
    probe.write("t-1", b"\x00\xff stored")
    assert client.get(f"{prefix}celery-task-meta-t-1") == b"\x00\xff stored"
    assert probe.read("t-1") == b"\x00\xff stored"
    assert probe.read("t-2") is None


def test_group_is_under_its_prefixed_key(probe: RedisProbe, prefix: str, client: Any) -> None:
    """The bytes of a group are read and written under the prefix, `celery-taskset-meta-`, and the id."""
    probe.write_group("g-1", b"\x00\xff stored")
    assert client.get(f"{prefix}celery-taskset-meta-g-1") == b"\x00\xff stored"
    assert probe.read_group("g-1") == b"\x00\xff stored"
    assert probe.read_group("g-2") is None
    assert probe.read("g-1") is None


def test_what_is_written_does_not_stay_for_ever(probe: RedisProbe, prefix: str, client: Any) -> None:
    """A key that the suite sets goes away by itself if the suite dies."""
    probe.write("t-1", b"")
    assert 0 < client.ttl(f"{prefix}celery-task-meta-t-1") <= 3600


def test_key_is_taken_as_it_is(probe: RedisProbe, prefix: str, client: Any) -> None:
    """Raw keys do not get a prefix, are not patterns, and are UTF-8."""
    for key in (f"{prefix}*", f"{prefix}[é]", f"{prefix}?"):
        probe.set(key, b"here")
        assert client.get(key.encode()) == b"here"
        assert probe.get(key) == b"here"
        assert key in probe.keys()  # noqa: SIM118 - a probe is not a map
    probe.delete(f"{prefix}*", f"{prefix}absent")
    assert probe.get(f"{prefix}*") is None
    assert probe.get(f"{prefix}?") == b"here"
    probe.delete()


def test_writing_notifies_nobody(probe: RedisProbe, prefix: str) -> None:
    """Bytes that are written behind a backend's back are not published."""
    key = f"{prefix}celery-task-meta-t-1"
    listener = probe.listen([key])
    probe.write("t-1", b"silent")
    probe.publish(key, b"end")
    assert [heard.body for heard in listener.collect(1, 5.0)] == [b"end"]
    listener.close()


def test_listener_hears_what_is_published_after_it_was_opened(probe: RedisProbe, prefix: str, client: Any) -> None:
    """Messages come in their order, with their channel, and with the value that was readable when they came."""
    first, second, other = (f"{prefix}{name}" for name in ("first", "second", "other"))
    client.publish(first, b"too early")
    listener = probe.listen([first, second])
    client.set(first, b"value")
    client.publish(other, b"not for us")
    client.publish(first, b"one")
    client.publish(second, b"two")
    heard = listener.collect(2, 5.0)
    assert [(one.channel, one.body, one.value_then) for one in heard] == [
        (first, b"one", b"value"),
        (second, b"two", None),
    ]
    assert listener.collect(1, 0.02) == []
    listener.close()


def test_subscriptions_are_counted_by_channel(probe: RedisProbe, prefix: str, client: Any) -> None:
    """Every subscription to a channel counts, of any client, as long as it lasts."""
    channel = f"{prefix}channel"
    assert probe.subscribers(channel) == 0
    listener = probe.listen([channel])
    pubsub = client.pubsub()
    pubsub.subscribe(channel, f"{channel}-other")
    assert pubsub.get_message(timeout=5.0)["type"] == "subscribe"
    assert probe.subscribers(channel) == 2
    pubsub.close()
    listener.close()
    _await(lambda: probe.subscribers(channel) == 0)


def test_cut_hits_other_connections_of_this_process(probe: RedisProbe, prefix: str, client: Any, url: str) -> None:
    """Open connections of this process are cut, idle or subscribed, and a reader in one sees it; the probe works on."""
    lone = redis.Redis.from_url(url, single_connection_client=True, retry=None)
    lone.ping()
    pubsub = cast(Any, client).pubsub()
    pubsub.subscribe(f"{prefix}channel")
    assert pubsub.get_message(timeout=5.0)["type"] == "subscribe"
    listener = probe.listen([f"{prefix}channel"])
    assert probe.cut_connections() >= 2
    _await(lambda: probe.subscribers(f"{prefix}channel") == 1)
    with pytest.raises(redis.ConnectionError):
        lone.connection.read_response()  # type: ignore[union-attr]
    probe.publish(f"{prefix}channel", b"still here")
    assert [heard.body for heard in listener.collect(1, 5.0)] == [b"still here"]
    listener.close()
    pubsub.close()
    lone.close()


STRANGER = """
import sys, redis
client = redis.Redis.from_url(sys.argv[1], single_connection_client=True)
client.ping()
print("connected", flush=True)
sys.stdin.readline()
client.connection.send_command("PING")
print(client.connection.read_response(), flush=True)
"""

ORPHAN = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]])"


def test_connections_of_other_processes_are_left_alone(probe: RedisProbe, url: str) -> None:
    """A server may be shared: connections of processes that are not our descendants stay open."""
    command = [sys.executable, "-c", ORPHAN, STRANGER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "connected\n"
        assert parent.wait(10.0) == 0
        probe.cut_connections()
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "b'PONG'\n"


def test_only_open_connections_of_this_process_and_its_children_are_ours() -> None:
    """IPv4 and IPv6 alike, and those of a child; not one that is closed, which the kernel remembers for a minute."""
    child = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); sys.stdin.read()"
    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.create_server((host, 0), family=family) as server:
            here = server.getsockname()
            mine = socket.create_connection(here[:2])
            server.accept()[0].close()
            closed = mine.getsockname()[1]
            mine.close()
            open_one = socket.create_connection(here[:2])
            accepted = [server.accept()[0]]
            command = [sys.executable, "-c", child, host, str(here[1])]
            with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
                accepted.append(server.accept()[0])
                found = local_ports()
                assert {open_one.getsockname()[1], accepted[1].getpeername()[1]} <= found
                assert closed not in found
                process.kill()
            for one in (open_one, *accepted):
                one.close()


def test_nothing_to_cut_is_zero(probe: RedisProbe) -> None:
    """Where the subject has no connection, none is counted."""
    probe.cut_connections()
    assert probe.cut_connections() == 0


def test_probe_serves_several_threads(probe: RedisProbe, prefix: str) -> None:
    """A listener in one thread and reads in another do not disturb each other."""
    key = f"{prefix}shared"
    listener = probe.listen([key])
    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(listener.collect, 50, 10.0)
        for number in range(50):
            probe.set(key, b"%d" % number)
            probe.publish(key, b"%d" % number)
            assert probe.get(key) == b"%d" % number
        heard = collecting.result(20.0)
    assert [one.body for one in heard] == [b"%d" % number for number in range(50)]
    listener.close()


def test_end_of_the_run_removes_its_keys_only(url: str, prefix: str, client: Any) -> None:
    """All keys under the prefix go, also where it looks like a pattern, and no others."""
    odd = f"{prefix}[a-z]*:"
    near = f"{prefix}b:kept"
    probe = RedisProbe(url, odd)
    probe.write("t-1", b"")
    probe.set(near, b"kept")
    probe.forget_run()
    assert probe.read("t-1") is None
    assert client.get(near) == b"kept"
    probe.delete(near)
    probe.close()


def test_unreachable_server_is_reported_without_its_password() -> None:
    """Where nobody listens, the error says so and does not show the password of the URL."""
    with pytest.raises(SubjectError) as caught:
        RedisProbe("redis://:open-sesame@127.0.0.1:1/0", "")
    assert "cannot be reached" in str(caught.value)
    assert "open-sesame" not in str(caught.value)


def test_invalid_url_is_reported() -> None:
    """What is not a Redis URL is refused as such."""
    with pytest.raises(SubjectError, match="is not a Redis URL"):
        RedisProbe("redis://127.0.0.1:six/0", "")


def test_probe_sees_lives_and_makes_entries_older(probe: RedisProbe, client: Any) -> None:
    """An entry that is aged beyond its end is gone; one that lives for ever, or is not there, cannot be aged."""
    assert isinstance(probe, LifeProbe)
    client.set(probe.key("mortal"), b"1", ex=600)
    client.set(probe.key("immortal"), b"1")
    assert 599 < (probe.remaining("mortal") or 0) <= 600
    assert (probe.remaining("immortal"), probe.remaining("absent")) == (math.inf, None)
    assert probe.age("mortal", 400)
    assert 199 < (probe.remaining("mortal") or 0) <= 200
    assert not probe.age("immortal", 400)
    assert not probe.age("absent", 400)
    assert probe.age("mortal", 200)
    assert (probe.read("mortal"), probe.read("immortal")) == (None, b"1")
