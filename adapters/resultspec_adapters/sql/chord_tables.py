"""The two tables of chords, and the statements on them.

A chord has one row, its ledger, which counts the parts that have returned; each part has a row of its own. Every
transaction locks the ledger before it touches parts, so there are no deadlocks. Times are milliseconds since 1970, by
the clock of the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.fast_paths import FastPaths
from resultspec_adapters.sql.tables import Layout
from resultspec_reference.chords.ledger import is_full
from resultspec_reference.errors import DecodeError

NOWHERE: Final = 2**63 - 1
"""The place of a part without one: after all others."""

BLANK: Final[Mapping[str, Any]] = {
    "size": None,
    "leaves": None,
    "header": None,
    "run": "",
    "added": 0,
    "returned": 0,
    "claimant": "",
    "held_until": 0,
    "done": 0,
}
"""A ledger of which nothing is known."""

_CLOCKS: Final = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    # the time at which the statement began; it does not depend on the time zone
    "mysql": "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6)) DIV 1000",
}

_READ: Final = ("size", "leaves", "run", "added", "returned", "claimant", "held_until", "done", "expires")
"""The columns that each step reads. The header is not among them: it may be as large as the chord."""


class Counted(NamedTuple):
    """The counters of a ledger after one more part."""

    size: int | None
    leaves: int | None
    added: int
    returned: int


@dataclass(frozen=True)
class Found:
    """A ledger as it was found and locked, at `now`. An expired one is blank, and not `live`.

    `kept` is the number of its parts that have a row, those of an expired ledger included.
    """

    size: int | None = None
    leaves: int | None = None
    run: str = ""
    added: int = 0
    returned: int = 0
    claimant: str = ""
    held_until: int = 0
    done: bool = False
    live: bool = False
    kept: int = 0
    now: int = 0

    def is_full(self, hint: int | None) -> bool:
        """Whether all parts have returned; `hint` is the size that came with the signature of the body."""
        return is_full(self.returned, (self.size, hint, self.leaves), self.added)


def found(group_id: str, row: Mapping[str, Any]) -> Found:
    """Return the ledger in a row. Raises DecodeError for a row in an unknown format."""
    known = dict(row)
    now, expires = known.pop("now"), known.pop("expires")
    numbers = [expires, *(known[name] for name in ("added", "returned", "held_until", "done"))]
    sizes = [known[name] for name in ("size", "leaves") if known[name] is not None]
    texts = [known["run"], known["claimant"]]
    if not all(isinstance(value, int) for value in numbers + sizes) or not all(isinstance(text, str) for text in texts):
        raise DecodeError(f"unknown chord layout of group {group_id!r}: a column holds a value of the wrong type")
    if expires <= now:
        return Found(kept=known["returned"], now=now)
    return Found(**{**known, "done": bool(known["done"])}, live=True, kept=known["returned"], now=now)


class ChordStatements:
    """The statements for the tables as they are. `dialect` is a name of SQLAlchemy's.

    Their arguments are `of_group` and, where they renew the life of a ledger, `life` in milliseconds from now.
    """

    def __init__(self, chords: Layout, parts: Layout, dialect: str, database: Database) -> None:
        self.chords = chords
        self.parts = parts
        self.fast_paths: Final = FastPaths(database)
        self._dialect = dialect
        self.clock: Final[sa.ColumnElement[int]] = sa.literal_column(_CLOCKS[dialect], sa.BigInteger())
        self._end: Final = self.clock + sa.bindparam("life", type_=sa.BigInteger())
        ledger, part, of_group = chords.table.c, parts.table.c, sa.bindparam("of_group", type_=sa.String())
        self._own = ledger.group_id == of_group
        self.lock: Final = (
            sa.select(*(ledger[name] for name in _READ), self.clock.label("now")).where(self._own).with_for_update()
        )
        self.header: Final = sa.select(ledger.header).where(self._own)
        self.payloads: Final = (
            sa.select(part.payload).where(part.group_id == of_group).order_by(part.place, part.task_id)
        )
        self.clear: Final = sa.delete(parts.table).where(part.group_id == of_group)
        self.make: Final = self._put({**BLANK, "expires": 0}, ["group_id"])
        self.open: Final = self._put(
            {
                **BLANK,
                "leaves": sa.bindparam("leaves", type_=sa.BigInteger()),
                "header": sa.bindparam("header", type_=sa.LargeBinary()),
                "expires": self._end,
            },
            [*BLANK, "expires"],
        )
        self.keep: Final = self._keep()
        self.count: Final = self._count() if dialect == "postgresql" else None

    def change(self, **columns: Any) -> sa.Update:
        """Return the statement that changes columns of a ledger, and renews its life."""
        return sa.update(self.chords.table).where(self._own).values(**columns, expires=self._end)

    def over(self, most: int) -> sa.Select[Any]:
        """Return the statement that finds at most `most` expired ledgers, and how many parts each has counted."""
        ledger = self.chords.table.c
        over = sa.select(ledger.group_id, ledger.returned).where(ledger.expires <= self.clock)
        return over.order_by(ledger.expires).limit(most)

    def lock_over(self, group_ids: Sequence[str]) -> sa.Select[Any]:
        """Return the statement that locks those of some ledgers that are still expired."""
        ledger = self.chords.table.c
        over = sa.select(ledger.group_id).where(ledger.group_id.in_(group_ids), ledger.expires <= self.clock)
        return over.order_by(ledger.group_id).with_for_update()

    def remove(self, group_ids: Sequence[str]) -> list[sa.Delete]:
        """Return the statements that remove locked ledgers, and their parts."""
        return [
            sa.delete(layout.table).where(layout.table.c.group_id.in_(group_ids))
            for layout in (self.chords, self.parts)
        ]

    def _put(self, values: Mapping[str, Any], replaced: Sequence[str]) -> sa.Executable:
        """Return the statement that inserts a ledger, or locks the existing one and replaces columns of it."""
        table = self.chords.table
        given = {"group_id": sa.bindparam("of_group", type_=sa.String()), **values}
        if self._dialect == "mysql":
            insert = mysql.insert(table).values(given)
            return insert.on_duplicate_key_update([(name, insert.inserted[name]) for name in replaced])
        upsert: Any = (sqlite if self._dialect == "sqlite" else postgresql).insert(table).values(given)
        put: sa.Executable = upsert.on_conflict_do_update(
            index_elements=[table.c.group_id], set_={name: upsert.excluded[name] for name in replaced}
        )
        return put

    def _part(self) -> dict[str, sa.BindParameter[Any]]:
        columns = self.parts.table.c
        return {name: sa.bindparam(f"new_{name}", type_=columns[name].type) for name in ("place", "task_id", "payload")}

    def _keep(self) -> sa.Executable:
        """Return the statement that inserts a part unless it exists; the row count says which of the two happened."""
        table = self.parts.table
        given = {"group_id": sa.bindparam("of_group", type_=sa.String()), **self._part()}
        kept: Any
        if self._dialect == "mysql":
            # a duplicate is all that it can ignore: the other columns were checked
            kept = mysql.insert(table).values(given).prefix_with("IGNORE")
        else:
            upsert: Any = (sqlite if self._dialect == "sqlite" else postgresql).insert(table)
            kept = upsert.values(given).on_conflict_do_nothing()
        statement: sa.Executable = kept.execution_options(preserve_rowcount=True)
        return statement

    def _count(self) -> sa.Executable:
        """Return the statement of PostgreSQL that counts a part of a chord which is known and not decided.

        It locks the ledger, inserts the part, counts it, and returns the counters (see `Counted`). If the ledger is
        absent, expired or decided, it returns no row.
        """
        table, parts = self.chords.table, self.parts.table
        counts = sa.and_(self._own, table.c.expires > self.clock, table.c.done == sa.literal_column("0"))
        ledger = sa.select(table.c.group_id).where(counts).with_for_update().cte("ledger")
        columns = self._part()
        kept = (
            postgresql.insert(parts)
            .from_select(["group_id", *columns], sa.select(ledger.c.group_id, *columns.values()))
            .on_conflict_do_nothing()
            .returning(sa.literal_column("1").label("one"))
            .cte("kept")
        )
        risen = table.c.returned + sa.select(sa.func.count()).select_from(kept).scalar_subquery()
        return (
            sa.update(table)
            .where(table.c.group_id == ledger.c.group_id)
            .values(returned=risen, expires=self._end)
            .returning(*(table.c[name] for name in Counted._fields))
        )
