"""`get_many` of the SQL backend on real databases: statements, waking, cut connections, what is left behind."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa
from tests.adapters.sql.sql_events import listening, statements

from resultspec_adapters.sql import SqlBackend
from resultspec_reference import App
from resultspec_reference.errors import DecodeError

Until = Callable[[Callable[[], bool]], bool]
IDS = [f"t{number:04}" for number in range(1000)]


@pytest.fixture(name="backend")
def one_with_tables(make: Callable[..., SqlBackend]) -> SqlBackend:
    """Return a backend on each of the databases, whose tables are there."""
    backend = make()
    backend.make_tables()
    return backend


@pytest.fixture(name="notified")
def one_that_notifies(server_url: Callable[[str], str], table_prefix: str) -> Iterator[SqlBackend]:
    """Yield a backend on PostgreSQL, to which nothing but its notifications is of help."""
    backend = SqlBackend(App(), server_url("postgresql"), table_prefix=table_prefix)
    backend.make_tables()
    backend.reread_interval = 300.0
    yield backend
    backend.remove_tables()


@contextmanager
def own_connections() -> Iterator[list[str]]:
    """Yield what happens to connections that are of no pool."""
    seen: list[str] = []
    with (
        listening(sa.NullPool, "connect", lambda *_: seen.append("open")),
        listening(sa.NullPool, "close", lambda *_: seen.append("close")),
    ):
        yield seen


def store_all(backend: SqlBackend, task_ids: list[str]) -> None:
    """Store a SUCCESS for each id by one statement, as somebody else may."""
    table = sa.table(backend.names.task, *(sa.column(name) for name in ("id", "task_id", "status", "result")))
    rows = [
        {"id": number, "task_id": task_id, "status": "SUCCESS", "result": b"1"}
        for number, task_id in enumerate(task_ids, 1_000_000)
    ]
    with backend.database.connect() as connection:
        connection.execute(sa.insert(table), rows)


def change(backend: SqlBackend, task_id: str, column: str, value: object) -> None:
    """Change a column of a row, as somebody else may."""
    table = sa.table(backend.names.task, sa.column("task_id"), sa.column(column))
    with backend.database.connect() as connection:
        connection.execute(sa.update(table).where(table.c.task_id == task_id).values({column: value}))


def of_kind(seen: list[str], word: str) -> int:
    """Return how many statements begin with a word."""
    return sum(statement.startswith(word) for statement in seen)


def test_a_thousand_ids_are_one_statement(backend: SqlBackend) -> None:
    """And no connection of the join's own, if all are ready (JOIN-21)."""
    store_all(backend, IDS)
    with statements() as seen, own_connections() as own:
        found = dict(backend.get_many(iter(IDS)))
    assert sorted(found) == IDS
    assert {meta["result"] for meta in found.values()} == {1}
    assert [statement.split()[0] for statement in seen] == ["SELECT"]
    assert own == []


def test_a_success_comes_out_of_the_cache(make: Callable[..., SqlBackend]) -> None:
    """Without a statement; a FAILURE does not (JOIN-19)."""
    backend = make(max_cached_results=0)
    backend.mark_as_done("a", 1)
    backend.mark_as_failure("b", ValueError("x"))
    for task_ids, reads in ((["a", "b"], 1), (["a", "b"], 1), (["a"], 0)):
        with statements() as seen:
            assert len(list(backend.get_many(task_ids))) == len(task_ids)
        assert of_kind(seen, "SELECT") == reads


def test_a_notification_costs_a_read_of_its_row(notified: SqlBackend, until: Until) -> None:
    """A thousand tasks share a connection, and are subscribed to by two messages."""
    with statements() as seen, own_connections() as own, ThreadPoolExecutor(1) as pool:
        items = notified.get_many(IDS, timeout=60, interval=300)
        coming = pool.submit(next, items)
        assert until(lambda: of_kind(seen, "SELECT test_") == 2)
        assert of_kind(seen, "LISTEN") == 2
        notified.mark_as_done("t0700", 7)
        task_id, meta = coming.result(60)
        assert (task_id, meta["result"]) == ("t0700", 7)
        assert of_kind(seen, "SELECT test_") == 3
        assert own == ["open"]
        items.close()  # type: ignore[attr-defined]
        assert own == ["open", "close"]


