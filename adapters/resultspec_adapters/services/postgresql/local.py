"""PostgreSQL's own programs, run as a throw-away server.

As a program (`postgresql_binary POSTGRES [wheel]`) it is a keeper of one. `initdb` is beside `postgres`.
PostgreSQL refuses the rights of root. Where we have them, its programs run as the account `postgres`, or else
`nobody`, in a directory that belongs to it.
"""

import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from resultspec_adapters.services.local_process import HOST, Place
from resultspec_adapters.services.supervisor import Unavailable, answering, keep
from resultspec_adapters.services.unprivileged_user import Account, without_root

USER = "resultspec"
DATABASE = "postgres"
READY_LINE = 7
"""The line of `postmaster.pid`, counted from 0, that says whether connections are accepted."""

THROWN_AWAY = {
    # nothing has to reach a disk
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # nothing is left in /dev/shm by a server that is killed
    "dynamic_shared_memory_type": "mmap",
}
"""The settings of every server whose data is thrown away."""

REACHED = {
    "listen_addresses": HOST,
    # no socket: the path of the data directory may be longer than that of a socket can be
    "unix_socket_directories": "",
    "lc_messages": "C",
}
"""The settings of a server that is run here: how it is reached, and that its words can be read."""

KIND_OF_DATA = ("--encoding=UTF8", "--no-locale", "--no-sync")


def options(settings: Mapping[str, str]) -> list[str]:
    """Return settings as arguments of the server."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _copied(programs: Path, directory: Path) -> Path:
    """Return the programs of a wheel, copied with what they need to a directory.

    The wheel is a package, which holds the programs two levels below, and beside it a directory of libraries.
    """
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            copy = directory / "programs" / part.name
            shutil.copytree(part, copy, ignore=shutil.ignore_patterns("include", "__pycache__"))
    return directory / "programs" / programs.relative_to(package.parent)


def _reachable(programs: Path, in_wheel: bool, directory: Path, account: Account) -> Path:
    """Return programs that an account can run: those that are given, or a copy. Raises Unavailable."""
    if account.can("-x", programs / "initdb"):
        return programs
    if in_wheel:
        return _copied(programs, directory)
    raise Unavailable(f"it has to run as {account.name}, which cannot run {programs}; install it where everybody can")


def _prepare(place: Place, programs: Path, data: Path, password: str) -> None:
    """Make the data directory."""
    word = place.directory / "password"
    word.write_text(password)
    place.account.give(word)
    access = [f"--username={USER}", f"--pwfile={word}", "--auth=scram-sha-256"]
    place.prepare([str(programs / "initdb"), f"--pgdata={data}", *access, *KIND_OF_DATA])
    word.unlink()


def _serves(data: Path, process_id: int) -> bool:
    """Whether a process serves a data directory. It says so itself, in a file that it writes line by line."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > READY_LINE and lines[0] == str(process_id) and lines[READY_LINE].strip() == "ready"


@contextmanager
def running(binary: str, in_wheel: bool = False, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a PostgreSQL in a directory of its own and give its URL, with a password. Raises Unavailable."""
    account = without_root("postgres", "nobody")
    password = secrets.token_hex(16)
    with account.directory("resultspec-postgresql-") as directory:
        # at SIGQUIT the server ends its processes, frees its memory, and writes nothing more
        place = Place(directory, account, ending=signal.SIGQUIT)
        programs = _reachable(Path(binary).parent, in_wheel, directory, account)
        data = directory / "data"
        _prepare(place, programs, data, password)

        def command(port: int) -> list[str]:
            return [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options(THROWN_AWAY | REACHED)]

        with place.serving(command, lambda process, _port: _serves(data, process.pid), ports) as port:
            yield f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"


if __name__ == "__main__":
    answering(lambda: keep(running(sys.argv[1], in_wheel="wheel" in sys.argv[2:])))
