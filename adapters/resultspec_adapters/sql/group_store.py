"""The table of the groups: each has a row, with its result tuple in the serializer and the instant of saving.

Up to Celery 5.6 a row holds a pickled result object; it is read where pickle is accepted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.rows import RowCodec, require_id
from resultspec_adapters.sql.statements import Row
from resultspec_adapters.sql.tables import Layout, Shape, prepare
from resultspec_reference.entries import groups
from resultspec_reference.entries.result_tuples import is_result_object, to_stored
from resultspec_reference.entries.unreadable import naming
from resultspec_reference.errors import DecodeError

WRITTEN: Final = ("taskset_id", "result", "date_done")


@dataclass(frozen=True)
class _Statements:
    layout: Layout
    read: sa.Select[Any]
    save: sa.Executable
    delete: sa.Delete


def _statements(layout: Layout, dialect: str) -> _Statements:
    of_group = layout.key == sa.bindparam("of_group", type_=sa.String())
    return _Statements(
        layout,
        sa.select(layout.table).where(of_group),
        _save(layout, dialect),
        sa.delete(layout.table).where(of_group),
    )


def _save(layout: Layout, dialect: str) -> sa.Executable:
    """Return the one statement that saves a group or replaces it whole (GROUP-5, GROUP-7)."""
    table = layout.table
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in WRITTEN}
    if layout.number is not None:
        values["id"] = layout.number.next_value()
    if dialect == "mysql":
        insert = mysql.insert(table).values(values)
        # in a table that was not created here, the collation may make different ids equal
        same = sa.cast(layout.key, sa.LargeBinary) == sa.cast(insert.inserted[layout.key.name], sa.LargeBinary)
        replaced = [(name, sa.func.if_(same, insert.inserted[name], table.c[name])) for name in WRITTEN[1:]]
        return insert.on_duplicate_key_update(replaced)
    upsert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table).values(values)
    replacing = {name: upsert.excluded[name] for name in WRITTEN[1:]}
    saved: sa.Executable = upsert.on_conflict_do_update(index_elements=[layout.key], set_=replacing)
    return saved


class GroupTable:
    """The table of the groups, in the required shape. `dialect` is a name of SQLAlchemy's.

    Reading and writing raise ValueError for an id that is too long for its column, and the errors of `Database.errors`.
    """

    def __init__(self, database: Database, shape: Shape, dialect: str, rows: RowCodec) -> None:
        self._database = database
        self._shape = shape
        self._dialect = dialect
        self._rows = rows

    def save(self, group_id: str, payload: bytes) -> None:
        """Store an encoded result tuple as the row of a group. Raises ValueError if the row is that of another id."""
        known = self._prepared(group_id)
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._database.connect() as connection:
            connection.execute(known.save, {"new_taskset_id": group_id, "new_result": payload, "new_date_done": now})
            if not known.layout.exact:
                self._require_own(connection, known, group_id)

    def restore(self, group_id: str) -> dict[str, Any] | None:
        """Return the entry of a group, with the instant of saving if it has one, or None.

        Raises DecodeError, and ContentDisallowed for a pickle that is not accepted, with the id of the group.
        """
        known = self._prepared(group_id)
        with self._database.connect() as connection, naming(group_id, "group"), self._database.errors():
            try:
                row = _own(self._row(connection, known, group_id), group_id)
            except (ValueError, TypeError, LookupError) as error:
                raise DecodeError(f"a column holds a value of the wrong type: {error}") from error
            return None if row is None else self._entry(row)

    def delete(self, group_id: str) -> None:
        """Remove the row of a group, which may be absent."""
        known = self._prepared(group_id)
        with self._database.connect() as connection:
            if known.layout.exact:
                connection.execute(known.delete, {"of_group": group_id})
                return
            found = _own(self._row(connection, known, group_id), group_id)
            if found is not None:
                table = known.layout.table
                connection.execute(sa.delete(table).where(table.c.id == found["id"]))

    def layout(self) -> Layout:
        """Return the layout of the table, which is created if necessary. Raises what `prepare` raises."""
        return self._known().layout

    def forget_layout(self) -> None:
        """Forget the layout of the table: it is inspected again at the next use."""
        self._database.statements.get().pop(self._shape, None)

    def _known(self) -> _Statements:
        known = self._database.statements.get()
        found: _Statements | None = known.get(self._shape)
        if found is None:
            found = known.setdefault(self._shape, _statements(prepare(self._database, self._shape), self._dialect))
        return found

    def _prepared(self, group_id: str) -> _Statements:
        found = self._known()
        require_id(found.layout, "group id", group_id)
        return found

    @staticmethod
    def _row(connection: sa.Connection, known: _Statements, group_id: str) -> Row | None:
        found = connection.execute(known.read, {"of_group": group_id}).mappings().first()
        return None if found is None else dict(found)

    def _require_own(self, connection: sa.Connection, known: _Statements, group_id: str) -> None:
        found = self._row(connection, known, group_id)
        if found is not None and _own(found, group_id) is None:
            raise ValueError(
                f"the collation of table {self._shape.name} makes {group_id!r} equal to {found['taskset_id']!r}; "
                "give the column taskset_id a binary collation without padding"
            )

    def _entry(self, row: Row) -> dict[str, Any]:
        stored = self._rows.value(row["result"])
        try:
            entry = groups.from_entry({"result": to_stored(stored) if is_result_object(stored) else stored})
        except RecursionError:
            raise DecodeError("the group is nested too deep") from None
        date = row["date_done"]
        return entry if date is None else {**entry, "date_done": date.replace(tzinfo=UTC).isoformat()}


def _own(row: Row | None, group_id: str) -> Row | None:
    """Return a row if it is that of the group: the collation may make different ids equal."""
    return row if row is not None and row["taskset_id"] == group_id else None
