"""The short way to a PostgreSQL: the parts of psycopg on connections of SQLAlchemy's pool, without a cursor.

To store and to read rows, SQLAlchemy takes longer than psycopg and the server together, and a cursor of psycopg longer
than everything else that psycopg does. Here a connection prepares each statement once, and is then told no more than
its name and its arguments. A wait for the server can be interrupted. What psycopg raises becomes what SQLAlchemy would
have raised.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import errors, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format
from sqlalchemy import exc

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.faults import STALE

PREPARED: Final = "resultspec prepared"
"""Where a connection of the pool keeps the names of the statements that it knows."""

MOST_PREPARED: Final = 100
"""Statements that a connection knows at most before it is replaced."""

Connection = psycopg.Connection[Any]

_NUMBERS: Final = itertools.count()


class Direct:
    """One statement, which is run with named arguments. ``text`` is what is sent."""

    def __init__(self, database: Database, statement: Any) -> None:
        dialect: Any = type(database.engine.dialect)
        compiled = statement.compile(dialect=dialect(paramstyle="numeric_dollar"))
        self.text: Final = str(compiled)
        self._database = database
        self._arguments: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._sent = self.text.encode()
        self._name = f"resultspec_{next(_NUMBERS)}".encode()

    def run(self, arguments: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Return the rows. Raises what `Database.errors` makes of the errors of psycopg and of the pool."""
        engine = self._database.engine
        try:
            connection: Any = engine.raw_connection()
        except exc.SQLAlchemyError:
            with self._database.errors():
                raise
        try:
            rows = self._rows(connection.driver_connection, connection.info, arguments)
        except BaseException as error:
            with self._database.errors():
                _fail(engine, connection, error)
            raise
        if len(connection.info.get(PREPARED, ())) > MOST_PREPARED:
            connection.invalidate()
        connection.close()
        return rows

    def _rows(self, connection: Connection, info: Any, arguments: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        values = [arguments[name] for name in self._arguments]
        formats = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in values]
        transformer, wire = Transformer(connection), connection.pgconn
        given = transformer.dump_sequence(values, formats)
        if connection.prepare_threshold is None:
            # a server between us and the database does not keep what is prepared
            wire.send_query_params(self._sent, given, None, transformer.formats, Format.BINARY)
        else:
            self._prepare(connection, info)
            wire.send_query_prepared(self._name, given, transformer.formats, Format.BINARY)
        result = connection.wait(generators.execute(wire))[-1]
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, transformer.encoding)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _prepare(self, connection: Connection, info: Any) -> None:
        known = info.setdefault(PREPARED, set())
        if self._name in known:
            return
        connection.pgconn.send_prepare(self._name, self._sent)
        result = connection.wait(generators.execute(connection.pgconn))[-1]
        if result.status != ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result, connection.info.encoding)
        known.add(self._name)


def _fail(engine: sa.Engine, connection: Any, error: BaseException) -> None:
    """Give a connection back, if it is still of use, and raise the error of psycopg as SQLAlchemy does."""
    dialect: Any = engine.dialect
    if not isinstance(error, errors.Error):
        connection.invalidate()
        return
    lost = dialect.is_disconnect(error, connection.driver_connection, None)
    if lost or error.sqlstate in STALE:
        connection.invalidate()
    else:
        connection.close()
    if lost:
        # what has befallen this one has befallen the others
        engine.dispose()
    raise exc.DBAPIError.instance(
        None, None, error, errors.Error, connection_invalidated=lost, dialect=dialect
    ) from error
