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
from psycopg import abc, errors, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format
from sqlalchemy import exc

from resultspec_adapters.sql.connection_cache import Lent
from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.errors import STALE

KNOWN: Final = "resultspec statements"
"""Where a connection of the pool keeps what it knows: how values are written and read, by the name of a statement."""

MOST_KNOWN: Final = 100
"""Statements that a connection knows at most before it is replaced."""

Connection = psycopg.Connection[Any]

Known = dict[bytes, abc.Transformer]

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
        hand = self._database.hand
        try:
            lent = hand.take()
        except exc.SQLAlchemyError:
            with self._database.errors():
                raise
        try:
            known = lent.info.setdefault(KNOWN, {})
            rows = self._rows(lent.driver, known, arguments)
        except BaseException as error:
            with self._database.errors():
                self._fail(lent, error)
            raise
        if len(known) > MOST_KNOWN:
            lent.connection.invalidate()
            lent.connection.close()
        else:
            hand.give_back(lent)
        return rows

    def _rows(self, connection: Connection, known: Known, arguments: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        values = [arguments[name] for name in self._arguments]
        formats = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in values]
        wire, transformer = connection.pgconn, known.get(self._name) or self._prepare(connection, known)
        given = transformer.dump_sequence(values, formats)
        if connection.prepare_threshold is None:
            wire.send_query_params(self._sent, given, None, transformer.formats, Format.BINARY)
        else:
            wire.send_query_prepared(self._name, given, transformer.formats, Format.BINARY)
        result = connection.wait(generators.execute(wire))[-1]
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, transformer.encoding)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        # it stays with the connection, and would keep the result in memory
        transformer.set_pgresult(None)
        return rows

    def _prepare(self, connection: Connection, known: Known) -> abc.Transformer:
        # a server between us and the database does not keep what is prepared
        if connection.prepare_threshold is not None:
            connection.pgconn.send_prepare(self._name, self._sent)
            result = connection.wait(generators.execute(connection.pgconn))[-1]
            if result.status != ExecStatus.COMMAND_OK:
                raise errors.error_from_result(result, connection.info.encoding)
        return known.setdefault(self._name, Transformer(connection))

    def _fail(self, lent: Lent, error: BaseException) -> None:
        """Give a connection back, if it is still of use, and raise the error of psycopg as SQLAlchemy does."""
        database, connection = self._database, lent.connection
        dialect: Any = database.engine.dialect
        if not isinstance(error, errors.Error):
            connection.invalidate()
            return
        lost = dialect.is_disconnect(error, lent.driver, None)
        if lost or error.sqlstate in STALE:
            connection.invalidate()
        else:
            database.hand.give_back(lent)
        if lost:
            # what has befallen this one has befallen the others
            database.close()
        raise exc.DBAPIError.instance(
            None, None, error, errors.Error, connection_invalidated=lost, dialect=dialect
        ) from error
