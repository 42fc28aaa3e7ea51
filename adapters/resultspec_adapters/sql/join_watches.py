"""How a join learns which of its tasks may have changed: by notifications, by a counter, or by looking again.

It is `watches` for many tasks. The first look of a join, which is often the only one, borrows a connection of the
pool for each batch; only a join that has to wait, and can be told of changes, has a connection of its own, over which
it is told and reads. A foreign writer does not notify, so a join makes a pass after `SqlBackend.reread_interval` in
any case.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.wait_watches import count, heard, until_counted
from resultspec_reference.errors import OperationalError
from resultspec_reference.joining.loop import JoinAnswer

CHANNELS: Final = 500
"""Channels that are subscribed to by one message to PostgreSQL."""

MOST_CHANNELS: Final = 10_000
"""Channels of one join: PostgreSQL looks through all of them for each that is added. Passes find the other tasks."""

Read = Callable[[Sequence[str], sa.Connection | None], Iterator[JoinAnswer]]
"""Reads tasks over a connection, or over one of the pool, and returns their answers."""


class PolledJoin:
    """The view that a join has of tables that tell nothing."""

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
        """Close the connection, if there is one, which may be lost already."""
        if self._connection is not None:
            with suppress(OperationalError), self._database.errors():
                self._connection.close()

    def _opened(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._database.open()
        return self._connection


class NotifiedJoin(PolledJoin):
    """The view of a PostgreSQL: it listens to a channel for each task. ``channel`` names that of an id."""

    def __init__(self, database: Database, read: Read, channel: Callable[[str], str]) -> None:
        super().__init__(database, read)
        self._channel = channel
        self._task_ids: dict[str, str] = {}

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:  # noqa: ARG002 - as above
        """Listen, and return when the server has confirmed it."""
        connection = self._opened()
        self._task_ids = {self._channel(task_id): task_id for task_id in islice(task_ids, MOST_CHANNELS)}
        channels = iter(self._task_ids)
        with self._database.errors():
            while some := list(islice(channels, CHANNELS)):
                connection.exec_driver_sql("; ".join(f'LISTEN "{name}"' for name in some))

    def rest(self, seconds: float) -> Iterable[str]:
        """Return the tasks that were heard of, or none when the time is over."""
        names = heard(self._database, self._opened(), seconds)
        return [self._task_ids[name] for name in names if name in self._task_ids]


class CountedJoin(PolledJoin):
    """The view of a SQLite file: its counter says that something has changed, so all tasks are read again."""

    def __init__(self, database: Database, read: Read) -> None:
        super().__init__(database, read)
        self._task_ids: tuple[str, ...] = ()
        self._seen: int | None = None

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:  # noqa: ARG002 - as above
        """Note the counter: what changes from now on ends the next rest."""
        self._task_ids = tuple(task_ids)
        self._seen = count(self._database, self._opened())

    def rest(self, seconds: float) -> Iterable[str]:
        """Return all tasks as soon as the file has changed, or none when the time is over."""
        before = self._seen
        self._seen = until_counted(self._database, self._opened(), before, seconds)
        return () if self._seen == before else self._task_ids
