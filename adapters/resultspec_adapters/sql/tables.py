"""The tables: those that this package creates, and existing ones.

Names and columns are those of Celery's tables, so that either can read what the other stores. In the tables that are
created here, ids and states have a binary collation, values have room, dates have microseconds, and there are the
columns `group_id` and `parent_id`, which Celery does not use. An existing table is used as it is: members without a
column are left out, and a warning is logged once. Celery does not have the two tables of chords.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from resultspec_adapters.sql.database import Database
from resultspec_reference.errors import ImproperlyConfigured, OperationalError

logger: Final = logging.getLogger(__name__)

TASK_TABLE: Final = "celery_taskmeta"
TASK_SEQUENCE: Final = "task_id_sequence"
GROUP_TABLE: Final = "celery_tasksetmeta"
GROUP_SEQUENCE: Final = "taskset_id_sequence"
CHORD_TABLE: Final = "resultspec_chords"
PART_TABLE: Final = "resultspec_chord_parts"
ID_LENGTH: Final = 155

REQUIRED: Final = ("task_id", "status", "result", "date_done", "traceback")
"""The columns that a table of task metas must have: those of every release of Celery."""

REQUIRED_OF_GROUPS: Final = ("taskset_id", "result", "date_done")
"""The same for a table of groups."""

ADDED_COLUMNS: Final = ("group_id", "parent_id")
"""The columns that Celery's tables lack, without which a part of the meta is lost."""

EXTENDED_TEXT_COLUMNS: Final = ("name", "worker", "queue")
"""The columns of text for extended members. A text that does not fit never keeps a result from being stored."""

EXACT_COLLATIONS: Final = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
"""Collations of MariaDB and MySQL in which only identical texts are equal, trailing blanks included."""


PAUSES: Final = (0.0, 0.01, 0.1, 0.5)
"""Seconds before each attempt to find or to create the table."""


