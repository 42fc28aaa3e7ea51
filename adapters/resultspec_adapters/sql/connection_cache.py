"""A cache of one connection, which short statements take without asking the pool.

SQLAlchemy's pool wraps each connection that it hands out, and that is a tenth of the time of a short statement. So the
connection that was used last stays here for a moment, unless someone asks the pool for one.
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import Pool, QueuePool

T = TypeVar("T")

MAX_IDLE_SECONDS: Final = 1.0
"""After so long a connection goes back to the pool, which may replace it for its age."""


class BorrowedConnection:
    """A connection of a pool, for the exclusive use of the borrower. `driver` is the connection of psycopg."""

    __slots__ = ("connection", "driver", "expires", "info", "pool")

    def __init__(self, connection: Any, pool: Pool) -> None:
        self.connection: Final = connection
        self.driver: Final[Any] = connection.driver_connection
        self.info: Final[dict[Any, Any]] = connection.info
        self.pool: Final = pool
        self.expires: Final = time.monotonic() + MAX_IDLE_SECONDS


class ConnectionCache:
    """Lends the connections of an engine, and caches one that was given back. Thread-safe.

    With `enabled` false, nothing is cached. Nor is a connection of a pool of one, where it would be the only one, or of
    a pool that is not a queue, which closes what is returned to it.
    """

    def __init__(self, engine: sa.Engine, *, enabled: bool = True) -> None:
        self._engine = engine
        self._cached: dict[str, BorrowedConnection] = {}
        self._checkouts: dict[object, None] = {}
        self._enabled = enabled and isinstance(engine.pool, QueuePool) and engine.pool.size() > 1

    def borrow(self) -> BorrowedConnection:
        """Return a connection, to be given back. Raises what the pool raises."""
        borrowed = self._cached.pop("one", None)
        if borrowed is not None:
            if time.monotonic() < borrowed.expires and borrowed.pool is self._engine.pool:
                return borrowed
            borrowed.connection.close()
        return self.check_out(self._connect)

    def _connect(self) -> BorrowedConnection:
        # in this order: if the pool is replaced in between, the worst case is that a good connection counts as stale
        pool = self._engine.pool
        return BorrowedConnection(self._engine.raw_connection(), pool)

    def check_out(self, connect: Callable[[], T]) -> T:
        """Check a connection out of the pool by `connect`. While anyone waits, none is held back in this cache."""
        token = object()
        self._checkouts[token] = None
        try:
            self.clear()
            return connect()
        finally:
            del self._checkouts[token]

    def give_back(self, borrowed: BorrowedConnection) -> None:
        """Take back a connection that is still usable."""
        # setdefault is one step, so that two threads cannot cache one connection each of a pool of two
        if not self._enabled or self._cached.setdefault("one", borrowed) is not borrowed:
            borrowed.connection.close()
        # a thread that checks out or replaces the pool announces that before it clears the cache, and this thread fills
        # the cache before it looks for announcements: so one of the two sees the other
        elif self._checkouts or borrowed.pool is not self._engine.pool:
            self.clear()

    def clear(self) -> None:
        """Return the cached connection to the pool."""
        borrowed = self._cached.pop("one", None)
        if borrowed is not None:
            borrowed.connection.close()
