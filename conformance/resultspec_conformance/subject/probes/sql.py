"""The probe of a database: rows of Celery's tables, through the suite's own connection."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import make_url

from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes.rows import (
    CHORD_TABLE,
    GROUP_TABLE,
    PART_TABLE,
    TASK_TABLE,
    group_cell_of,
    payload_of,
    row_of,
)
from resultspec_conformance.subject.probes.sockets import local_ports, traffic_with
from resultspec_conformance.text.redaction import redact_text
from resultspec_conformance.wire.values import Value

_RELEASE: Final = int(sa.__version__.partition(".")[0])
"""The major version of SQLAlchemy: older releases of Celery come with 1.4, which knows another driver."""

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg" if _RELEASE > 1 else "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


_NOW: Final = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1000000",
}
"""The query for the seconds since 1970, by dialect."""


def open_probe(store: str, prefix: str) -> SqlProbe:
    """Return the probe of a database by its URL. Raises SubjectError.

    `prefix` is the prefix of the names of the tables.
    """
    try:
        url = make_url(store.removeprefix("db+"))
        engine = sa.create_engine(
            url.set(drivername=_DRIVERS.get(url.drivername, url.drivername)),
            poolclass=sa.pool.QueuePool,
            pool_size=1,
            max_overflow=0,
            future=True,
        )
    except (exc.ArgumentError, ValueError):
        # without the text of the error, which may quote a part of the password
        raise SubjectError(
            f"{redact_text(store)} is not a database URL.\nWrite SCHEME://USER:PASSWORD@HOST/NAME"
        ) from None
    probe = SqlProbe if engine.dialect.name == "sqlite" else ServerProbe
    return probe(engine, prefix, redact_text(store))


_KEYS: Final = {TASK_TABLE: "task_id", GROUP_TABLE: "taskset_id", PART_TABLE: "group_id", CHORD_TABLE: "group_id"}
"""The tables of results, and the columns with the ids; the parts of a chord are removed before the chord."""

PING_ID: Final = "resultspec-ping"
"""The prefix of the ids of those rows that test whether the database accepts writes."""

PING_ROWS, PING_BYTES = 16, 60_000
"""The number and size of these rows: too much for the free space of a table, so the database needs more disk space."""


class SqlProbe:
    """A probe of the rows of tasks, of groups and of chords. `shown` is the database, without its password."""

    def __init__(self, engine: sa.Engine, prefix: str, shown: str) -> None:
        self.prefix = prefix
        self._engine = engine
        self.shown = shown
        self._name = prefix + TASK_TABLE
        self._group_name = prefix + GROUP_TABLE
        self._reflected: dict[str, sa.Table] = {}
        self._require(rows=1)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """Yield a connection, in a transaction that ends with the block. Raises SubjectError."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except exc.DataError as error:
            raise Unobserved(f"the database cannot hold this: {error.orig}") from None
        except exc.SQLAlchemyError as error:
            raise self._lost(error) from None

    def _lost(self, error: exc.SQLAlchemyError) -> SubjectError:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        secret = self._engine.url.password
        reason = reason.replace(secret, "**") if secret else reason
        return SubjectError(
            f"{self.shown} cannot be used: {reason}\nStart the server, or correct the URL, its rights or its space."
        )

    def _table(self, connection: sa.Connection, name: str = "") -> sa.Table | None:
        """Return a table, by default that of tasks, or None if it does not exist."""
        name = name or self._name
        if name not in self._reflected and sa.inspect(connection).has_table(name):
            self._reflected[name] = sa.Table(name, sa.MetaData(), autoload_with=connection)
        return self._reflected.get(name)

    def rows(self, task_id: str) -> list[Mapping[str, Value]]:
        """Return the rows of a task."""
        with self._connected() as connection:
            table = self._table(connection)
            if table is None:
                return []
            found = connection.execute(sa.select(table).where(table.c.task_id == task_id)).mappings()
            return [dict(row) for row in found if row["task_id"] == task_id]

    def columns(self) -> frozenset[str]:
        """Return the columns of the table, none if it does not exist."""
        with self._connected() as connection:
            table = self._table(connection)
        return frozenset() if table is None else frozenset(table.c.keys())

    def put_row(self, row: Mapping[str, Value]) -> None:
        """Replace the row with the same `task_id`. Raises Unobserved if the table does not exist."""
        with self._connected() as connection:
            table = self._table(connection)
            if table is None:
                raise Unobserved(f"the table {self._name} does not exist")
            connection.execute(sa.delete(table).where(table.c.task_id == row["task_id"]))
            connection.execute(sa.insert(table), [_cells(table, row)])

    def read(self, task_id: str) -> bytes | None:
        """Return the row of a task as a payload, or None."""
        found = self.rows(task_id)
        return payload_of(found[0]) if found else None

    def write(self, task_id: str, payload: bytes) -> None:
        """Put a payload under a task, as a row. Raises Unobserved for a payload that does not fit the columns."""
        self.put_row({**row_of(payload, self.columns()), "task_id": task_id})

    def remaining(self, task_id: str) -> float | None:
        """Return infinity for a task with a row, since rows do not expire by themselves, and None for one without."""
        return math.inf if self.rows(task_id) else None

    def age(self, task_id: str, seconds: float) -> bool:
        """Move the date of a row back by some seconds; return whether it has one."""
        with self._connected() as connection:
            table = self._table(connection)
            if table is None:
                return False
            own = table.c.task_id == task_id
            date = connection.execute(sa.select(table.c.date_done).where(own)).scalar()
            if date is None:
                return False
            older = sa.update(table).where(own, table.c.date_done == date)
            connection.execute(older.values(date_done=date - timedelta(seconds=seconds)))
        return True

    def read_group(self, group_id: str) -> bytes | None:
        """Return the bytes in the column `result` of a group, None if there is no such row or table."""
        with self._connected() as connection:
            table = self._table(connection, self._group_name)
            if table is None:
                return None
            found = connection.execute(sa.select(table).where(table.c.taskset_id == group_id)).mappings()
            cells = [row["result"] for row in found if row["taskset_id"] == group_id]
        return bytes(cells[0]) if cells and cells[0] is not None else None

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Replace the group with this id: a column has the tuple without the map around it.

        Raises Unobserved if the table does not exist, and for a payload that would mean something else in a column.
        """
        cell = group_cell_of(payload)
        with self._connected() as connection:
            table = self._table(connection, self._group_name)
            if table is None:
                raise Unobserved(f"the table {self._group_name} does not exist")
            connection.execute(sa.delete(table).where(table.c.taskset_id == group_id))
            connection.execute(sa.insert(table), [{**_number(table), "taskset_id": group_id, "result": cell}])

    def bookkeeping(self, group_id: str) -> dict[str, float]:
        """Return the rows of a chord, and the remaining seconds of each, by the database's own clock.

        A part lives as long as its chord, and forever without one. Raises Unobserved if the tables do not exist.
        """
        with self._connected() as connection:
            chords, parts = (self._table(connection, self.prefix + name) for name in (CHORD_TABLE, PART_TABLE))
            if chords is None or parts is None:
                raise Unobserved(f"the tables {self.prefix}{CHORD_TABLE} and {self.prefix}{PART_TABLE} do not exist")
            now = float(connection.execute(sa.text(_NOW[connection.dialect.name])).scalar_one())
            ends = connection.execute(sa.select(chords.c.expires).where(chords.c.group_id == group_id)).scalars().all()
            counted = sa.select(parts.c.task_id, parts.c.place).where(parts.c.group_id == group_id)
            left = max((end / 1000 - now for end in ends), default=math.inf)
            kept = {f"part {task_id} at {place}": left for task_id, place in connection.execute(counted)}
        return {**kept, **({f"chord {group_id}": left} if ends else {})}

    def ping(self) -> None:
        """Raise SubjectError if the database cannot be read, or, once the table exists, does not accept a megabyte."""
        self._require(PING_ROWS)

    def _require(self, rows: int) -> None:
        """Raise SubjectError if the database cannot be read, or, once the table exists, does not accept some rows."""
        with self._connected() as connection:
            connection.execute(sa.select(sa.literal(1)))
            table = self._table(connection)
        if table is None:
            return
        lot = f"{PING_ID}-{secrets.token_hex(4)}-"
        with self._connected() as connection:
            for number in range(rows):
                # random bytes, since compressible ones need little space
                row = {"task_id": f"{lot}{number}", "status": "STARTED", "result": secrets.token_bytes(PING_BYTES)}
                connection.execute(sa.insert(table), [_cells(table, row)])
        # only after the commit: until then a database may keep the rows in memory
        with self._connected() as connection:
            connection.execute(sa.delete(table).where(table.c.task_id.startswith(lot)))

    def forget_run(self) -> None:
        """Remove the tables and sequences of the run, if it has a prefix."""
        if not self.prefix:
            return
        with self._connected() as connection:
            found = sa.inspect(connection)
            for name in found.get_table_names():
                if name.startswith(self.prefix):
                    sa.Table(name, sa.MetaData()).drop(connection)
            for name in found.get_sequence_names() if connection.dialect.supports_sequences else ():
                if name.startswith(self.prefix):
                    sa.Sequence(name).drop(connection)
        self._reflected.clear()

    def any_result(self) -> str | None:
        """Return the id of any task, group or chord that has a row; None if there is none."""
        with self._connected() as connection:
            for table, key in self._tables(connection):
                asked = sa.select(table.c[key]).where(table.c[key].not_like(f"{PING_ID}%")).limit(1)
                found = connection.execute(asked).scalar()
                if found is not None:
                    return f"{found} in {table.name}"
        return None

    def forget_results(self, mark: str) -> None:  # noqa: ARG002 - all rows are removed, whatever their ids
        """Remove all rows of tasks, groups and chords; the tables stay."""
        with self._connected() as connection:
            for table, _ in self._tables(connection):
                connection.execute(sa.delete(table))

    def _tables(self, connection: sa.Connection) -> list[tuple[sa.Table, str]]:
        """Return the existing tables of results, and their key columns."""
        found = [(self._table(connection, self.prefix + name), key) for name, key in _KEYS.items()]
        return [(table, key) for table, key in found if table is not None]

    def close(self) -> None:
        """Close the probe's connections."""
        self._engine.dispose()


