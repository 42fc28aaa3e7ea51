"""A connection at hand: one that statement after statement takes without asking the pool.

SQLAlchemy's pool wraps a connection for whoever takes it, and that is a tenth of the time of a short statement. So the
last one that was used stays here for a moment, unless somebody asks the pool.
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import Pool, QueuePool

T = TypeVar("T")

KEPT: Final = 1.0
"""Seconds after which a connection goes back to the pool, which may replace it for its age."""


class Lent:
    """A connection of a pool that belongs to whoever took it. ``driver`` is that of psycopg."""

    __slots__ = ("connection", "driver", "info", "pool", "until")

    def __init__(self, connection: Any, pool: Pool) -> None:
        self.connection: Final = connection
        self.driver: Final[Any] = connection.driver_connection
        self.info: Final[dict[Any, Any]] = connection.info
        self.pool: Final = pool
        self.until: Final = time.monotonic() + KEPT


class Hand:
    """What lends the connections of an engine, and keeps one that came back. Safe in threads.

    ``keeps``: whether it may keep one at all. One of a pool that is no queue, which would close it, and the only one of
    a pool it never keeps.
    """

    def __init__(self, engine: sa.Engine, *, keeps: bool = True) -> None:
        self._engine = engine
        self._free: dict[str, Lent] = {}
        self._asking: dict[object, None] = {}
        self._keeps = keeps and isinstance(engine.pool, QueuePool) and engine.pool.size() > 1

    def take(self) -> Lent:
        """Return a connection that is to be given back. Raises what the pool raises."""
        lent = self._free.pop("one", None)
        if lent is not None:
            if time.monotonic() < lent.until and lent.pool is self._engine.pool:
                return lent
            lent.connection.close()
        return self.ask(self._borrow)

    def _borrow(self) -> Lent:
        # in this order: where the pool is replaced meanwhile, a good connection is taken for a stale one at worst
        pool = self._engine.pool
        return Lent(self._engine.raw_connection(), pool)

    def ask(self, get: Callable[[], T]) -> T:
        """Return what the pool gives, which has all its connections meanwhile: nothing is kept from who waits there."""
        token = object()
        self._asking[token] = None
        try:
            self.empty()
            return get()
        finally:
            del self._asking[token]

    def give_back(self, lent: Lent) -> None:
        """Take back a connection that is as it was."""
        # in one step, lest two threads keep one each from a pool of two
        if not self._keeps or self._free.setdefault("one", lent) is not lent:
            lent.connection.close()
        # whoever asks, or replaces the pool, says so before he looks here: one of us sees the other
        elif self._asking or lent.pool is not self._engine.pool:
            self.empty()

    def empty(self) -> None:
        """Give what is here to the pool."""
        lent = self._free.pop("one", None)
        if lent is not None:
            lent.connection.close()
