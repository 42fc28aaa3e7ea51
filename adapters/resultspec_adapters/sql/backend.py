"""The backend over the tables of a database."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from resultspec_adapters.sql.chord_store import ChordTables, SqlChordStore
from resultspec_adapters.sql.cleanup import remove_batch
from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.errors import NothingDone, TablesChanged
from resultspec_adapters.sql.group_store import GroupTable
from resultspec_adapters.sql.join_watches import CountedJoin, NotifiedJoin, PolledJoin
from resultspec_adapters.sql.rows import Found, RowCodec, found_by_id, require_id, text
from resultspec_adapters.sql.statements import Statements, channel
from resultspec_adapters.sql.tables import TableNames, prepare, remove
from resultspec_adapters.sql.wait_watches import CountedWatch, NotifiedWatch
from resultspec_reference import expiry
from resultspec_reference.app import AppProtocol, setting
from resultspec_reference.chords.ledger import life_of_bookkeeping, life_of_mark
from resultspec_reference.entries import exceptions, meta
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.entries.unreadable import UNREADABLE, named, naming
from resultspec_reference.errors import BackendError, DecodeError, OperationalError
from resultspec_reference.joining.backend import JoiningBackend
from resultspec_reference.joining.loop import JoinAnswer
from resultspec_reference.retry import with_retries
from resultspec_reference.state_guard import Guard
from resultspec_reference.states import READY_STATES, is_ready
from resultspec_reference.waiting.loop import PollingWatch, Watch

T = TypeVar("T")

POLL_INTERVAL: Final = 0.1
"""Seconds between two reads of a waiter, where the database does not notify of changes."""

NOTIFIED_REREAD_INTERVAL: Final = 1.0
"""The same where it does notify, since a foreign writer may not."""


WRONG_TYPE: Final = (ValueError, TypeError, LookupError)
"""What drivers raise for a column that holds a value of the wrong type."""


def _of_wrong_type(error: Exception) -> DecodeError:
    return DecodeError(f"a column holds a value of the wrong type: {error}")


class SqlBackend(JoiningBackend):
    """A result backend in the tables of a SQLite, PostgreSQL, MariaDB or MySQL.

    `url` is a URL of SQLAlchemy, or one of Celery with the prefix `db+`. Without a driver in it, psycopg or PyMySQL is
    used. `sqlite://` is a database in memory, which belongs to this backend alone.

    Besides the options of `BaseBackend` it takes `table_names` (a map that may have `task` and `group`; None: the
    setting `database_table_names`), `table_prefix` (for the names of all tables and sequences), `engine_options` of
    SQLAlchemy (None: the setting `database_engine_options`), `retry_policy`, and `database` (a `Database` to share with
    other backends of the process).

    Raises ImproperlyConfigured for a URL or options that cannot be used, and at the first use if a table is not one for
    results. Connections are opened when they are needed.
    """

    def __init__(self, app: AppProtocol, url: str = "sqlite://", **options: Any) -> None:
        given: Mapping[str, str] | None = options.pop("table_names", None)
        self._prefix: str = options.pop("table_prefix", "")
        engine_options = options.pop("engine_options", None) or getattr(app.conf, "database_engine_options", None)
        policy: Mapping[str, Any] | None = options.pop("retry_policy", None)
        shared: Database | None = options.pop("database", None)
        super().__init__(app, url=url, **options)
        transport = setting(app, "result_backend_transport_options") or {}
        self.retry_policy = MappingProxyType(
            {**self.retry_policy, **transport.get("retry_policy", {}), **(policy or {})}
        )
        self.database = shared or Database.of(url, engine_options)
        self.names = TableNames.of(self._prefix, given or getattr(app.conf, "database_table_names", None) or {})
        self._rows = RowCodec(self._codec)
        self._groups = GroupTable(self.database, self.names.groups, self._dialect, self._rows)
        self._chord_tables = ChordTables(self.database, self.names, self._dialect)
        lives_of_chords = life_of_bookkeeping(self.expires), life_of_mark(self.expires)
        self._chord_store = SqlChordStore(self._chord_tables, self._run_step, *lives_of_chords)
        self._kept: dict[str, frozenset[str]] = {}
        self.reread_interval = NOTIFIED_REREAD_INTERVAL if self.database.notifies else POLL_INTERVAL

    def close(self) -> None:
        """Do nothing: the connections are shared with the other backends of the process."""

    def make_tables(self) -> None:
        """Create the tables that do not exist, without retries. Raises OperationalError, ImproperlyConfigured."""
        self._known()
        self._groups.layout()
        self._chord_tables.known()

    def remove_tables(self) -> None:
        """Drop the tables, with their content. Raises ValueError for tables without a prefix."""
        if not self._prefix:
            raise ValueError("without a prefix this would remove what belongs to others")
        with_retries(lambda: remove(self.database, self.names), self.retry_policy)
        self._forget_layouts()

    # -- storing -------------------------------------------------------------------------------

    def _build_meta(
        self, task_id: str, result: Any, status: str, traceback: str | None, request: object | None
    ) -> TaskMeta:
        if traceback is not None:
            # not every database accepts NUL in text (META-6)
            traceback = exceptions.printable(traceback).replace("\x00", "\\x00")
        return super()._build_meta(task_id, result, status, traceback, request)

    def _store_result(
        self,
        task_id: str,
        result: Any,
        status: str,
        traceback: str | None,
        request: object | None,
        **kwargs: Any,  # noqa: ARG002 - options of other backends, as in Celery
    ) -> None:
        row = self._rows.row(self._build_meta(task_id, result, status, traceback, request))

        def put() -> None:
            known = self._prepared(task_id)
            arguments = known.arguments(row)
            statement = known.store(self._kept_by(status), is_ready(status), frozenset(arguments))
            fast_path = known.fast_paths.of(statement)
            if fast_path is not None:
                fast_path.run(arguments)
                return
            with self.database.connect() as connection:
                connection.execute(statement, arguments)
                if not known.layout.exact:
                    self._require_own(connection, known, task_id)

        self._with_retries(put)

    def _kept_by(self, status: str) -> frozenset[str]:
        if status not in self._kept:
            self._kept[status] = Guard(status, self.late_unready, lambda _: None).kept
        return self._kept[status]

    @staticmethod
    def _require_own(connection: sa.Connection, known: Statements, task_id: str) -> None:
        """Require that the row which the database finds for an id is the row of that id (ID-2)."""
        found = connection.execute(known.read, {"of_task": task_id}).mappings().first()
        if found is not None and found["task_id"] != task_id:
            raise ValueError(
                f"the collation of table {known.layout.table.name} makes {task_id!r} equal to {found['task_id']!r}; "
                "give the column task_id a binary collation without padding"
            )

    def _forget(self, task_id: str) -> None:
        def remove_row() -> None:
            known = self._prepared(task_id)
            with self.database.connect() as connection:
                if known.layout.exact:
                    connection.execute(known.forget, {"of_task": task_id})
                    return
                found = connection.execute(known.number, {"of_task": task_id}).first()
                if found is not None and found.task_id == task_id:
                    connection.execute(known.forget_number(found.number))

        self._with_retries(remove_row)

    # -- reading -------------------------------------------------------------------------------

    def _get_task_meta_for(self, task_id: str) -> TaskMeta:
        return self._with_retries(lambda: self._read_once(task_id))

    def _read_once(self, task_id: str) -> TaskMeta:
        known = self._prepared(task_id)
        fast_path = known.fast_paths.of(known.read)
        if fast_path is None:
            with self.database.connect() as connection:
                return self._read_over(connection, known, task_id)
        try:
            rows = fast_path.run({"of_task": task_id})
        except WRONG_TYPE as error:
            raise named(_of_wrong_type(error), task_id) from error
        try:
            return self._meta_of(task_id, found_by_id(known.columns, rows).get(task_id))
        except UNREADABLE as error:
            raise named(error, task_id) from error

    def _read_over(self, connection: sa.Connection, known: Statements, task_id: str) -> TaskMeta:
        with naming(task_id):
            with self._decoding():
                found = self._found(connection, known, task_id)
            return self._meta_of(task_id, found)

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Raise DecodeError for a column that holds a value of the wrong type."""
        try:
            with self.database.errors():
                yield
        except WRONG_TYPE as error:
            raise _of_wrong_type(error) from error

    @staticmethod
    def _found(connection: sa.Connection, known: Statements, task_id: str) -> Found | None:
        # all rows at once: an error in one must not leave a statement of SQLite open
        rows = connection.execute(known.read, {"of_task": task_id}).all()
        return found_by_id(known.columns, map(tuple, rows)).get(task_id)

    def _meta_of(self, task_id: str, found: Found | None) -> TaskMeta:
        if found is None:
            return meta.unknown(task_id)
        plain = self._rows.plain(found)
        if plain is not None:
            return self.meta_from_decoded(plain)
        return meta.complete(self.meta_from_decoded(self._rows.meta(found)), task_id)

    # -- groups --------------------------------------------------------------------------------

    def _save_group(self, group_id: str, entry: dict[str, Any]) -> None:
        payload = self.encode(entry["result"])
        self._with_retries(lambda: self._groups.save(group_id, payload))

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        return self._with_retries(lambda: self._groups.restore(group_id))

    def _delete_group(self, group_id: str) -> None:
        self._with_retries(lambda: self._groups.delete(group_id))

    # -- chords --------------------------------------------------------------------------------

    @property
    def chord_store(self) -> SqlChordStore:
        """The store in which the parts of chords are counted."""
        return self._chord_store

    def _run_step(self, action: Callable[[], T], repeat: bool = True) -> T:
        return self._with_retries(action, OperationalError if repeat else NothingDone)

    # -- lives ---------------------------------------------------------------------------------

    def cleanup(self) -> None:
        """Remove ready tasks and groups that are older than their life, and chords whose bookkeeping has expired.

        Tasks and groups that live for ever stay; the bookkeeping of a chord always ends. Rows are removed in batches of
        a few hundred. Several processes can do this at the same time.
        """
        self._remove_batches(self._chord_tables.remove_over)
        if self.expires is None:
            return
        oldest = expiry.oldest_alive(self.expires, datetime.now(UTC)).replace(tzinfo=None)
        self._remove_batches(lambda: remove_batch(self.database, self._known().layout, oldest, READY_STATES))
        self._remove_batches(lambda: remove_batch(self.database, self._groups.layout(), oldest))

    def _remove_batches(self, remove: Callable[[], tuple[Any, ...]]) -> None:
        before, found = None, self._with_retries(remove)
        # rows that are found a second time cannot be removed, for example because of a trigger
        while found and found != before:
            before, found = found, self._with_retries(remove)

    # -- waiting -------------------------------------------------------------------------------

    def _look(self, task_id: str, limit: float) -> AbstractContextManager[Watch]:  # noqa: ARG002 - one read has none
        return PollingWatch(lambda: self._fetch(task_id, self._read_once))

    @contextmanager
    def _open_watch(self, task_id: str, limit: float) -> Iterator[Watch]:  # noqa: ARG002 - as above
        known = self._prepared(task_id)

        def read(connection: sa.Connection) -> TaskMeta:
            return self._fetch(task_id, lambda task_id: self._read_over(connection, known, task_id))

        if not self.database.notifies:
            yield PollingWatch(lambda: self._fetch(task_id, self._read_once))
            return
        watch = (
            CountedWatch(self.database, read)
            if self.database.kind == "sqlite"
            else NotifiedWatch(self.database, read, channel(self.names.task, task_id))
        )
        with closing(watch):
            yield watch

    # -- joining -------------------------------------------------------------------------------

    def _joined_ids(self, task_ids: Iterable[Any]) -> Iterator[str]:
        known: Statements | None = self.database.statements.get().get(self.names)
        for task_id in super()._joined_ids(task_ids):
            if known is None:
                text("task id", task_id)
            else:
                require_id(known.layout, "task id", task_id)
            yield task_id

    @contextmanager
    def _open_join(self) -> Iterator[PolledJoin]:
        if not self.database.notifies:
            watch = PolledJoin(self.database, self._read_many)
        elif self.database.kind == "sqlite":
            watch = CountedJoin(self.database, self._read_many)
        else:
            watch = NotifiedJoin(self.database, self._read_many, functools.partial(channel, self.names.task))
        with closing(watch):
            yield watch

    def _read_many(self, task_ids: Sequence[str], connection: sa.Connection | None) -> Iterator[JoinAnswer]:
        return self._answers(task_ids, lambda asked: self._noticing_changes(lambda: self._found_of(asked, connection)))

    def _found_of(self, task_ids: Sequence[str], given: sa.Connection | None) -> list[Found | BackendError | None]:
        """Return for each task, in their order, its row, None, or the reason why it cannot be read."""
        known = self._known()
        # the table may have been inspected since the join began
        for task_id in (task_id for task_id in task_ids if len(task_id) > known.layout.id_length):
            require_id(known.layout, "task id", task_id)
        fast_path = known.fast_paths.of(known.read_many) if given is None else None
        try:
            with self._decoding():
                if fast_path is not None:
                    found = found_by_id(known.columns, fast_path.run({"of_tasks": task_ids}))
                else:
                    with self._given_or_pooled(given) as connection:
                        rows = connection.execute(known.read_many, {"of_tasks": task_ids}).all()
                        found = found_by_id(known.columns, map(tuple, rows))
                return [found.get(task_id) for task_id in task_ids]
        except DecodeError:
            # the database does not say which of the rows is wrong
            with self._given_or_pooled(given) as connection:
                return [self._found_alone(connection, known, task_id) for task_id in task_ids]

    def _given_or_pooled(self, given: sa.Connection | None) -> AbstractContextManager[sa.Connection]:
        return self.database.connect() if given is None else nullcontext(given)

    def _found_alone(self, connection: sa.Connection, known: Statements, task_id: str) -> Found | BackendError | None:
        try:
            with self._decoding():
                return self._found(connection, known, task_id)
        except DecodeError as error:
            return error

    # -- the tables ----------------------------------------------------------------------------

    @property
    def _dialect(self) -> str:
        return "mysql" if self.database.kind in ("mysql", "mariadb") else self.database.kind

    def _prepared(self, task_id: str) -> Statements:
        """Return the statements for the table as it is. Raises ValueError for an id that does not fit its column."""
        found = self._known()
        require_id(found.layout, "task id", task_id)
        return found

    def _known(self) -> Statements:
        known = self.database.statements.get()
        found: Statements | None = known.get(self.names)
        if found is None:
            layout = prepare(self.database, self.names.tasks)
            found = known.setdefault(self.names, Statements(layout, self._dialect, self.database))
        return found

    def _forget_layouts(self) -> None:
        self.database.statements.get().pop(self.names, None)
        self._groups.forget_layout()
        self._chord_tables.forget_layout()

    def _with_retries(self, action: Callable[[], T], retried: type[OperationalError] = OperationalError) -> T:
        return with_retries(functools.partial(self._noticing_changes, action), self.retry_policy, retried=retried)

    def _noticing_changes(self, action: Callable[[], T]) -> T:
        """Perform an action. If it fails because the tables have changed, forget their layouts."""
        try:
            return action()
        except TablesChanged:
            self._forget_layouts()
            raise
