"""A mariadbd binary, run as a throw-away server. As a program (`mariadb_binary BINARY`) it is a keeper of one.

The usual way to make a data directory, mariadb-install-db, fills help texts, time zones and a schema of views, which
takes several times as long as everything else here. A server only needs its system tables.
"""

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from resultspec_adapters.services.local_process import HOST, Place
from resultspec_adapters.services.supervisor import Unavailable, answering, keep
from resultspec_adapters.services.unprivileged_user import OURS

USER = DATABASE = "resultspec"

SETTINGS = (
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
    # loose: a release that does not know one of these starts all the same.
    # The data is thrown away: nothing has to reach a disk
    "--loose-skip-log-bin",
    "--loose-innodb-flush-log-at-trx-commit=0",
    "--loose-innodb-flush-method=nosync",
    "--loose-innodb-doublewrite=OFF",
    "--loose-innodb-log-file-size=16M",
    "--loose-innodb-buffer-pool-size=32M",
    # many containers forbid io_uring, and limit the memory that other asynchronous input needs
    "--loose-innodb-use-native-aio=0",
    "--loose-performance-schema=OFF",
)
"""The settings of every server whose data is thrown away."""


def _system_tables(binary: str) -> bytes:
    """Return the statements that make the system tables, which lie in the share directory of every installation."""
    share = Path(binary).resolve().parent.parent / "share"
    for directory in (share / "mariadb", share / "mysql", share):
        for name in ("mariadb", "mysql"):
            found = directory / f"{name}_system_tables.sql"
            if found.is_file():
                return found.read_bytes()
    raise Unavailable(f"{binary} has no mariadb_system_tables.sql below {share}; install the whole of MariaDB")


def _statements(system_tables: bytes, password: str) -> bytes:
    """Return what is run to make the data directory; each statement of ours is on a line of its own."""
    before = ["CREATE DATABASE mysql;", "USE mysql;", ""]
    after = [
        "",
        "FLUSH PRIVILEGES;",
        f"CREATE DATABASE {DATABASE};",
        f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{password}';",
        f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'{HOST}';",
        "",
    ]
    return "\n".join(before).encode() + system_tables + "\n".join(after).encode()


@contextmanager
def running(binary: str, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a mariadbd in a directory of its own and give its URL, with a password. Raises Unavailable."""
    system_tables = _system_tables(binary)
    password = secrets.token_hex(16)
    with OURS.directory("resultspec-mariadb-") as directory:
        data, temporary = directory / "data", directory / "tmp"
        data.mkdir(mode=0o700)
        temporary.mkdir(mode=0o700)
        place = Place(directory)
        # as root it only runs if it is told to
        account = ["--user=root"] if os.geteuid() == 0 else []
        # a server that starts removes from that directory the temporary tables of any other that has the same
        places = [f"--datadir={data}", f"--tmpdir={temporary}"]
        base = [binary, "--no-defaults", *account, *places, *SETTINGS]
        place.prepare([*base, "--bootstrap"], _statements(system_tables, password))

        def command(port: int) -> list[str]:
            # relative, because the path of a socket must be short
            files = [f"--pid-file={directory}/pid", "--socket=socket"]
            return [*base, f"--bind-address={HOST}", f"--port={port}", *files]

        with place.serving(command, lambda _process, _port: "ready for connections" in place.said(), ports) as port:
            yield f"mysql://{USER}:{password}@{HOST}:{port}/{DATABASE}"


if __name__ == "__main__":
    answering(lambda: keep(running(sys.argv[1])))
