"""A mariadbd binary, run as a throw-away server. As a program, `local BINARY`, this module supervises one.

The usual program to make a data directory, mariadb-install-db, also loads help texts, time zones and a schema of views,
which takes several times as long as everything else here. A server needs only its system tables.
"""

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from resultspec_adapters.services.local_process import HOST, LocalServer
from resultspec_adapters.services.supervisor import Unavailable, run_program, supervise
from resultspec_adapters.services.unprivileged_user import CURRENT_ACCOUNT

USER = DATABASE = "resultspec"

SETTINGS = (
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
    # loose: a release that does not know a setting starts nevertheless.
    # The data is thrown away, so it need not reach a disk
    "--loose-skip-log-bin",
    "--loose-innodb-flush-log-at-trx-commit=0",
    "--loose-innodb-flush-method=nosync",
    "--loose-innodb-doublewrite=OFF",
    "--loose-innodb-log-file-size=16M",
    "--loose-innodb-buffer-pool-size=32M",
    # many containers forbid io_uring, and limit the memory for other asynchronous I/O
    "--loose-innodb-use-native-aio=0",
    "--loose-performance-schema=OFF",
)
"""The settings of every server whose data is thrown away."""


def _system_tables(binary: str) -> bytes:
    """Return the statements that create the system tables: a file in the share directory of every installation."""
    share = Path(binary).resolve().parent.parent / "share"
    for directory in (share / "mariadb", share / "mysql", share):
        for name in ("mariadb", "mysql"):
            found = directory / f"{name}_system_tables.sql"
            if found.is_file():
                return found.read_bytes()
    raise Unavailable(f"{binary} has no mariadb_system_tables.sql below {share}; install the whole of MariaDB")


def _statements(system_tables: bytes, password: str) -> bytes:
    """Return the statements that make the data directory; each of those added here has a line of its own."""
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
    """Run a mariadbd in a directory of its own, and yield its URL, which has a password. Raises Unavailable."""
    system_tables = _system_tables(binary)
    password = secrets.token_hex(16)
    with CURRENT_ACCOUNT.directory("resultspec-mariadb-") as directory:
        data, temporary = directory / "data", directory / "tmp"
        data.mkdir(mode=0o700)
        temporary.mkdir(mode=0o700)
        server = LocalServer(directory)
        # it refuses to run as root without this option
        account = ["--user=root"] if os.geteuid() == 0 else []
        # not a shared tmpdir: a server that starts removes the temporary tables of all others from it
        places = [f"--datadir={data}", f"--tmpdir={temporary}"]
        base = [binary, "--no-defaults", *account, *places, *SETTINGS]
        server.prepare([*base, "--bootstrap"], _statements(system_tables, password))

        def command(port: int) -> list[str]:
            # a relative path, because the path of a socket must be short
            files = [f"--pid-file={directory}/pid", "--socket=socket"]
            return [*base, f"--bind-address={HOST}", f"--port={port}", *files]

        with server.serving(
            command, lambda _process, _port: "ready for connections" in server.read_log(), ports
        ) as port:
            yield f"mysql://{USER}:{password}@{HOST}:{port}/{DATABASE}"


if __name__ == "__main__":
    run_program(lambda: supervise(running(sys.argv[1])))
