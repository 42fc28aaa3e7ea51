"""A memcached binary, run as a throw-away server. As a program, `local BINARY`, this module supervises one."""

import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from resultspec_adapters.services.local_process import HOST, LocalServer
from resultspec_adapters.services.supervisor import run_program, supervise
from resultspec_adapters.services.unprivileged_user import CURRENT_ACCOUNT

MEGABYTES, LARGEST_ENTRY = 256, "64m"
"""Memory enough that nothing is evicted in a run, and entries larger than those of any check."""


def _process_at(port: int) -> int | None:
    """Return the process id of the memcached that answers at a port, or None."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection, connection.makefile("rwb") as stream:
            stream.write(b"stats\r\n")
            stream.flush()
            for line in stream:
                if line.startswith(b"STAT pid "):
                    return int(line.split()[2])
    except OSError:
        pass
    return None


@contextmanager
def running(binary: str, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a memcached, and yield its URL. Raises Unavailable."""
    with CURRENT_ACCOUNT.directory("resultspec-memcached-") as directory:

        def command(port: int) -> list[str]:
            # it refuses to run as root, and drops its rights itself
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            return [binary, "-l", HOST, "-p", str(port), "-m", str(MEGABYTES), "-I", LARGEST_ENTRY, *user]

        server = LocalServer(directory)
        with server.serving(command, lambda process, port: _process_at(port) == process.pid, ports) as port:
            yield f"memcached://{HOST}:{port}"


if __name__ == "__main__":
    run_program(lambda: supervise(running(sys.argv[1])))
