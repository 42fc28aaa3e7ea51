"""The supervisor process: it starts a server, reports its URL, and stops it when its standard input ends.

A supervisor writes messages to its standard output, a line of JSON each. A message is an object with one member:
`progress`, `found` (what could be started), `url` (the server is up), or `error` (why not, with the cure).
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType


class Unavailable(Exception):
    """A way to a server that does not work here. The text is one line: what is missing, then the cure."""


def send(kind: str, text: str) -> None:
    """Send a message to the process that started this one. Raises BrokenPipeError if that has ended."""
    print(json.dumps({kind: text}), flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    # a second signal must not interrupt the cleanup that the first one began
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(1)


def _detach_output() -> None:
    """Redirect both outputs to the null device: nobody reads them any more, and a full pipe would block."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def run_program(body: Callable[[], None]) -> None:
    """Run the body of a supervisor, and send what it raises as an `error`."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        body()
    except Unavailable as reason:
        send("error", str(reason))
    except Exception as error:  # noqa: BLE001 - the other side has to learn of every error
        send("error", f"{type(error).__name__}: {' '.join(str(error).split())}")


def supervise(server: AbstractContextManager[str]) -> None:
    """Enter a server, a context whose value is its URL, and leave it when standard input ends."""
    with server as url:
        send("url", url)
        _detach_output()
        sys.stdin.read()
