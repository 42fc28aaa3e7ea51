"""The short way to a PostgreSQL: psycopg by itself, on connections of SQLAlchemy's pool.

To store and to read one row, SQLAlchemy takes longer than psycopg and the server together: it makes a statement, a
context and a result anew for each. Here the text of a statement is made once, and a connection of the pool keeps its
cursor. What the drivers raise becomes what SQLAlchemy would have raised.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

CURSOR: Final = "resultspec cursor"
"""Where a connection of the pool keeps its cursor."""

LARGE: Final = 64 * 1024
"""Bytes from which on a value is not held by a cursor that is kept; nor are several rows."""


class Direct:
    """One statement, which is run with named arguments.

    ``text`` is what is sent; ``columns`` are the names of what a row has, in their order.
    """

    def __init__(self, engine: sa.Engine, statement: Any) -> None:
        self._engine = engine
        self.text: Final = str(statement.compile(dialect=engine.dialect))
        self.columns: Final = tuple(column.name for column in getattr(statement, "selected_columns", ()))

    def run(self, arguments: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows. Raises DBAPIError, or TimeoutError of SQLAlchemy if no connection of the pool is free."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.info.get(CURSOR)
            if cursor is None:
                cursor = connection.info[CURSOR] = connection.cursor()
            rows: Sequence[Sequence[Any]] = cursor.execute(self.text, arguments).fetchall()
        except BaseException as error:
            self._fail(connection, error)
            raise
        if len(rows) > 1 or any(map(_is_large, (*arguments.values(), *(rows[0] if rows else ())))):
            connection.info.pop(CURSOR).close()
        connection.close()
        return rows

    def _fail(self, connection: Any, error: BaseException) -> None:
        """Give the connection back, if it is still of use, and raise the error of a driver as SQLAlchemy does."""
        dialect: Any = self._engine.dialect
        if not isinstance(error, dialect.loaded_dbapi.Error):
            connection.invalidate()
            return
        lost = dialect.is_disconnect(error, connection.driver_connection, None)
        if lost:
            connection.invalidate()
            # what has befallen this one has befallen the others
            self._engine.dispose()
        else:
            connection.close()
        raise exc.DBAPIError.instance(
            None, None, error, dialect.loaded_dbapi.Error, connection_invalidated=lost, dialect=dialect
        ) from error


def _is_large(value: object) -> bool:
    return isinstance(value, (bytes, str)) and len(value) > LARGE
