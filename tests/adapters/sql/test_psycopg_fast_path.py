"""The fast path to PostgreSQL: lost connections, interrupts, prepared statements, and what an error says."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql.errors import TablesChanged
from resultspec_adapters.sql.psycopg_fast_path import INFO_KEY, MAX_PREPARED, PsycopgFastPath
from resultspec_reference import App
from resultspec_reference.errors import OperationalError

OpenBackend = Callable[..., SqlBackend]


@pytest.fixture(name="open_backend")
def openers(server_url: Callable[[str], str], table_prefix: str) -> Iterator[OpenBackend]:
    """Yield what opens a backend whose pool has one connection, with further options for SQLAlchemy's engine."""
    with ExitStack() as stack:

        def opened(**options: Any) -> SqlBackend:
            one: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5, **options}
            backend = SqlBackend(
                App(), server_url("postgresql"), table_prefix=table_prefix, max_cached_results=-1, engine_options=one
            )
            stack.callback(backend.remove_tables)
            backend.make_tables()
            return backend

        yield opened


@pytest.fixture(name="backend", params=[1, 2], ids=["pooled", "cached"])
def one_with_a_connection(open_backend: OpenBackend, request: pytest.FixtureRequest) -> SqlBackend:
    """Return a backend whose pool has one connection, and one that caches a connection."""
    return open_backend(pool_size=request.param)


def statement(backend: SqlBackend, text: str) -> PsycopgFastPath:
    """Return a statement on the pool of a backend."""
    return PsycopgFastPath(backend.database, sa.text(text))


def test_a_connection_that_was_cut_is_replaced(backend: SqlBackend) -> None:
    """The error is that of a lost connection, after which the next statement has a new one."""
    own = statement(backend, "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(OperationalError) as caught:
        own.run({})
    assert not caught.value.permanent
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1


def test_a_connection_that_is_cut_while_nobody_uses_it_is_replaced(backend: SqlBackend) -> None:
    """The next store does not notice."""
    ((number,),) = statement(backend, "SELECT pg_backend_pid()").run({})
    cut(backend, number)
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1


def cut(backend: SqlBackend, number: int) -> None:
    """End the session of a connection of a backend."""
    with backend.database.open() as another:
        another.execute(sa.select(sa.func.pg_terminate_backend(number)))


def test_a_connection_found_lost_clears_the_cache(open_backend: OpenBackend) -> None:
    """The cached connection is not tried after another one was found to be cut."""
    backend = open_backend(pool_size=2)
    own = statement(backend, "SELECT pg_backend_pid()")
    with backend.database.connect() as connection:
        numbers = [connection.execute(sa.text(own.text)).scalar_one(), own.run({})[0][0]]
        for number in numbers:
            cut(backend, number)
        with pytest.raises(OperationalError), backend.database.errors():
            connection.execute(sa.text(own.text))
    assert own.run({})[0][0] not in numbers


def test_pool_pre_ping_is_respected(open_backend: OpenBackend) -> None:
    """Before each statement, so that none fails for a connection that was cut."""
    backend = open_backend(pool_size=2, pool_pre_ping=True)
    own = statement(backend, "SELECT pg_backend_pid()")
    ((number,),) = own.run({})
    cut(backend, number)
    assert own.run({}) != [(number,)]


def test_a_result_does_not_stay_with_the_connection(backend: SqlBackend) -> None:
    """It may be large."""
    statement(backend, "SELECT 1").run({})
    borrowed = backend.database.connection_cache.borrow()
    prepared = borrowed.info[INFO_KEY]
    backend.database.connection_cache.give_back(borrowed)
    assert prepared
    assert [one for one in prepared.values() if one.pgresult is not None] == []


def test_a_refused_statement_leaves_the_connection(backend: SqlBackend) -> None:
    """The error is the one that SQLAlchemy has for it."""
    (before,) = statement(backend, "SELECT pg_backend_pid()").run({})
    with pytest.raises(TablesChanged):
        statement(backend, "SELECT nothing_of_that_name").run({})
    assert statement(backend, "SELECT pg_backend_pid()").run({}) == [before]


def test_an_interrupt_gives_up_the_connection(backend: SqlBackend) -> None:
    """It is unknown how far the statement got; the pool can open another connection."""

    class Interrupted(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        statement(backend, "SELECT CAST(:value AS text)").run(Interrupted(value="x"))
    assert statement(backend, "SELECT 1").run({}) == [(1,)]


def test_a_statement_that_does_not_end_is_interrupted(backend: SqlBackend) -> None:
    """A signal ends it at once, and the connection is replaced."""
    before = statement(backend, "SELECT pg_backend_pid()").run({})

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            statement(backend, "SELECT pg_sleep(60)").run({})
        assert time.monotonic() - began < 20
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
    assert statement(backend, "SELECT pg_backend_pid()").run({}) != before


PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%''marked''%'"


@pytest.mark.parametrize("arguments", [{}, {"connect_args": {"prepare_threshold": None}}])
def test_a_statement_is_prepared_once(open_backend: OpenBackend, arguments: dict[str, Any]) -> None:
    """On each connection; not at all if psycopg is configured not to, because a proxy would lose it."""
    backend = open_backend(**arguments)
    marked = statement(backend, "SELECT CAST(:value AS text), 'marked'")
    assert [marked.run({"value": value}) for value in "xy"] == [[("x", "marked")], [("y", "marked")]]
    ((count,),) = PsycopgFastPath(backend.database, sa.text(PREPARED)).run({})
    # what counts has the mark in it too
    assert count == (0 if arguments else 2)


def test_values_come_back(backend: SqlBackend) -> None:
    """Of every type that the columns have, null among them."""
    date = datetime(2026, 1, 2, 3, 4, 5, 678901)
    row = {"text": "ä", "value": b"\x00\xff", "date": date, "number": -(2**31), "no": None}
    casts = {"text": "text", "value": "bytea", "date": "timestamp", "number": "integer", "no": "text"}
    casting = statement(backend, "SELECT " + ", ".join(f"CAST(:{name} AS {kind})" for name, kind in casts.items()))
    assert casting.run(row) == [tuple(row.values())]


def test_a_connection_has_a_limited_number_of_prepared_statements(backend: SqlBackend) -> None:
    """One with more is replaced."""
    several = [statement(backend, f"SELECT pg_backend_pid(), {number}") for number in range(MAX_PREPARED + 2)]
    assert len({one.run({})[0][0] for one in several}) == 2


@pytest.mark.parametrize(
    "change",
    [
        "DEALLOCATE ALL",
        "ALTER TABLE {table} ALTER COLUMN traceback TYPE varchar(100)",
        "ALTER TABLE {table} ADD more text",
        "ALTER TABLE {table} DROP parent_id",
    ],
)
def test_what_was_prepared_may_become_stale(backend: SqlBackend, change: str) -> None:
    """If it is deallocated, or the table is altered, it is prepared again, and the caller does not notice."""
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1
    with backend.database.connect() as connection:
        connection.exec_driver_sql(change.format(table=backend.names.task))
    assert backend.get_result("t") == 1
    backend.mark_as_done("u", 2)
    assert [meta["result"] for _, meta in backend.get_many(["t", "u"])] == [1, 2]
