"""How rows are removed whose life is over: a bounded number at a time, each on condition that it still is."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.tables import Layout

BATCH: Final = 500
"""How many rows are removed at most before others have their turn."""


def remove_batch(
    database: Database, layout: Layout, oldest: datetime, states: Collection[str] | None = None
) -> tuple[Any, ...]:
    """Remove rows dated before ``oldest``, in UTC without zone, that are in one of the states if there are such.

    Returns what the rows are known by, at most `BATCH`. Somebody else may have removed or replaced some of them
    meanwhile: what was replaced has another date, and stays.
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
    # the collation of a table that somebody else made may fold the state of a running task into a ready one
    return sa.cast(status, sa.LargeBinary).in_([state.encode() for state in sorted(states)])
