"""How a join learns which of its tasks may have changed: by notifications, by a counter, or by polling.

It is `wait_watches` for many tasks. The first pass of a join, which is often the only one, borrows a connection of the
pool for each batch. A join that has to wait, on a database that notifies, opens a connection of its own, on which it
listens and reads. A foreign writer does not notify, so a join also makes a pass after `SqlBackend.reread_interval`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.wait_watches import change_counter, notified_channels, wait_for_change
from resultspec_reference.errors import OperationalError
from resultspec_reference.joining.loop import JoinAnswer

CHANNELS_PER_MESSAGE: Final = 500
"""Channels that are subscribed to by one message to PostgreSQL."""

MAX_CHANNELS: Final = 10_000
"""Channels of one join: for each new one, PostgreSQL searches all others. Passes find the remaining tasks."""

Read = Callable[[Sequence[str], sa.Connection | None], Iterator[JoinAnswer]]
"""Reads tasks over the given connection, or else one of the pool, and returns their answers."""


class PolledJoin:
    """A join's view of a database that does not notify."""

    def __init__(self, database: Database, read: Read) -> None:
        self._database = database
        self._read = read
        self._connection: sa.Connection | None = None

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:
        """Do nothing."""

    def read(self, task_ids: Sequence[str], limit: float) -> Iterator[JoinAnswer]:  # noqa: ARG002 - the timeouts of the connection limit a read
        """Read the rows of tasks by one statement."""
        return self._read(task_ids, self._connection)

    def rest(self, seconds: float) -> Iterable[str]:
        """Sleep."""
        time.sleep(seconds)
        return ()

    def close(self) -> None:
        """Close the connection, if there is one. It may already be lost."""
        if self._connection is not None:
            with suppress(OperationalError), self._database.errors():
                self._connection.close()

    def _opened(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._database.open()
        return self._connection


class NotifiedJoin(PolledJoin):
    """A join's view of a PostgreSQL: it listens to a channel for each task. `channel` returns that of an id."""

    def __init__(self, database: Database, read: Read, channel: Callable[[str], str]) -> None:
        super().__init__(database, read)
        self._channel = channel
        self._task_ids: dict[str, str] = {}

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:  # noqa: ARG002 - as above
        """Listen, and return when the server has confirmed it."""
        connection = self._opened()
        self._task_ids = {self._channel(task_id): task_id for task_id in islice(task_ids, MAX_CHANNELS)}
        channels = iter(self._task_ids)
        with self._database.errors():
            while some := list(islice(channels, CHANNELS_PER_MESSAGE)):
                connection.exec_driver_sql("; ".join(f'LISTEN "{name}"' for name in some))

    def rest(self, seconds: float) -> Iterable[str]:
        """Return the tasks of the notifications, as soon as there are any, or none when the time is over."""
        names = notified_channels(self._database, self._opened(), seconds)
        return [self._task_ids[name] for name in names if name in self._task_ids]


class CountedJoin(PolledJoin):
    """A join's view of a SQLite file: its counter says only that something has changed, so all tasks are read."""

    def __init__(self, database: Database, read: Read) -> None:
        super().__init__(database, read)
        self._task_ids: tuple[str, ...] = ()
        self._seen: int | None = None

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:  # noqa: ARG002 - as above
        """Read the counter: a change from now on ends the next rest."""
        self._task_ids = tuple(task_ids)
        self._seen = change_counter(self._database, self._opened())

    def rest(self, seconds: float) -> Iterable[str]:
        """Return all tasks as soon as the file has changed, or none when the time is over."""
        before = self._seen
        self._seen = wait_for_change(self._database, self._opened(), before, seconds)
        return () if self._seen == before else self._task_ids
