"""The probes of memcached and of a folder of files, against the real things."""

import math
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymemcache.client.base import Client

from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import GroupProbe, KeyProbe, LifeProbe, SubjectError, Unobserved
from resultspec_conformance.subject.probe_protocols import BookkeepingProbe, Probe, TrafficProbe
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.probes.files import FileProbe
from resultspec_conformance.subject.probes.memcached import MemcachedProbe
from resultspec_conformance.subject.shared_store import CleaningProbe


@pytest.fixture(name="memcached", scope="module")
def start_memcached() -> Iterator[str]:
    """Run a throw-away memcached, and yield its URL."""
    try:
        with running("memcached") as server:
            yield server.url
    except SubjectError as error:
        pytest.skip(f"no memcached: {error}")


@pytest.fixture(name="client")
def connect(memcached: str) -> Iterator[Client]:
    """Return a client of the memcached that is not the probe's."""
    with closing(Client(memcached.removeprefix("memcached://"), default_noreply=False)) as client:
        yield client


@pytest.fixture(name="prefix")
def make_prefix() -> str:
    """Return a global key prefix that nobody else uses."""
    return f"probe-{uuid.uuid4().hex}:"


KeyedProbes = MemcachedProbe | FileProbe


@pytest.fixture(name="open_one", params=["memcached", "file"])
def choose_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], KeyedProbes]:
    """Return a function that opens a probe of a store with a prefix."""
    url = f"file://{tmp_path}" if request.param == "file" else str(request.getfixturevalue("memcached"))

    def opened(prefix: str) -> KeyedProbes:
        probe = probe_for(url, prefix)
        assert isinstance(probe, (MemcachedProbe, FileProbe))
        return probe

    return opened


@pytest.fixture(name="probe")
def open_probe(open_one: Callable[[str], KeyedProbes], prefix: str) -> Iterator[KeyedProbes]:
    """Return a probe, whose keys are removed afterwards."""
    probe = open_one(prefix)
    yield probe
    probe.forget_run()
    probe.close()


def test_what_is_written_is_read(probe: KeyedProbes, prefix: str) -> None:
    """Under the key of the task or group, as other clients see it, whatever the bytes are."""
    for payload in (b"", b"\r\nEND\r\n", bytes(range(256)) * 300):
        probe.write("t", payload)
        probe.write_group("g", payload[::-1])
        assert (probe.read("t"), probe.read_group("g")) == (payload, payload[::-1])
    assert (probe.read("absent"), probe.read_group("absent")) == (None, None)
    expected = {f"{prefix}celery-task-meta-t", f"{prefix}celery-taskset-meta-g"}
    assert {key for key in probe.keys() if key.startswith(prefix)} == expected  # noqa: SIM118 - a probe is not a map


@pytest.mark.parametrize("key", ["é", "a%41", "~.:_-", "x" * 150])
def test_keys_are_as_they_are(probe: KeyedProbes, prefix: str, key: str) -> None:
    """No character is escaped."""
    probe.set(prefix + key, b"x")
    assert prefix + key in probe.keys()  # noqa: SIM118 - a probe is not a map
    assert probe.get(prefix + key) == b"x"
    probe.delete(prefix + key, prefix + "absent")
    assert probe.get(prefix + key) is None


def test_what_cannot_be_a_key_holds_nothing(probe: KeyedProbes, prefix: str) -> None:
    """It is not asked for, and cannot be written."""
    key = f"{prefix}{'x' * 300}"
    assert probe.get(key) is None
    probe.delete(key)
    with pytest.raises(Unobserved):
        probe.set(key, b"x")


def test_a_run_leaves_nothing_behind(open_one: Callable[[str], KeyedProbes], prefix: str) -> None:
    """Keys of others stay."""
    mine, theirs = open_one(f"{prefix}mine_"), open_one(f"{prefix}theirs_")
    for probe in (mine, theirs):
        probe.write("t", b"x")
        probe.set(f"{probe.prefix}of-4f2a-", b"x")
        probe.set(f"{probe.prefix}other", b"x")
    assert mine.any_result() == f"{prefix}mine_celery-task-meta-t"
    mine.forget_results("-4f2a-")
    assert mine.any_result() is None
    assert mine.get(f"{prefix}mine_other") == b"x"
    mine.forget_run()
    assert mine.get(f"{prefix}mine_other") is None
    assert theirs.any_result() is not None
    theirs.forget_run()


def _views(probe: Probe) -> list[bool]:
    views = (GroupProbe, KeyProbe, LifeProbe, CleaningProbe, BookkeepingProbe, TrafficProbe)
    return [isinstance(probe, view) for view in views]


def test_what_each_can_see(memcached: str, tmp_path: Path) -> None:
    """A folder has no clients, and nothing in it has a life."""
    seen = [_views(probe_for(url, "") or pytest.fail(url)) for url in (memcached, f"file://{tmp_path}")]
    assert seen == [[True] * 6, [True] * 4 + [False] * 2]


# -- memcached -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["memcached", "cache+memcached", "cache+pymemcache"])
def test_the_url_is_that_of_celery(memcached: str, scheme: str) -> None:
    """With the slash at its end, too."""
    probe = probe_for(memcached.replace("memcached", scheme) + "/", "")
    assert isinstance(probe, MemcachedProbe)
    probe.close()