@dataclass(frozen=True)
class Shape:
    """What a table has to be like, and how it is created.

    `sequence` numbers the rows; it is empty if they have no numbers. `key` is the column of the ids, which is unique
    together with the columns `besides`. `holds` says what the rows are. `columns` returns all columns but the number,
    with a collation for MariaDB and MySQL. A table without the `required` columns cannot be used; without the `added`
    ones it loses a part of the meta.
    """

    name: str
    sequence: str
    key: str
    holds: str
    columns: Callable[[str | None], list[sa.Column[Any]]]
    required: tuple[str, ...]
    added: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()

    @property
    def unique(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return (*self.besides, self.key)


@dataclass(frozen=True)
class TableNames:
    """The names of the tables, and of the sequences that number the rows of tasks and groups."""

    task: str = TASK_TABLE
    task_sequence: str = TASK_SEQUENCE
    group: str = GROUP_TABLE
    group_sequence: str = GROUP_SEQUENCE
    chord: str = CHORD_TABLE
    part: str = PART_TABLE

    @classmethod
    def of(cls, prefix: str, given: Mapping[str, str]) -> "TableNames":
        """Return the names with a prefix; `given` can have other names for the tables `task` and `group`."""
        task, group = given.get("task", TASK_TABLE), given.get("group", GROUP_TABLE)
        names = task, TASK_SEQUENCE, group, GROUP_SEQUENCE, CHORD_TABLE, PART_TABLE
        return cls(*(prefix + name for name in names))

    @property
    def tasks(self) -> Shape:
        """The table of the tasks."""
        return Shape(self.task, self.task_sequence, "task_id", "task results", _task_columns, REQUIRED, ADDED_COLUMNS)

    @property
    def groups(self) -> Shape:
        """The table of the groups."""
        return Shape(self.group, self.group_sequence, "taskset_id", "groups", _group_columns, REQUIRED_OF_GROUPS)

    @property
    def chords(self) -> Shape:
        """The table of the ledgers of chords."""
        return Shape(self.chord, "", "group_id", "chords", _chord_columns, _names(_chord_columns))

    @property
    def parts(self) -> Shape:
        """The table of the parts that have returned."""
        columns = _names(_part_columns)
        return Shape(self.part, "", "task_id", "parts of chords", _part_columns, columns, besides=("group_id", "place"))


@dataclass(frozen=True)
class Layout:
    """A table as it was found.

    `key` is the column of the ids. `exact` says whether only identical ids are equal in the database. `number` numbers
    new rows; it is None if the database does that by itself. `id_length` is the largest number of characters of an id,
    `limits` that of extended members, where there is one.
    """

    table: sa.Table
    key: sa.Column[Any]
    exact: bool
    number: sa.Sequence | None
    id_length: int
    limits: Mapping[str, int]


@dataclass(frozen=True)
class _Types:
    """The types of columns, in each database."""

    id: sa.types.TypeEngine[Any]
    state: sa.types.TypeEngine[Any]
    text: sa.types.TypeEngine[Any]
    value: sa.types.TypeEngine[Any]
    date: sa.types.TypeEngine[Any]

    @classmethod
    def of(cls, collation: str | None) -> "_Types":
        text: dict[str, Any] = {"charset": "utf8mb4", "collation": collation}
        return cls(
            sa.String(ID_LENGTH).with_variant(mysql.VARCHAR(ID_LENGTH, **text), "mysql"),
            sa.String(50).with_variant(mysql.VARCHAR(50, **text), "mysql"),
            sa.Text().with_variant(mysql.LONGTEXT(**text), "mysql"),
            sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql"),
            sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"),
        )


def _task_columns(collation: str | None) -> list[sa.Column[Any]]:
    types = _Types.of(collation)
    return [
        sa.Column("task_id", types.id, nullable=False, unique=True),
        sa.Column("status", types.state),
        sa.Column("result", types.value),
        sa.Column("date_done", types.date, index=True),
        sa.Column("traceback", types.text),
        sa.Column("children", types.value),
        sa.Column("name", types.text),
        sa.Column("args", types.value),
        sa.Column("kwargs", types.value),
        sa.Column("worker", types.text),
        sa.Column("retries", sa.Integer),
        sa.Column("queue", types.text),
        sa.Column("stamps", types.value),
        sa.Column("group_id", types.text),
        sa.Column("parent_id", types.text),
    ]


def _group_columns(collation: str | None) -> list[sa.Column[Any]]:
    types = _Types.of(collation)
    return [
        sa.Column("taskset_id", types.id, nullable=False, unique=True),
        sa.Column("result", types.value),
        sa.Column("date_done", types.date, index=True),
    ]


def _chord_columns(collation: str | None) -> list[sa.Column[Any]]:
    types = _Types.of(collation)
    return [
        sa.Column("group_id", types.id, primary_key=True),
        sa.Column("size", sa.BigInteger),
        sa.Column("leaves", sa.BigInteger),
        sa.Column("header", types.value),
        sa.Column("run", types.id, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("returned", sa.BigInteger, nullable=False),
        sa.Column("claimant", types.id, nullable=False),
        sa.Column("held_until", sa.BigInteger, nullable=False),
        sa.Column("done", sa.SmallInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False, index=True),
    ]


def _part_columns(collation: str | None) -> list[sa.Column[Any]]:
    types = _Types.of(collation)
    return [
        sa.Column("group_id", types.id, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_id", types.id, primary_key=True),
        sa.Column("payload", types.value, nullable=False),
    ]


def _names(columns: Callable[[str | None], list[sa.Column[Any]]]) -> tuple[str, ...]:
    return tuple(column.name for column in columns(None))


def _own_table(shape: Shape, collation: str | None) -> sa.Table:
    if not shape.sequence:
        return sa.Table(shape.name, sa.MetaData(), *shape.columns(collation))
    number = sa.Sequence(shape.sequence)
    key = sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        number,
        server_default=number.next_value(),
        primary_key=True,
    )
    return sa.Table(shape.name, sa.MetaData(), key, *shape.columns(collation))


def prepare(database: Database, shape: Shape) -> Layout:
    """Return the layout of a table, which is created if it does not exist.

    Raises ImproperlyConfigured for a table that cannot be used, OperationalError if it cannot be created.
    """
    failure: OperationalError | None = None
    for pause in PAUSES:
        time.sleep(pause)
        found = _existing(database, shape)
        if found is not None:
            return found
        try:
            _create(database, shape)
        except OperationalError as error:
            # another process may be creating it at the same time
            failure = error
    found = _existing(database, shape)
    if found is None:
        raise failure or OperationalError(f"{database.shown}: table {shape.name} was created and does not exist")
    return found


def _existing(database: Database, shape: Shape) -> Layout | None:
    with database.connect() as connection:
        return _layout(connection, shape)


def _create(database: Database, shape: Shape) -> None:
    with database.connect() as connection:
        table = _own_table(shape, _collation(connection))
        if shape.sequence and not connection.dialect.supports_sequences:
            table.c.id.server_default = None
        if connection.dialect.name == "sqlite" and not sa.inspect(connection).get_table_names():
            # in a new file: readers and writers do not wait for each other, and a store costs one sync instead of three
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        table.create(connection, checkfirst=True)


def remove(database: Database, names: TableNames) -> None:
    """Drop the tables and their sequences, as far as they exist."""
    with database.connect() as connection:
        for shape in (names.tasks, names.groups, names.chords, names.parts):
            _own_table(shape, None).drop(connection, checkfirst=True)


def _collation(connection: sa.Connection) -> str | None:
    """Return the collation for ids in a new table of MariaDB or MySQL; None for other databases."""
    if connection.dialect.name != "mysql":
        return None
    known = sa.text("SELECT collation_name FROM information_schema.collations WHERE collation_name IN :names")
    found = set(connection.execute(known.bindparams(sa.bindparam("names", EXACT_COLLATIONS, expanding=True))).scalars())
    return next((name for name in EXACT_COLLATIONS if name in found), "utf8mb4_bin")


def _layout(connection: sa.Connection, shape: Shape) -> Layout | None:
    """Return the layout of the table if it exists. Raises ImproperlyConfigured if it cannot be used."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(shape.name):
        return None
    columns = {column["name"]: column for column in inspector.get_columns(shape.name)}
    missing = [name for name in shape.required if name not in columns]
    if missing:
        raise ImproperlyConfigured(
            f"table {shape.name} is not a table of {shape.holds}: it has no column {', '.join(missing)}; "
            "configure another name, or a prefix"
        )
    if not _is_unique(inspector, shape):
        raise ImproperlyConfigured(
            f"in table {shape.name} a {shape.key} may have several rows: make {' with '.join(shape.unique)} unique"
        )
    _warn_of_missing(shape.name, [name for name in shape.added if name not in columns])
    known = [column for column in shape.columns(None) if column.name in columns]
    number = [sa.Column("id", sa.BigInteger)] if "id" in columns else []
    table = sa.Table(shape.name, sa.MetaData(), *number, *known)
    return Layout(
        table=table,
        key=table.c[shape.key],
        exact=_is_exact(connection, shape),
        number=_number(connection, columns.get("id"), shape.sequence),
        id_length=_length(columns[shape.key]) or ID_LENGTH,
        limits={name: length for name in EXTENDED_TEXT_COLUMNS if (length := _length(columns.get(name)))},
    )


def _length(column: Mapping[str, Any] | None) -> int | None:
    """Return how many characters a column can hold; None for any number."""
    kind = None if column is None else column["type"]
    return kind.length if isinstance(kind, sa.String) and not isinstance(kind, sa.Text) else None


def _is_unique(inspector: sa.Inspector, shape: Shape) -> bool:
    table, wanted = shape.name, set(shape.unique)
    if set(inspector.get_pk_constraint(table)["constrained_columns"]) == wanted:
        return True
    if any(set(constraint["column_names"]) == wanted for constraint in inspector.get_unique_constraints(table)):
        return True
    return any(index["unique"] and set(index["column_names"]) == wanted for index in inspector.get_indexes(table))


def _is_exact(connection: sa.Connection, shape: Shape) -> bool:
    if connection.dialect.name != "mysql":
        return True
    asked = sa.text(
        "SELECT collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = :table AND column_name IN :unique"
        " AND collation_name IS NOT NULL"
    ).bindparams(sa.bindparam("unique", shape.unique, expanding=True))
    found = set(connection.execute(asked, {"table": shape.name}).scalars())
    return bool(found) and found.issubset(EXACT_COLLATIONS)


def _number(connection: sa.Connection, key: Mapping[str, Any] | None, sequence: str) -> sa.Sequence | None:
    """Return the sequence for new rows in tables that have no default for the number, such as Celery's."""
    if key is None or not sequence or not connection.dialect.supports_sequences or connection.dialect.name == "sqlite":
        return None
    if key.get("default") is not None or key.get("autoincrement") is True or key.get("identity"):
        return None
    found = sa.Sequence(sequence)
    found.create(connection, checkfirst=True)
    return found


def _warn_of_missing(table: str, missing: list[str]) -> None:
    if missing:
        cure = f"ALTER TABLE {table} " + ", ".join(f"ADD COLUMN {name} TEXT" for name in missing)
        logger.warning("table %s cannot store %s; to add the columns: %s", table, " and ".join(missing), cure)
