"""The ledgers of chords in two tables: each step of `resultspec_reference.chords.ledger` is one transaction.

A step locks the row of its chord, reads it, and writes. The row has a counter of the parts, which is incremented in the
transaction that stores a part; on PostgreSQL both are one statement. So the parts of one chord are counted one after
the other, at the cost of one commit each, however many there are. Chords do not wait for each other.

Each ledger has an expiry time, by the clock of the database, which every part renews. An expired ledger counts as
absent. Parts are removed together with their ledger.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import NoneType
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa

from resultspec_adapters.sql.chord_tables import BLANK, NOWHERE, ChordStatements, Counted, Found, found
from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.errors import NothingDone
from resultspec_adapters.sql.rows import require_id
from resultspec_adapters.sql.tables import Layout, Shape, TableNames, prepare
from resultspec_reference.chords.ledger import Claim, Claimed, Part, Recorded, is_full
from resultspec_reference.errors import DecodeError, ImproperlyConfigured

T = TypeVar("T")

BATCH: Final = 500
"""How many chords are removed at most in one transaction."""

BATCH_OF_PARTS: Final = 5000
"""How many parts, not counting those of the last chord of the batch."""


class Run(Protocol):
    """Performs a step. Retries it if it had no effect, and with `repeat` also if that is unknown."""

    def __call__(self, action: Callable[[], T], repeat: bool = True) -> T: ...  # noqa: D102


class ChordTables:
    """The tables of chords. `dialect` is a name of SQLAlchemy's."""

    def __init__(self, database: Database, names: TableNames, dialect: str) -> None:
        self.database = database
        self._shapes = names.chords, names.parts
        self._dialect = dialect

    def known(self) -> ChordStatements:
        """Return the statements for the tables, which are created if necessary. Raises what `prepare` raises."""
        known = self.database.statements.get()
        statements: ChordStatements | None = known.get(self._shapes)
        if statements is None:
            chords, parts = (self._prepared(shape) for shape in self._shapes)
            statements = known.setdefault(self._shapes, ChordStatements(chords, parts, self._dialect, self.database))
        return statements

    def forget_layout(self) -> None:
        """Forget the layout of the tables: they are inspected again at the next use."""
        self.database.statements.get().pop(self._shapes, None)

    def _prepared(self, shape: Shape) -> Layout:
        layout = prepare(self.database, shape)
        if not layout.exact:
            raise ImproperlyConfigured(
                f"table {shape.name}: the columns of the ids need a binary collation without padding, "
                "which MariaDB has since 10.2 and MySQL since 8.0.17"
            )
        return layout

    def remove_over(self) -> tuple[str, ...]:
        """Remove a batch of expired chords, and their parts; return the ids of those that were found.

        A chord that another client has started again in the meantime stays.
        """
        known = self.known()
        with self.database.connect() as connection:
            rows = connection.execute(known.over(BATCH)).all()
        batch: list[str] = []
        counted = 0
        for group_id, returned in rows:
            if counted >= BATCH_OF_PARTS:
                break
            batch.append(group_id)
            counted += returned
        if batch:
            with self.database.transaction() as connection:
                over = connection.execute(known.lock_over(sorted(batch))).scalars().all()
                for statement in known.remove(over) if over else ():
                    connection.execute(statement)
        return tuple(batch)


