"""The keeper's own side: it starts a server, tells its URL, and stops it when its standard input ends.

Everything that a keeper tells is one line of JSON on its standard output, an object with one member: `said`
(progress), `found` (an answer to a question), `url` (the server is up), or `error` (why not, with the cure).
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType


class Unavailable(Exception):
    """A way to a server that cannot be used here. The text is one line: what is missing, then the cure."""


def tell(kind: str, text: str) -> None:
    """Tell one thing to the process that started the keeper. Raises BrokenPipeError if it is gone."""
    print(json.dumps({kind: text}), flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    # a second signal must not interrupt the cleaning up that the first one has begun
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(1)


def _silence() -> None:
    """Point both outputs at nothing: nobody reads them any more, and a full pipe would block the server's keeper."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def answering(question: Callable[[], None]) -> None:
    """Run the body of a keeper, and tell as an `error` whatever it raises."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        question()
    except Unavailable as reason:
        tell("error", str(reason))
    except Exception as error:  # noqa: BLE001 - the other side has to be told whatever it is
        tell("error", f"{type(error).__name__}: {' '.join(str(error).split())}")


def keep(server: AbstractContextManager[str]) -> None:
    """Open a server, a context whose value is its URL, and leave it when the standard input ends."""
    with server as url:
        tell("url", url)
        _silence()
        sys.stdin.read()