def test_a_store_wakes_a_join(backend: SqlBackend, until: Until) -> None:
    """Long before its next pass, if the database notifies of changes; else before the end of its interval."""
    if backend.database.notifies:
        backend.reread_interval = 300.0
    with ThreadPoolExecutor(1) as pool:
        items = backend.get_many(["a", "b"], timeout=300, interval=300)
        for task_id in ("b", "a"):
            with statements() as seen:
                coming = pool.submit(next, items)
                assert until(lambda: bool(seen) or task_id == "a")  # noqa: B023 - it is called here
            began = time.monotonic()
            backend.mark_as_failure(task_id, ValueError("x"))
            assert coming.result(60)[0] == task_id
            assert time.monotonic() - began < 10
    assert list(items) == []


def test_stores_that_come_all_at_once(backend: SqlBackend) -> None:
    """Each is yielded once, however often it is notified, and however slow the caller is."""
    ids = IDS[:60]

    def store() -> None:
        for task_id in ids:
            backend.mark_as_done(task_id, 1)
            backend.mark_as_done(task_id, 2)

    writer = threading.Thread(target=store)
    writer.start()
    found = []
    for task_id, meta in backend.get_many(ids, timeout=60):
        assert meta["result"] == 1
        backend.mark_as_started(task_id)
        found.append(task_id)
    writer.join()
    assert sorted(found) == ids


def test_a_writer_that_does_not_notify_is_seen(backend: SqlBackend) -> None:
    """Since a join makes a pass before long, whatever its interval."""
    backend.store_result("t", 7, "STARTED")
    threading.Timer(0.2, change, [backend, "t", "status", "SUCCESS"]).start()
    began = time.monotonic()
    assert [task_id for task_id, _ in backend.get_many(["t"], timeout=60, interval=60)] == ["t"]
    assert time.monotonic() - began < 20


def test_channels_are_bounded(notified: SqlBackend, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """Passes find the tasks that have none."""
    monkeypatch.setattr("resultspec_adapters.sql.join_watches.MAX_CHANNELS", 1)
    notified.reread_interval = 0.2
    with statements() as seen, ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: [task_id for task_id, _ in notified.get_many(["a", "b"], timeout=60)])
        assert until(lambda: of_kind(seen, "LISTEN") == 1)
        assert next(statement for statement in seen if statement.startswith("LISTEN")).count("LISTEN") == 1
        notified.mark_as_done("b", 1)
        notified.mark_as_done("a", 1)
        assert sorted(future.result(60)) == ["a", "b"]


def test_a_deadline_passes_and_a_caller_leaves(backend: SqlBackend) -> None:
    """Either way no connection is left, neither one of the join's own nor one of the pool."""
    backend.mark_as_done("a", 1)
    with own_connections() as own:
        began = time.monotonic()
        items = backend.get_many(["a", "b"], timeout=0.4)
        assert next(items)[0] == "a"
        with pytest.raises(backend.TimeoutError, match="'b'"):
            next(items)
        assert 0.4 <= time.monotonic() - began < 10

        calls: list[None] = []

        def leave() -> None:
            calls.append(None)
            if len(calls) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(backend.get_many(["b"], interval=0.01, on_interval=leave))
        for _ in backend.get_many(["a", "b"]):
            break
    assert own.count("open") == own.count("close") == (2 if backend.database.notifies else 0)
    backend.database.connection_cache.clear()
    pool: Any = backend.database.engine.pool
    assert pool.checkedout() == 0