class SqlChordStore:
    """The steps of a ledger (`resultspec_reference.chords.ledger.ChordStore`); lives are in seconds.

    Raises ValueError for an id that does not fit its column, DecodeError for a row in an unknown format, and the errors
    that `Database.errors` lists.
    """

    def __init__(self, tables: ChordTables, run: Run, life: float, life_of_mark: float) -> None:
        self._tables = tables
        self._run = run
        self._life = _milliseconds(life)
        self._life_of_mark = _milliseconds(life_of_mark)

    def open(self, group_id: str, leaves: int, header: bytes | None) -> None:
        """Begin a run."""

        def begin() -> None:
            known = self._known(group_id)
            with self._tables.database.transaction() as connection:
                given = {"of_group": group_id, "leaves": leaves, "header": header, "life": self._life}
                connection.execute(known.open, given)
                connection.execute(known.clear, {"of_group": group_id})

        self._run(begin)

    def resize(self, group_id: str, size: int, run: str) -> None:
        """Set the number of parts."""
        _require_number("size of a chord", size)

        def resized(step: "_Step") -> None:
            if step.ledger.run == run:
                return
            if step.ledger.done or step.ledger.size is not None:
                step.forget()
            step.change(size=size, run=run)

        self._step(group_id, resized)

    def add(self, group_id: str, count: int) -> None:
        """Let there be more parts. Retried only if it certainly had no effect."""

        def added(step: "_Step") -> None:
            if not step.ledger.done:
                step.change(added=step.ledger.added + count)

        self._step(group_id, added, repeat=False)

    def record(self, group_id: str, part: Part, hint: int | None) -> Recorded:
        """Count a part, at a cost that does not depend on their number."""
        place = NOWHERE if part.index is None else part.index
        _require_number("group index", place)
        given = {"new_place": place, "new_task_id": part.task_id, "new_payload": part.payload}

        def recorded(step: "_Step") -> Recorded:
            if step.ledger.done:
                return Recorded.DONE
            return _answer(step.record(given).is_full(hint))

        def at_once() -> Recorded:
            known = self._known(group_id)
            require_id(known.parts, "task id", part.task_id)
            counted = self._counted(known, {"of_group": group_id, "life": self._life, **given})
            if counted is not None:
                return _answer(is_full(counted.returned, (counted.size, hint, counted.leaves), counted.added))
            return self._once(group_id, recorded)

        return self._run(at_once)

    def _counted(self, known: ChordStatements, given: Mapping[str, Any]) -> Counted | None:
        """Count a part by one statement, if the database can and the chord is known and open; else return None."""
        if known.count is None:
            return None
        fast_path = known.fast_paths.of(known.count)
        rows: Iterable[Iterable[Any]]
        if fast_path is not None:
            rows = fast_path.run(given)
        else:
            with self._tables.database.connect() as connection:
                rows = connection.execute(known.count, given).all()
        return next((Counted(*row) for row in rows), None)

    def claim(self, group_id: str, token: str, lease: float, hint: int | None) -> Claim:
        """Claim the decision."""

        def claimed(step: "_Step") -> Claim:
            ledger = step.ledger
            if ledger.done:
                return Claim(Claimed.DONE)
            if not ledger.is_full(hint):
                return Claim(Claimed.OPEN)
            if ledger.claimant not in ("", token) and ledger.now < ledger.held_until:
                return Claim(Claimed.HELD, seconds=(ledger.held_until - ledger.now) / 1000)
            return step.claim(token, _milliseconds(lease))

        return self._step(group_id, claimed)

    def finish(self, group_id: str, token: str) -> bool:
        """Mark the chord as decided."""

        def finished(step: "_Step") -> bool:
            if step.ledger.claimant != token:
                return False
            if not step.ledger.done:
                step.forget()
                step.change(self._life_of_mark, claimant=token, done=1)
            return True

        return self._step(group_id, finished)

    # -- one transaction -----------------------------------------------------------------------

    def _known(self, group_id: str) -> ChordStatements:
        known = self._tables.known()
        require_id(known.chords, "group id", group_id)
        return known

    def _step(self, group_id: str, act: Callable[["_Step"], T], repeat: bool = True) -> T:
        return self._run(lambda: self._once(group_id, act), repeat)

    def _once(self, group_id: str, act: Callable[["_Step"], T]) -> T:
        """Perform a step on a locked ledger, which is created if it does not exist; return its result."""
        known = self._known(group_id)
        for is_made in (True, False):
            with self._tables.database.transaction() as connection:
                if not is_made:
                    connection.execute(known.make, {"of_group": group_id})
                row = connection.execute(known.lock, {"of_group": group_id}).mappings().first()
                if row is not None:
                    return act(_Step(connection, known, group_id, found(group_id, dict(row)), self._life))
        raise NothingDone(f"the row of chord {group_id!r} was created and does not exist")


class _Step:
    """A locked ledger, and what a step does with it. `life` is in milliseconds."""

    def __init__(
        self, connection: sa.Connection, known: ChordStatements, group_id: str, ledger: Found, life: int
    ) -> None:
        self.ledger = ledger
        self._connection = connection
        self._known = known
        self._group_id = group_id
        self._life = life
        self._reset: Mapping[str, Any] = {}

    def _execute(self, statement: sa.Executable, **given: Any) -> sa.CursorResult[Any]:
        return self._connection.execute(statement, {"of_group": self._group_id, **given})

    def forget(self) -> None:
        """Forget everything about the chord. A change has to follow."""
        if self.ledger.kept:
            self._execute(self._known.clear)
        self.ledger, self._reset = Found(live=True, now=self.ledger.now), BLANK

    def change(self, life: int | None = None, **columns: Any) -> None:
        """Change columns of the ledger, and renew its life: the usual one, unless another is given."""
        if not self.ledger.live:
            self.forget()
        self._execute(self._known.change(**{**self._reset, **columns}), life=self._life if life is None else life)

    def record(self, given: Mapping[str, Any]) -> Found:
        """Store a part and count it, unless it is already stored; return the ledger afterwards."""
        if not self.ledger.live:
            self.forget()
        count = self._execute(self._known.keep, **given).rowcount
        returned = self.ledger.returned + count
        self.change(returned=returned)
        return replace(self.ledger, returned=returned)

    def claim(self, token: str, lease: int) -> Claim:
        """Grant the decision for `lease` milliseconds. Raises DecodeError for parts that are not bytes."""
        self.change(claimant=token, held_until=self._known.clock + lease)
        payloads = self._execute(self._known.payloads).scalars().all()
        header = self._execute(self._known.header).scalar()
        if not all(isinstance(found, bytes) for found in payloads) or not isinstance(header, (bytes, NoneType)):
            raise DecodeError(f"unknown chord layout of group {self._group_id!r}: a column does not hold bytes")
        return Claim(Claimed.GRANTED, payloads, header)


def _answer(full: bool) -> Recorded:
    return Recorded.FULL if full else Recorded.COUNTED


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _require_number(name: str, value: object) -> None:
    """Raise ValueError for a value that does not fit a column of integers."""
    if not isinstance(value, int) or abs(value) > NOWHERE:
        raise ValueError(f"a {name} is an integer of at most 64 bits, not {value!r}")
