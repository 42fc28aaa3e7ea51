"""The removal of expired rows: in batches, each row on condition that it is still expired."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.tables import Layout

BATCH: Final = 500
"""How many rows are removed at most by one statement."""


def remove_batch(
    database: Database, layout: Layout, oldest: datetime, states: Collection[str] | None = None
) -> tuple[Any, ...]:
    """Remove rows dated before `oldest`, in UTC without a zone, and in one of the states, if any are given.

    Returns the numbers or ids of the rows, at most `BATCH`. A row that another client has replaced in the meantime has
    a new date, and stays.
    """
    table = layout.table
    number = table.c.id if "id" in table.c else layout.key
    over = table.c.date_done < oldest
    if states is not None:
        over = sa.and_(over, _is_in(database, table.c.status, states))
    some = sa.select(number).where(over).order_by(table.c.date_done).limit(BATCH)
    with database.connect() as connection:
        found = tuple(sorted(connection.execute(some).scalars()))
        if found:
            connection.execute(sa.delete(table).where(number.in_(found), over))
    return found


def _is_in(database: Database, status: sa.Column[Any], states: Collection[str]) -> sa.ColumnElement[bool]:
    if database.kind not in ("mysql", "mariadb"):
        return status.in_(sorted(states))
    # in a table that was not created here, the collation may make the state of a running task equal to a ready one
    return sa.cast(status, sa.LargeBinary).in_([state.encode() for state in sorted(states)])
