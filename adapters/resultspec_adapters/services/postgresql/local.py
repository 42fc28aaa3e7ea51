"""The programs of PostgreSQL, run as a throw-away server.

As a program, `local POSTGRES [wheel]`, this module supervises one. `initdb` is beside `postgres`. PostgreSQL refuses to
run as root. If that is the current account, its programs run as `postgres` or else `nobody`, in a directory that
belongs to that account.
"""

import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from resultspec_adapters.services.local_process import HOST, LocalServer
from resultspec_adapters.services.supervisor import Unavailable, run_program, supervise
from resultspec_adapters.services.unprivileged_user import Account, without_root

USER = "resultspec"
DATABASE = "postgres"
READY_LINE = 7
"""The line of `postmaster.pid`, counted from 0, that says whether connections are accepted."""

THROWAWAY_SETTINGS = {
    # the data need not reach a disk
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # a server that is killed must not leave anything in /dev/shm
    "dynamic_shared_memory_type": "mmap",
}
"""The settings of every server whose data is thrown away."""

LOCAL_SETTINGS = {
    "listen_addresses": HOST,
    # no socket: the path of the data directory may be too long for a socket
    "unix_socket_directories": "",
    "lc_messages": "C",
}
"""The settings of a server that runs on this machine: how it is reached, and the language of its messages."""

INITDB_OPTIONS = ("--encoding=UTF8", "--no-locale", "--no-sync")


def options(settings: Mapping[str, str]) -> list[str]:
    """Return settings as command line arguments of the server."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _copied(programs: Path, directory: Path) -> Path:
    """Copy the programs of a wheel to a directory, with what they need; return the copy.

    The wheel consists of a package, with the programs two levels below, and a directory of libraries beside it.
    """
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            copy = directory / "programs" / part.name
            shutil.copytree(part, copy, ignore=shutil.ignore_patterns("include", "__pycache__"))
    return directory / "programs" / programs.relative_to(package.parent)


def _reachable(programs: Path, in_wheel: bool, directory: Path, account: Account) -> Path:
    """Return programs that an account can run: the given ones, or a copy. Raises Unavailable."""
    if account.can("-x", programs / "initdb"):
        return programs
    if in_wheel:
        return _copied(programs, directory)
    raise Unavailable(f"it has to run as {account.name}, which cannot run {programs}; install it where everybody can")


def _prepare(server: LocalServer, programs: Path, data: Path, password: str) -> None:
    """Make the data directory."""
    password_file = server.directory / "password"
    password_file.write_text(password)
    server.account.own(password_file)
    access = [f"--username={USER}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
    server.prepare([str(programs / "initdb"), f"--pgdata={data}", *access, *INITDB_OPTIONS])
    password_file.unlink()


def _serves(data: Path, process_id: int) -> bool:
    """Whether a process serves a data directory. The process writes that to a file, line by line."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > READY_LINE and lines[0] == str(process_id) and lines[READY_LINE].strip() == "ready"


@contextmanager
def running(binary: str, in_wheel: bool = False, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a PostgreSQL in a directory of its own, and yield its URL, which has a password. Raises Unavailable."""
    account = without_root("postgres", "nobody")
    password = secrets.token_hex(16)
    with account.directory("resultspec-postgresql-") as directory:
        # on SIGQUIT the server ends its processes and frees its shared memory, without writing any data
        server = LocalServer(directory, account, stop_signal=signal.SIGQUIT)
        programs = _reachable(Path(binary).parent, in_wheel, directory, account)
        data = directory / "data"
        _prepare(server, programs, data, password)

        def command(port: int) -> list[str]:
            return [
                str(programs / "postgres"),
                "-D",
                str(data),
                "-p",
                str(port),
                *options(THROWAWAY_SETTINGS | LOCAL_SETTINGS),
            ]

        with server.serving(command, lambda process, _port: _serves(data, process.pid), ports) as port:
            yield f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"


if __name__ == "__main__":
    run_program(lambda: supervise(running(sys.argv[1], in_wheel="wheel" in sys.argv[2:])))
