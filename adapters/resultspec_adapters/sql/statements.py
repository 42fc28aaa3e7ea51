"""The statements that read a row, remove it, and store it, with the guard in the same statement.

Storing is one statement, in which the database compares the stored state with those that are to be kept
(`resultspec_reference.state_guard.Guard.kept`). No other writer can come in between, and a refused row leaves no trace.
"""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.fast_paths import FastPaths
from resultspec_adapters.sql.tables import REQUIRED, Layout

logger: Final = logging.getLogger(__name__)

Row = Mapping[str, Any]
"""A row by the names of its columns."""


def channel(table: str, task_id: str) -> str:
    """Return the name of the PostgreSQL channel for changes of a task.

    Names are limited to 63 bytes, so this one is a hash of the name of the table, a blank, and the id.
    """
    return "resultspec_" + hashlib.sha256(f"{table} {task_id}".encode()).hexdigest()[:40]


class Statements:
    """The statements for one table, each of which is made once. `dialect` is a name of SQLAlchemy's."""

    def __init__(self, layout: Layout, dialect: str, database: Database) -> None:
        table, task_id = layout.table, sa.bindparam("of_task", type_=sa.String())
        # the columns that every table has come first: see `Found`
        rest = [column for column in table.c if column.name not in (*REQUIRED, "id")]
        columns = [*(table.c[name] for name in REQUIRED), *rest]
        self.layout = layout
        self.fast_paths: Final = FastPaths(database)
        self.columns: Final = tuple(column.name for column in columns)
        self.read: Final = sa.select(*columns).where(table.c.task_id == task_id)
        self.read_many: Final = sa.select(*columns).where(_one_of(table.c.task_id, dialect))
        self._number: Final = table.c.id if "id" in table.c else layout.key
        self.number: Final = sa.select(self._number.label("number"), table.c.task_id).where(table.c.task_id == task_id)
        self.forget: Final = sa.delete(table).where(table.c.task_id == task_id)
        self._dialect = dialect
        self._columns = frozenset(table.c.keys())
        self._stores: dict[tuple[frozenset[str], bool, frozenset[str]], sa.Executable] = {}

    def forget_number(self, number: Any) -> sa.Delete:
        """Return the statement that removes a row by its number, or by its id where rows have none."""
        return sa.delete(self.layout.table).where(self._number == number)

    def store(self, kept: frozenset[str], notify: bool, given: frozenset[str]) -> sa.Executable:
        """Return the statement that stores a row, unless the stored one is in a state that is to be kept.

        It takes the `arguments` with the names in `given`. With `notify` it notifies the waiters, if the database can.
        """
        key = (kept, notify, given)
        if key not in self._stores:
            self._stores[key] = _store(self.layout, self._dialect, kept, notify, given)
        return self._stores[key]

    def arguments(self, row: Row) -> dict[str, Any]:
        """Return the arguments of the statement that stores a row. Null is part of the statement itself."""
        arguments = {}
        if self._dialect == "postgresql":
            arguments["channel"] = channel(self.layout.table.name, row["task_id"])
        for name, value in row.items():
            if name in self._columns:
                arguments[f"new_{name}"] = self._fitting(name, value)
        return arguments

    def _fitting(self, name: str, value: Any) -> Any:
        """Return a value, or null for an extended member that is too long for its column (EXT-4)."""
        limit = self.layout.limits.get(name)
        if limit is None or len(value) <= limit:
            return value
        logger.warning("%.200r is too long for column %s of table %s", value, name, self.layout.table.name)
        return None


def _one_of(column: sa.Column[Any], dialect: str) -> Any:
    """Return the condition that a text is one of many: an array where the database has them, else a list."""
    if dialect == "postgresql":
        return column == sa.any_(sa.bindparam("of_tasks", type_=postgresql.ARRAY(sa.String())))
    return column.in_(sa.bindparam("of_tasks", type_=sa.String(), expanding=True))


def _store(layout: Layout, dialect: str, kept: frozenset[str], notify: bool, given: frozenset[str]) -> Any:
    names = [column.name for column in layout.table.c if column.name != "id"]
    values: dict[str, Any] = {
        name: sa.bindparam(f"new_{name}", type_=layout.table.c[name].type) if f"new_{name}" in given else sa.null()
        for name in names
    }
    if layout.number is not None:
        values["id"] = layout.number.next_value()
    if dialect == "mysql":
        return _on_duplicate(mysql.insert(layout.table).values(values), layout.table, names, kept)
    if dialect == "sqlite":
        return _on_conflict(sqlite.insert(layout.table).values(values), layout.table, names, kept)
    stored = _on_conflict(postgresql.insert(layout.table).values(values), layout.table, names, kept)
    stored = stored.returning(sa.literal_column("1").label("done"))
    if not notify:
        return stored
    done = stored.cte("stored")
    notification = sa.func.pg_notify(sa.bindparam("channel", type_=sa.String()), sa.literal_column("''"))
    return sa.select(notification).select_from(done)


def _on_conflict(insert: Any, table: sa.Table, names: list[str], kept: frozenset[str]) -> Any:
    # literals: with a list of parameters, SQLAlchemy would compile the statement again for each store
    states: list[Any] = [sa.literal_column(f"'{name}'") for name in sorted(kept)]
    replaced = sa.or_(table.c.status.is_(None), table.c.status.not_in(states)) if kept else None
    return insert.on_conflict_do_update(
        index_elements=[table.c.task_id],
        set_={name: insert.excluded[name] for name in names if name != "task_id"},
        where=replaced,
    )


def _on_duplicate(insert: Any, table: sa.Table, names: list[str], kept: frozenset[str]) -> Any:
    """Return the statement for MariaDB and MySQL, where a condition is possible only for each single column.

    The status is assigned last, since later conditions see the new value. Texts are compared as bytes: in a table that
    was not created here, the collation may make different ones equal.
    """
    same = sa.cast(table.c.task_id, sa.LargeBinary) == sa.cast(insert.inserted.task_id, sa.LargeBinary)
    state = sa.cast(table.c.status, sa.LargeBinary)
    kept_bytes = [name.encode() for name in sorted(kept)]
    allowed = sa.and_(same, sa.or_(table.c.status.is_(None), state.not_in(kept_bytes))) if kept else same
    others = [name for name in names if name not in ("task_id", "status")]
    pairs = [(name, sa.func.if_(allowed, insert.inserted[name], table.c[name])) for name in [*others, "status"]]
    return insert.on_duplicate_key_update(pairs)
