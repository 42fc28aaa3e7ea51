"""The client of a supervisor process: it starts the supervisor, receives its messages, and ends it.

The supervisor has a session of its own, so that an interrupt from the keyboard reaches the run but not the server: the
run can still clean up what it has written. The supervisor reads from a pipe whose only writing end is in this process;
however this process ends, the pipe is closed, and the supervisor stops its server.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resultspec_adapters.services.supervisor import Unavailable

ENDING_SECONDS = 10.0

Supervisor = subprocess.Popen[str]


@dataclass(frozen=True)
class SupervisedServer:
    """A server that a supervisor runs: a `RunningServer` of the conformance suite."""

    url: str = field(repr=False)
    origin: str
    throw_away: bool = field(default=True, init=False)
    _supervisor: Supervisor = field(repr=False)

    def stop(self) -> None:
        """Stop the server, and wait until it has ended and its files are removed. Idempotent."""
        _end(self._supervisor)


def _end(supervisor: Supervisor) -> None:
    """End a supervisor: by closing its input, then by SIGTERM, then by SIGKILL."""
    for stream in (supervisor.stdin, supervisor.stdout):
        if stream is not None:
            stream.close()
    for force in (supervisor.terminate, supervisor.kill):
        try:
            supervisor.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            force()
    supervisor.wait()


def _spawn(module: str, arguments: Sequence[str]) -> Supervisor:
    return subprocess.Popen(
        # -P: a file of the user with the name of a package must not be imported instead of it
        [sys.executable, "-P", "-m", f"resultspec_adapters.services.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )


def _receive(supervisor: Supervisor, wanted: str, say: Callable[[str], None]) -> str:
    """Return the text of the message of the wanted kind. Raises Unavailable with the error that came instead."""
    noise = ""
    for line in supervisor.stdout or ():
        try:
            ((kind, text),) = json.loads(line).items()
        except (ValueError, AttributeError):
            noise = line.strip() or noise
            continue
        if kind == wanted:
            return str(text)
        if kind == "error":
            raise Unavailable(text)
        say(text)
    raise Unavailable(f"its supervisor ended and last said: {noise or 'nothing'}")


def _receive_in_time(supervisor: Supervisor, wanted: str, seconds: float, say: Callable[[str], None]) -> str:
    late = threading.Event()

    def give_up() -> None:
        late.set()
        supervisor.terminate()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        return _receive(supervisor, wanted, say)
    except Unavailable:
        if late.is_set():
            raise Unavailable(f"no answer within {seconds:.0f} s") from None
        raise
    finally:
        timer.cancel()


def _say_nothing(_text: str) -> None:
    pass


def ask(module: str, arguments: Sequence[str], seconds: float) -> str:
    """Return the answer of a module of this package that is run as a program. Raises Unavailable."""
    supervisor = _spawn(module, arguments)
    try:
        return _receive_in_time(supervisor, "found", seconds, _say_nothing)
    finally:
        _end(supervisor)


def start(
    module: str, arguments: Sequence[str], origin: str, seconds: float, say: Callable[[str], None] = _say_nothing
) -> SupervisedServer:
    """Start the server that a module of this package runs, within `seconds`. Raises Unavailable.

    `say` is called with each line of progress.
    """
    supervisor = _spawn(module, arguments)
    try:
        url = _receive_in_time(supervisor, "url", seconds, say)
    except BaseException:
        _end(supervisor)
        raise
    return SupervisedServer(url, origin, supervisor)
