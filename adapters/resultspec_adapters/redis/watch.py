"""What every waiter on a Redis has: a connection that listens and one that reads, and how it takes its leave."""

from typing import Any, Final

from resultspec_adapters.redis.connection import Line, Patience, Server
from resultspec_reference.errors import OperationalError

GOODBYE: Final = 0.25
"""Seconds that a waiter which leaves waits for the server to end its subscriptions."""

REPLIES: Final = 1000
"""Replies and messages that it takes in meanwhile."""


class RedisWatch:
    """The connections of one waiter; a subclass knows what it subscribes to and what it reads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._patience = Patience()
        self._listener: Line | None = None
        self._reader: Line | None = None

    def _listen(self, limit: float) -> Line:
        """Open the connection that listens; opening may take so many seconds."""
        self._listener = Line(self._server, limit)
        return self._listener

    def _ask(self, limit: float, *command: str | bytes) -> Any:
        """Send a command on the connection that reads, and return its reply; both may take so many seconds."""
        limit = self._patience.limit(limit)
        with self._patience.measured():
            if self._reader is None:
                self._reader = Line(self._server, limit)
            self._reader.send(*command)
            return self._reader.hear(limit)

    def close(self) -> None:
        """End the subscriptions, and the connections."""
        if self._listener is not None:
            if self._reader is None or self._reader.alive:
                _unsubscribe(self._listener)
            self._listener.close()
        if self._reader is not None:
            self._reader.close()


def _unsubscribe(listener: Line) -> None:
    """Have the server end the subscriptions; where that fails or takes long, they end with the connection."""
    try:
        listener.send("UNSUBSCRIBE")
        for _ in range(REPLIES):
            kind, _, left = listener.hear(GOODBYE)
            if kind == b"unsubscribe" and left == 0:
                return
    except OperationalError:
        return