_CONNECTIONS: Final = {
    "postgresql": "SELECT pid, client_port FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND client_port > 0",
    "mysql": "SELECT id, substring_index(host, ':', -1) FROM information_schema.processlist"
    " WHERE id <> connection_id() AND host LIKE '%:%'",
}
"""The query for all connections but the probe's own, with their local ports, by dialect."""

_CUTS: Final = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}

_UNKNOWN_THREAD: Final = 1094
"""The error code of MySQL and MariaDB for a connection that no longer exists."""


_PORTS: Final = {"postgresql": 5432, "mysql": 3306}


class ServerProbe(SqlProbe):
    """A probe of a database server: it can also cut connections, and measures the traffic with this process."""

    def traffic(self) -> int:
        """Return the number of bytes that this process has exchanged with the server over open connections.

        0 if the system does not report it.
        """
        return traffic_with(self._engine.url.port or _PORTS[self._engine.dialect.name])

    def cut_connections(self) -> int:
        """Cut the connections of this process and its children, except the probe's own; return their number.

        The server may be shared: the local ports distinguish our connections from others.
        """
        dialect, ours, count = self._engine.dialect.name, local_ports(), 0
        with self._connected() as connection:
            for number, port in connection.execute(sa.text(_CONNECTIONS[dialect])).all():
                if int(port) in ours:
                    count += _cut(connection, int(number))
        return count


def _cut(connection: sa.Connection, number: int) -> bool:
    """Cut a connection; return whether it still existed."""
    try:
        done = connection.execute(sa.text(_CUTS[connection.dialect.name].format(number)))
    except sa.exc.DBAPIError as error:
        if error.orig is None or error.orig.args[:1] != (_UNKNOWN_THREAD,):
            raise
        return False
    return bool(done.scalar()) if done.returns_rows else True


def _number(table: sa.Table) -> dict[str, int]:
    """Return the `id` of a new row, if rows have one: a negative number, which no sequence produces."""
    return {"id": -secrets.randbelow(2**30) - 1} if "id" in table.c else {}


def _cells(table: sa.Table, row: Mapping[str, Value]) -> dict[str, Any]:
    """Return a row for a table, without members that have no column."""
    return {**_number(table), **{name: _cell(table.c[name], value) for name, value in row.items() if name in table.c}}


def _cell(column: sa.Column[Any], value: Value) -> Any:
    """Return a value for a column: the text of a date becomes a datetime."""
    if isinstance(column.type, sa.DateTime) and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value
