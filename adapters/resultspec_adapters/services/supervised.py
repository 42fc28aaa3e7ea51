"""This side of a keeper: starting it, listening to it, and letting it end.

The keeper lives in a session of its own, so that an interrupt from the keyboard reaches the run but not the server:
the run can still clean up what it has written. The keeper reads from a pipe whose only writing end is in this process;
however this process ends, the pipe ends with it, and the keeper stops its server.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resultspec_adapters.services.supervisor import Unavailable

ENDING_SECONDS = 10.0

Keeper = subprocess.Popen[str]


@dataclass(frozen=True)
class KeptServer:
    """A server that belongs to a keeper. It is a `RunningServer` of the conformance suite."""

    url: str = field(repr=False)
    origin: str
    throw_away: bool = field(default=True, init=False)
    _keeper: Keeper = field(repr=False)

    def stop(self) -> None:
        """Stop the server, wait until it is gone and its files with it. Idempotent."""
        _end(self._keeper)


def _end(keeper: Keeper) -> None:
    """End a keeper: by the end of its input, by a signal if that is not enough, and by force at last."""
    for stream in (keeper.stdin, keeper.stdout):
        if stream is not None:
            stream.close()
    for harder in (keeper.terminate, keeper.kill):
        try:
            keeper.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            harder()
    keeper.wait()


def _begin(module: str, arguments: Sequence[str]) -> Keeper:
    return subprocess.Popen(
        # -P: a file of the user's that is named like a package must not be imported in its place
        [sys.executable, "-P", "-m", f"resultspec_adapters.services.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )


def _hear(keeper: Keeper, wanted: str, say: Callable[[str], None]) -> str:
    """Return the text of the kind that is wanted. Raises Unavailable with what the keeper told instead."""
    noise = ""
    for line in keeper.stdout or ():
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
    raise Unavailable(f"its keeper ended and last said: {noise or 'nothing'}")


def _hear_in_time(keeper: Keeper, wanted: str, seconds: float, say: Callable[[str], None]) -> str:
    late = threading.Event()

    def give_up() -> None:
        late.set()
        keeper.terminate()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        return _hear(keeper, wanted, say)
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
    keeper = _begin(module, arguments)
    try:
        return _hear_in_time(keeper, "found", seconds, _say_nothing)
    finally:
        _end(keeper)


def start(
    module: str, arguments: Sequence[str], origin: str, seconds: float, say: Callable[[str], None] = _say_nothing
) -> KeptServer:
    """Start the server that a module of this package keeps, within some seconds. Raises Unavailable.

    `say` is called with each line of progress.
    """
    keeper = _begin(module, arguments)
    try:
        url = _hear_in_time(keeper, "url", seconds, say)
    except BaseException:
        _end(keeper)
        raise
    return KeptServer(url, origin, keeper)
