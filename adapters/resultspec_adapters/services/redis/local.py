"""A redis-server binary, run as a throw-away server. As a program, `local BINARY`, this module supervises one."""

import re
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from resultspec_adapters.services.local_process import HOST, LocalServer
from resultspec_adapters.services.supervisor import run_program, supervise
from resultspec_adapters.services.unprivileged_user import CURRENT_ACCOUNT


def _process_at(port: int) -> int | None:
    """Return the process id of the Redis that answers at a port, or None."""
    received = b""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(b"INFO server\r\n")
            while piece := connection.recv(65536):
                received += piece
                if found := re.search(rb"\r\nprocess_id:(\d+)\r\n", received):
                    return int(found[1])
    except OSError:
        pass
    return None


@contextmanager
def running(binary: str, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a redis-server without persistence in a directory of its own, and yield its URL. Raises Unavailable."""
    with CURRENT_ACCOUNT.directory("resultspec-redis-") as directory:

        def command(port: int) -> list[str]:
            settings = {"bind": HOST, "port": str(port), "dir": str(directory), "save": "", "appendonly": "no"}
            return [binary, *(word for name, value in settings.items() for word in (f"--{name}", value))]

        server = LocalServer(directory)
        with server.serving(command, lambda process, port: _process_at(port) == process.pid, ports) as port:
            yield f"redis://{HOST}:{port}/0"


if __name__ == "__main__":
    run_program(lambda: supervise(running(sys.argv[1])))
