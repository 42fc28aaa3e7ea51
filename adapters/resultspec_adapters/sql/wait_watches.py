"""How a waiter learns that its row may have changed: by a notification, by a counter, or by polling.

Each watch has a connection of its own, which is closed with it, so that waiters do not take connections from writers.
The payload of a notification is ignored: it says only that the row has changed. A foreign writer does not notify, so a
waiter also reads after `SqlBackend.reread_interval`.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.errors import OperationalError

COUNTER_INTERVAL: Final = 0.02
"""Seconds between two reads of the change counter of a SQLite."""

Read = Callable[[sa.Connection], TaskMeta]
"""Reads the meta over a connection."""


class _OwnConnection:
    """A watch that has a connection of its own."""

    def __init__(self, database: Database, read: Read) -> None:
        self._database = database
        self._read = read
        self._connection = database.open()

    def read(self, limit: float) -> TaskMeta:  # noqa: ARG002 - the timeouts of the connection limit a read
        """Read the row."""
        return self._read(self._connection)

    def close(self) -> None:
        """Close the connection. It may already be lost."""
        with suppress(OperationalError), self._database.errors():
            self._connection.close()


class NotifiedWatch(_OwnConnection):
    """The watch of a PostgreSQL: it listens to a channel."""

    def __init__(self, database: Database, read: Read, channel: str) -> None:
        super().__init__(database, read)
        try:
            with database.errors():
                self._connection.exec_driver_sql(f'LISTEN "{channel}"')
        except BaseException:
            self.close()
            raise

    def rest(self, seconds: float) -> None:
        """Return after a notification, or when the time is over."""
        notified_channels(self._database, self._connection, seconds)


def notified_channels(database: Database, connection: sa.Connection, seconds: float) -> list[str]:
    """Return the channels of PostgreSQL's notifications as soon as there is one, or none after some seconds."""
    driver: Any = connection.connection.driver_connection
    with database.errors():
        try:
            return [notice.channel for notice in driver.notifies(timeout=seconds, stop_after=1)]
        except driver_errors() as error:
            raise sa.exc.OperationalError("LISTEN", None, error, connection_invalidated=True) from None


def driver_errors() -> type[Exception]:
    """Return the class of the errors of psycopg, which is installed if there is a connection of it."""
    import psycopg

    return psycopg.Error


class CountedWatch(_OwnConnection):
    """The watch of a SQLite file, which counts the changes that other connections have made."""

    def __init__(self, database: Database, read: Read) -> None:
        super().__init__(database, read)
        self._seen: int | None = None

    def read(self, limit: float) -> TaskMeta:
        """Read the row; a change from now on ends the next rest."""
        self._seen = change_counter(self._database, self._connection)
        return super().read(limit)

    def rest(self, seconds: float) -> None:
        """Return when the file has changed since the last read, or when the time is over."""
        wait_for_change(self._database, self._connection, self._seen, seconds)


def change_counter(database: Database, connection: sa.Connection) -> int:
    """Return the change counter of a SQLite, which differs after each change by another connection."""
    with database.errors():
        return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def wait_for_change(database: Database, connection: sa.Connection, seen: int | None, seconds: float) -> int | None:
    """Return the change counter as soon as it differs from `seen`, or `seen` when the time is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        found = change_counter(database, connection)
        if found != seen:
            return found
        time.sleep(min(COUNTER_INTERVAL, left))
    return seen
