"""What the servers that are run from a binary have in common: a free port, a log, a bounded start, a certain end."""

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
from resultspec_adapters.services.unprivileged_user import OURS, Account

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
    """Somebody else has bound the port since it was found free."""


def version(binary: str, pattern: str, name: str) -> str:
    """Return the version that a server tells, `7.0.15`. Raises Unavailable if the file does not run as one.

    `pattern` finds the version, its first group, in what `--version` prints.
    """
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{binary} does not run ({type(error).__name__}); install another {name}") from None
    found = re.search(pattern, said)
    if found is None:
        raise Unavailable(f"{binary} is no {name}: it does not tell its version; install another one")
    return found[1]


def free_ports() -> Iterator[int]:
    """Yield ports that are free now. Whether one still is, only binding it can tell."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


@dataclass(frozen=True)
class Place:
    """Where the programs of a server run: a directory of their own, one log, and the account that they run as."""

    directory: Path
    account: Account = OURS
    ending: signal.Signals = signal.SIGKILL
    """What ends a program at once. Its data is thrown away: nothing is gained by a slow end."""

    @property
    def log(self) -> Path:
        """The file that holds what all the programs print."""
        return self.directory / "log"

    def tail(self) -> str:
        """Return the end of the log, in one line."""
        lines = [" ".join(line.split()) for line in self.said().splitlines() if line.strip()]
        return " | ".join(lines[-LOG_LINES:]) or "(empty)"

    def said(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")

    def spawn(self, command: Sequence[str], stdin: int = subprocess.DEVNULL) -> Process:
        """Start a program. It ends with the keeper, also when that is killed."""

        def die_with_keeper() -> None:
            if sys.platform == "linux":  # elsewhere only the keeper's own exit ends it
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, self.ending)

        with self.log.open("wb") as output:
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                # servers do not start under a locale that the machine does not have, and their words are read here
                env={**os.environ, "LC_ALL": "C"},
                preexec_fn=die_with_keeper,  # noqa: PLW1509 - a keeper has one thread
                **self.account.identity,
            )

    def prepare(self, command: Sequence[str], given: bytes = b"") -> None:
        """Run a program to its end. Raises Unavailable with the end of its log if it fails."""
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
        """Run a server at the first port that nobody else takes, and give that port. Raises Unavailable.

        `ready` gets the process and the port, and says whether this very process serves there.
        A port that somebody else binds first costs an attempt, not the server.
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
        if "Address already in use" in self.said():
            raise _PortTaken
        raise Unavailable(f"it ended with exit code {process.returncode}; its log ends: {self.tail()}")

    def _end(self, process: Process) -> None:
        process.send_signal(self.ending)
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