def test_what_becomes_ready_while_the_caller_is_slow(backend: SqlBackend) -> None:
    """Is yielded by the last pass, at the deadline or later (JOIN-8)."""
    backend.mark_as_done("a", 1)
    items = backend.get_many(["a", "b"], timeout=0.1)
    next(items)
    time.sleep(0.2)
    backend.mark_as_done("b", 2)
    assert [task_id for task_id, _ in items] == ["b"]


def test_a_database_in_memory_is_free_between_two_items() -> None:
    """It has one connection for all."""
    backend = SqlBackend(App(), "sqlite://")
    for task_id in ("a", "b"):
        backend.mark_as_done(task_id, 1)
    for task_id, _ in backend.get_many(["a", "b", "c"], timeout=60):
        backend.mark_as_done("c", task_id)
    assert backend.get_result("c") == "a"


def test_ids_are_compared_as_they_are(backend: SqlBackend) -> None:
    """Also where many are asked for at a time."""
    ids = ["a", "A", "a ", "á", "%", "漢"]
    for number, task_id in enumerate(ids):
        backend.store_result(task_id, number, "SUCCESS")
    reader = SqlBackend(App(), backend.url or "", table_prefix=backend.names.task.removesuffix("celery_taskmeta"))
    assert {task_id: meta["result"] for task_id, meta in reader.get_many(ids)} == dict(zip(ids, range(6), strict=True))


@pytest.mark.parametrize("task_id", ["x" * 156, "a\x00b", "\ud800"])
def test_an_id_that_no_column_holds_is_refused(backend: SqlBackend, task_id: str) -> None:
    """At the call; an id's length only as soon as the table was seen."""
    with pytest.raises(ValueError, match="id"):
        backend.get_many(["t", task_id])


def test_a_row_that_cannot_be_read_hides_no_other(backend: SqlBackend) -> None:
    """It is named after all that is ready was yielded, whether its bytes are wrong or its columns."""
    wrong: list[tuple[str, object]] = [("result", b"\xff garbage")]
    if backend.database.kind == "sqlite":
        wrong += [("date_done", "no date"), ("traceback", b"\xff")]
    if backend.database.kind == "postgresql":
        # a time that Python does not have
        wrong += [("date_done", "infinity")]
    for task_id in IDS[:3]:
        backend.mark_as_failure(task_id, ValueError("x"))
    for column, value in wrong:
        backend.mark_as_failure("t", ValueError("x"))
        change(backend, "t", column, value)
        items = backend.get_many([IDS[0], "t", *IDS[1:3]])
        assert {next(items)[0] for _ in range(3)} == set(IDS[:3])
        with pytest.raises(DecodeError, match="'t'"):
            next(items)


def test_a_cut_connection_is_made_again(notified: SqlBackend, until: Until) -> None:
    """The join subscribes to all that is left, then reads it all (JOIN-15)."""
    cut = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid")
    pids: list[int] = []

    def note(connection: Any, _record: Any) -> None:
        pids.append(connection.info.backend_pid)

    with listening(sa.NullPool, "connect", note), statements() as seen, ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: [task_id for task_id, _ in notified.get_many(["a", "b"], timeout=60, interval=60)])
        for number, task_id in enumerate(("a", "b"), 1):
            assert until(lambda: of_kind(seen, "LISTEN") == number)  # noqa: B023 - it is called here
            with notified.database.connect() as connection:
                connection.execute(cut, {"pid": pids[-1]})
            assert until(lambda: of_kind(seen, "LISTEN") == number + 1)  # noqa: B023 - as above
            notified.mark_as_done(task_id, 1)
        assert future.result(60) == ["a", "b"]
    assert len(pids) == 3


def test_tables_that_were_removed_are_made_again(backend: SqlBackend) -> None:
    """While a join waits."""
    with ThreadPoolExecutor(1) as pool:
        items = backend.get_many(["a"], timeout=60)
        with backend.database.connect() as connection:
            connection.execute(sa.text(f"DROP TABLE {backend.names.task}"))
        coming = pool.submit(next, items)
        time.sleep(0.1)
        backend.mark_as_done("a", 1)
        assert coming.result(60)[0] == "a"