def test_the_flags_of_a_client_stay(memcached: str, client: Client, prefix: str) -> None:
    """By them a client knows how to read what it has written."""
    probe = MemcachedProbe(memcached, prefix)
    key = probe.key("t")
    client.set(key, b"before", flags=16)
    probe.write("t", b"after")
    assert client.get(key) == b"after"
    assert probe._line(f"mg {key} f") == "HD f16"


def test_lives_of_memcached(memcached: str, client: Client, prefix: str) -> None:
    """They are in whole seconds, and can be shortened, but not from forever."""
    probe = MemcachedProbe(memcached, prefix)
    for name, life in (("short", 100), ("long", 29 * 24 * 3600), ("endless", 0)):
        client.set(probe.key(name), b"x", expire=life)
    assert probe.remaining("short") in (99.0, 100.0)
    assert (probe.remaining("endless"), probe.remaining("absent")) == (math.inf, None)
    assert [probe.age(name, 60.5) for name in ("short", "long", "endless", "absent")] == [True, True, False, False]
    assert probe.remaining("short") in (38.0, 39.0, 40.0)
    assert probe.age("short", 60)
    assert (probe.read("short"), probe.read("long")) == (None, b"x")


def test_small_steps_make_an_entry_as_old_as_a_large_one(memcached: str, client: Client, prefix: str) -> None:
    """What is rounded in one step is not lost; a store in between begins a new life."""
    probe = MemcachedProbe(memcached, prefix)
    key = probe.key("t")
    client.set(key, b"x", expire=100)
    for _ in range(20):
        assert probe.age("t", 1.25)
    assert probe.remaining("t") in (73.0, 74.0, 75.0)
    assert probe.age("t", 0.5)
    client.set(key, b"x", expire=100)
    assert probe.age("t", 0.25)
    assert probe.remaining("t") in (99.0, 100.0)


def test_the_bookkeeping_of_a_chord(memcached: str, client: Client, prefix: str) -> None:
    """Is every key with the id of its group, and how long it will be there."""
    probe = MemcachedProbe(memcached, prefix)
    counter, results = f"{prefix}chord-unlock-chord-7", f"{prefix}celery-taskset-meta-chord-7.j"
    client.set(counter, b"1", expire=50)
    client.set(results, b"1")
    found = probe.bookkeeping("chord-7")
    assert found.keys() == {counter, results}
    assert 40 < found[counter] <= 50
    assert math.isinf(found[results])


def test_traffic_is_counted(memcached: str, client: Client, prefix: str) -> None:
    """In both directions, whoever causes it."""
    probe = MemcachedProbe(memcached, prefix)
    before = probe.traffic()
    client.set(f"{prefix}x", b"x" * 50_000, expire=10)
    client.get(f"{prefix}x")
    assert probe.traffic() - before > 100_000


def test_a_memcached_that_lost_entries_is_no_evidence() -> None:
    """Neither is one that was emptied; the error names the memcached."""
    with running("memcached") as server:
        probe = MemcachedProbe(server.url, "")
        probe.ping()
        with closing(Client(server.url.removeprefix("memcached://"), default_noreply=False)) as client:
            client.flush_all()
        with pytest.raises(SubjectError, match="was emptied during the run"):
            probe.ping()
    with pytest.raises(SubjectError, match="cannot be reached: "):
        probe.ping()


def test_nobody_at_the_port() -> None:
    """Is a fault of the URL or the server, and says what to do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"memcached://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(SubjectError, match=r"cannot be reached: ConnectionRefusedError.\nStart the memcached"):
            probe_for(url, "")


# -- files ---------------------------------------------------------------------------------------


def test_the_age_of_a_file(tmp_path: Path) -> None:
    """Is that of its last change, and its life has no end."""
    probe = FileProbe(f"file://localhost{tmp_path}", "")
    probe.write("t", b"x")
    assert (probe.remaining("t"), probe.remaining("absent")) == (math.inf, None)
    assert [probe.age("t", 3600.0), probe.age("absent", 3600.0)] == [True, False]
    changed = os.stat(tmp_path / "celery-task-meta-t").st_mtime
    assert 3590 < time.time() - changed < 3700


def test_a_file_in_a_folder_below_is_a_key(tmp_path: Path) -> None:
    """A backend may take the slash of an id for one of a path."""
    (tmp_path / "celery-task-meta-a").mkdir()
    (tmp_path / "celery-task-meta-a" / "b").write_bytes(b"x")
    probe = FileProbe(f"file://{tmp_path}", "")
    assert probe.keys() == {"celery-task-meta-a/b"}
    assert probe.read("a/b") == b"x"


@pytest.mark.parametrize("url", ["file:results", "file://server/results", "file://"])
def test_what_is_not_the_url_of_a_folder(url: str) -> None:
    """Is refused with the form that it has to have."""
    with pytest.raises(SubjectError, match=r"is not the URL of a folder.\nWrite file:///PATH"):
        probe_for(url, "")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Cannot be used, and may go missing during a run."""
    place = tmp_path / "results"
    with pytest.raises(SubjectError, match="No such file or directory"):
        probe_for(f"file://{place}", "")
    place.mkdir()
    probe = FileProbe(f"file://{place}", "")
    place.rmdir()
    with pytest.raises(SubjectError, match="cannot be used"):
        probe.ping()
