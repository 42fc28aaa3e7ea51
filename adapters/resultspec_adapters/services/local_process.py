"""What servers that run from a binary have in common: a free port, a log, a time limit for the start, a sure end."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from resultspec_adapters.services.supervisor import Unavailable
from resultspec_adapters.services.unprivileged_user import CURRENT_ACCOUNT, Account

HOST = "127.0.0.1"
PORT_ATTEMPTS = 20
READY_SECONDS = 30.0
PREPARATION_SECONDS = 60.0
ENDING_SECONDS = 5.0
POLL_SECONDS = 0.02
LOG_LINES = 5

PR_SET_PDEATHSIG = 1

Process = subprocess.Popen[bytes]


class _PortTaken(Exception):
    """Another process has bound the port since it was found free."""


def version(binary: str, pattern: str, name: str) -> str:
    """Return the version of a server, such as `7.0.15`. Raises Unavailable if the file is not such a server.

    The first group of `pattern` is the version in the output of `--version`.
    """
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{binary} does not run ({type(error).__name__}); install another {name}") from None
    found = re.search(pattern, said)
    if found is None:
        raise Unavailable(f"{binary} is not a {name}: it does not print its version; install another one")
    return found[1]


def free_ports() -> Iterator[int]:
    """Yield ports that are free now. Whether one is still free later, only binding it shows."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


@dataclass(frozen=True)
class LocalServer:
    """The programs of one server: their directory, their log, and the account that they run as."""

    directory: Path
    account: Account = CURRENT_ACCOUNT
    stop_signal: signal.Signals = signal.SIGKILL
    """The signal that stops a program at once. Its data is thrown away, so an orderly shutdown gains nothing."""

    @property
    def log(self) -> Path:
        """The file with the output of all the programs."""
        return self.directory / "log"

    def tail(self) -> str:
        """Return the end of the log, as one line."""
        lines = [" ".join(line.split()) for line in self.read_log().splitlines() if line.strip()]
        return " | ".join(lines[-LOG_LINES:]) or "(empty)"

    def read_log(self) -> str:
        """Return the content of the log."""
        return self.log.read_text(errors="replace")

    def spawn(self, command: Sequence[str], stdin: int = subprocess.DEVNULL) -> Process:
        """Start a program. It ends with this process, also if that is killed."""

        def die_with_supervisor() -> None:
            if sys.platform == "linux":  # elsewhere the program survives if this process is killed
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, self.stop_signal)

        with self.log.open("wb") as output:
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                # servers do not start under a locale that the machine lacks, and their messages are parsed here
                env={**os.environ, "LC_ALL": "C"},
                preexec_fn=die_with_supervisor,  # noqa: PLW1509 - a supervisor has one thread
                **self.account.identity,
            )

    def prepare(self, command: Sequence[str], given: bytes = b"") -> None:
        """Run a program and wait for its end. Raises Unavailable with the end of its log if it fails."""
        process = self.spawn(command, subprocess.PIPE)
        name = Path(command[0]).name
        try:
            process.communicate(given, PREPARATION_SECONDS)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"{name} took more than {PREPARATION_SECONDS:.0f} s; its log ends: {self.tail()}"
            ) from None
        finally:
            self._end(process)
        if process.returncode:
            raise Unavailable(f"{name} ended with exit code {process.returncode}; its log ends: {self.tail()}")

    @contextmanager
    def serving(
        self,
        command: Callable[[int], Sequence[str]],
        ready: Callable[[Process, int], bool],
        ports: Iterable[int] | None,
    ) -> Iterator[int]:
        """Run a server at the first port that no other process takes, and yield the port. Raises Unavailable.

        `ready` gets the process and the port, and says whether that very process serves there. If another process binds
        the port first, the next port is tried.
        """
        for port in islice(free_ports() if ports is None else ports, PORT_ATTEMPTS):
            process = self.spawn(command(port))
            try:
                self._await(process, partial(ready, process, port))
                yield port
                return
            except _PortTaken:
                continue
            finally:
                self._end(process)
        raise Unavailable(f"every port that was tried was taken ({PORT_ATTEMPTS} at most); try again")

    def _await(self, process: Process, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None:
            if ready():
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"it did not answer within {READY_SECONDS:.0f} s; its log ends: {self.tail()}")
            time.sleep(POLL_SECONDS)
        if "Address already in use" in self.read_log():
            raise _PortTaken
        raise Unavailable(f"it ended with exit code {process.returncode}; its log ends: {self.tail()}")

    def _end(self, process: Process) -> None:
        process.send_signal(self.stop_signal)
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
