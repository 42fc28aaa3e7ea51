"""A redis-server binary, run as a throw-away server. As a program (``redis_binary BINARY``) it is a keeper of one."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from resultspec_adapters.services.kept import Unavailable, answering, keep

HOST = "127.0.0.1"
PORT_ATTEMPTS = 20
READY_SECONDS = 20.0
ENDING_SECONDS = 5.0
POLL_SECONDS = 0.02
LOG_LINES = 5

PR_SET_PDEATHSIG = 1


class _PortTaken(Exception):
    """Somebody else has bound the port since it was found free."""


def free_ports() -> Iterator[int]:
    """Yield ports that are free now. Whether one still is, only binding it can tell."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


def version(binary: str) -> str:
    """Return the version of a redis-server, ``7.0.15``. Raises Unavailable if the file does not run as one."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{binary} does not run ({type(error).__name__}); install another redis-server") from None
    found = re.search(r"\bv=(\S+)", said)
    if found is None:
        raise Unavailable(f"{binary} is no redis-server: it does not tell its version; install another one")
    return found[1]


def _die_with_keeper() -> None:
    """Ask Linux to end this process when its parent is killed; elsewhere only the keeper's own exit ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _spawn(binary: str, port: int, directory: str, log: Path) -> "subprocess.Popen[bytes]":
    settings = {"bind": HOST, "port": str(port), "dir": directory, "save": "", "appendonly": "no"}
    arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
    with log.open("wb") as output:
        return subprocess.Popen(
            [binary, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Redis 7 does not start under a locale that the machine does not have
            env={**os.environ, "LC_ALL": "C"},
            preexec_fn=_die_with_keeper,  # noqa: PLW1509 - a keeper has one thread
        )


def _process_at(port: int) -> int | None:
    """Return the process id of the Redis that answers at a port, or None if none does."""
    heard = b""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(b"INFO server\r\n")
            while piece := connection.recv(65536):
                heard += piece
                if found := re.search(rb"\r\nprocess_id:(\d+)\r\n", heard):
                    return int(found[1])
    except OSError:
        pass
    return None


def _await(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Return when the process itself answers at its port. Raises _PortTaken or Unavailable, with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None:
        if _process_at(port) == process.pid:
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"it did not answer within {READY_SECONDS:.0f} s; its log ends: {_tail(log)}")
        time.sleep(POLL_SECONDS)
    said = log.read_text(errors="replace")
    if "Address already in use" in said:
        raise _PortTaken
    raise Unavailable(f"it ended with exit code {process.returncode}; its log ends: {_tail(log)}")


def _tail(log: Path) -> str:
    lines = [" ".join(line.split()) for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-LOG_LINES:]) or "(empty)"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(binary: str, ports: Iterable[int] | None = None) -> Iterator[str]:
    """Run a redis-server that saves nothing, in a directory of its own, and give its URL. Raises Unavailable.

    A port that somebody else binds first costs an attempt, not the server.
    """
    with tempfile.TemporaryDirectory(prefix="resultspec-redis-") as directory:
        log = Path(directory) / "log"
        for port in islice(free_ports() if ports is None else ports, PORT_ATTEMPTS):
            process = _spawn(binary, port, directory, log)
            try:
                _await(process, port, log)
                yield f"redis://{HOST}:{port}/0"
                return
            except _PortTaken:
                continue
            finally:
                _end(process)
        raise Unavailable(f"every port that was tried was taken ({PORT_ATTEMPTS} at most); try again")


if __name__ == "__main__":
    answering(lambda: keep(running(sys.argv[1])))
