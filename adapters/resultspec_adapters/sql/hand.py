"""A connection at hand: one that statement after statement takes without asking the pool.

SQLAlchemy's pool wraps a connection for whoever takes it, and that is a tenth of the time of a short statement. So the
last one that was used stays here for a moment, unless the pool has no other for those who ask it.
"""

import time
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

KEPT: Final = 1.0
"""Seconds after which a connection goes back to the pool, which may ping it then, or replace it for its age."""


class Lent:
    """A connection of a pool that belongs to whoever took it. ``driver`` is that of psycopg."""

    __slots__ = ("connection", "driver", "info", "until")

    def __init__(self, connection: Any) -> None:
        self.connection: Final = connection
        self.driver: Final[Any] = connection.driver_connection
        self.info: Final[dict[Any, Any]] = connection.info
        self.until: Final = time.monotonic() + KEPT


class Hand:
    """What lends the connections of an engine, and keeps one that came back. Safe in threads.

    A pool that has no second connection keeps none here, and neither does one that is no queue, which would close it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._free: dict[str, Lent] = {}
        self._keeps = isinstance(engine.pool, QueuePool) and engine.pool.size() > 1

    def take(self) -> Lent:
        """Return a connection that is to be given back. Raises what the pool raises."""
        lent = self._free.pop("one", None)
        if lent is not None:
            if time.monotonic() < lent.until:
                return lent
            lent.connection.close()
        return Lent(self._engine.raw_connection())

    def give_back(self, lent: Lent) -> None:
        """Take back a connection that is as it was."""
        # in one step, lest two threads keep one each from a pool of two
        if not self._keeps or self._free.setdefault("one", lent) is not lent:
            lent.connection.close()

    def empty(self) -> None:
        """Give what is here to the pool."""
        lent = self._free.pop("one", None)
        if lent is not None:
            lent.connection.close()
