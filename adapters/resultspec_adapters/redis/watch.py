"""What every waiter on a Redis has: a connection that listens, one that reads, and how both are closed."""

from typing import Any, Final

from resultspec_adapters.redis.connection import Server, StepTimeout, WaiterConnection
from resultspec_reference.errors import OperationalError

UNSUBSCRIBE_SECONDS: Final = 0.25
"""Seconds that a waiter waits at its end for the server to confirm that it is unsubscribed."""

MAX_REPLIES: Final = 1000
"""Replies and messages that it receives meanwhile, at most."""


class RedisWatch:
    """The connections of one waiter; a subclass decides what it subscribes to and what it reads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._step_timeout = StepTimeout()
        self._listener: WaiterConnection | None = None
        self._reader: WaiterConnection | None = None

    def _listen(self, limit: float) -> WaiterConnection:
        """Open the connection that listens, within `limit` seconds."""
        self._listener = WaiterConnection(self._server, limit)
        return self._listener

    def _execute(self, limit: float, *command: str | bytes) -> Any:
        """Send a command on the connection that reads, and return its reply, within `limit` seconds."""
        limit = self._step_timeout.limit(limit)
        with self._step_timeout.measured():
            if self._reader is None:
                self._reader = WaiterConnection(self._server, limit)
            self._reader.send(*command)
            return self._reader.receive(limit)

    def close(self) -> None:
        """End the subscriptions, and the connections."""
        if self._listener is not None:
            if self._reader is None or self._reader.alive:
                _unsubscribe(self._listener)
            self._listener.close()
        if self._reader is not None:
            self._reader.close()


def _unsubscribe(listener: WaiterConnection) -> None:
    """Unsubscribe; if that fails or takes too long, the subscriptions end with the connection."""
    try:
        listener.send("UNSUBSCRIBE")
        for _ in range(MAX_REPLIES):
            kind, _, left = listener.receive(UNSUBSCRIBE_SECONDS)
            if kind == b"unsubscribe" and left == 0:
                return
    except OperationalError:
        return
