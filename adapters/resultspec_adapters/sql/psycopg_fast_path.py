"""The fast path to PostgreSQL: psycopg's lower modules on connections of SQLAlchemy's pool, without a cursor.

To store and to read rows, SQLAlchemy takes longer than psycopg and the server together, and a cursor of psycopg takes
longer than everything else that psycopg does. Here a connection prepares each statement once; after that, only its name
and its arguments are sent. Waiting for the server can be interrupted. Errors of psycopg become the errors that
SQLAlchemy would have raised.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import abc, errors, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format
from sqlalchemy import exc

from resultspec_adapters.sql.connection_cache import BorrowedConnection
from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.errors import STALE

INFO_KEY: Final = "resultspec statements"
"""The member of a connection's `info` that holds its prepared statements."""

MAX_PREPARED: Final = 100
"""A connection with more prepared statements is replaced."""

Connection = psycopg.Connection[Any]

Prepared = dict[bytes, abc.Transformer]
"""How the values of a prepared statement are written and read, by its name."""

_NUMBERS: Final = itertools.count()


class PsycopgFastPath:
    """One statement, which is run with named arguments. `text` is the SQL that is sent."""

    def __init__(self, database: Database, statement: Any) -> None:
        dialect: Any = type(database.engine.dialect)
        compiled = statement.compile(dialect=dialect(paramstyle="numeric_dollar"))
        self.text: Final = str(compiled)
        self._database = database
        self._arguments: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._sent = self.text.encode()
        self._name = f"resultspec_{next(_NUMBERS)}".encode()

    def run(self, arguments: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Return the rows. Errors of psycopg and of the pool are raised as `Database.errors` says."""
        cache = self._database.connection_cache
        try:
            borrowed = cache.borrow()
        except exc.SQLAlchemyError:
            with self._database.errors():
                raise
        try:
            prepared = borrowed.info.setdefault(INFO_KEY, {})
            rows = self._rows(borrowed.driver, prepared, arguments)
        except BaseException as error:
            with self._database.errors():
                self._fail(borrowed, error)
            raise
        if len(prepared) > MAX_PREPARED:
            borrowed.connection.invalidate()
            borrowed.connection.close()
        else:
            cache.give_back(borrowed)
        return rows

    def _rows(
        self, connection: Connection, prepared: Prepared, arguments: Mapping[str, Any]
    ) -> Sequence[tuple[Any, ...]]:
        values = [arguments[name] for name in self._arguments]
        formats = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in values]
        pgconn, transformer = connection.pgconn, prepared.get(self._name) or self._prepare(connection, prepared)
        given = transformer.dump_sequence(values, formats)
        if connection.prepare_threshold is None:
            pgconn.send_query_params(self._sent, given, None, transformer.formats, Format.BINARY)
        else:
            pgconn.send_query_prepared(self._name, given, transformer.formats, Format.BINARY)
        result = connection.wait(generators.execute(pgconn))[-1]
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, transformer.encoding)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        # the transformer stays with the connection, and would keep the result in memory
        transformer.set_pgresult(None)
        return rows

    def _prepare(self, connection: Connection, prepared: Prepared) -> abc.Transformer:
        # None is set where a proxy stands between us and the database, which loses prepared statements
        if connection.prepare_threshold is not None:
            connection.pgconn.send_prepare(self._name, self._sent)
            result = connection.wait(generators.execute(connection.pgconn))[-1]
            if result.status != ExecStatus.COMMAND_OK:
                raise errors.error_from_result(result, connection.info.encoding)
        return prepared.setdefault(self._name, Transformer(connection))

    def _fail(self, borrowed: BorrowedConnection, error: BaseException) -> None:
        """Give a connection back if it is still usable, and raise the error of psycopg as SQLAlchemy does."""
        database, connection = self._database, borrowed.connection
        dialect: Any = database.engine.dialect
        if not isinstance(error, errors.Error):
            connection.invalidate()
            return
        lost = dialect.is_disconnect(error, borrowed.driver, None)
        if lost or error.sqlstate in STALE:
            connection.invalidate()
        else:
            database.connection_cache.give_back(borrowed)
        if lost:
            # the others were probably lost with it
            database.close()
        raise exc.DBAPIError.instance(
            None, None, error, errors.Error, connection_invalidated=lost, dialect=dialect
        ) from error
