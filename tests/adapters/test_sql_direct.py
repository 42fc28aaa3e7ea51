"""The short way to a PostgreSQL: lost connections, interrupts, what is held, what is told of an error."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa
from sqlalchemy import exc

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql.direct import CURSOR, LARGE, Direct
from resultspec_reference import App


@pytest.fixture(name="backend")
def one_with_a_connection(server_url: Callable[[str], str]) -> Iterator[SqlBackend]:
    """Yield a backend whose pool has one connection."""
    with ExitStack() as stack:
        backend = SqlBackend(
            App(),
            server_url("postgresql"),
            table_prefix=f"test_{uuid4().hex[:12]}_",
            engine_options={"pool_size": 1, "max_overflow": 0, "pool_timeout": 5},
        )
        stack.callback(backend.remove_tables)
        backend.make_tables()
        yield backend


def statement(backend: SqlBackend, text: str) -> Direct:
    """Return a statement on the pool of a backend."""
    return Direct(backend.database.engine, sa.text(text))


def kept_cursor(backend: SqlBackend) -> Any:
    """Return the cursor that the connection of the pool keeps, or None."""
    connection = backend.database.engine.raw_connection()
    try:
        return connection.info.get(CURSOR)
    finally:
        connection.close()


def test_a_connection_that_was_cut_is_replaced(backend: SqlBackend) -> None:
    """The error is that of a lost connection, after which the next statement has a new one."""
    own = statement(backend, "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(exc.OperationalError) as caught:
        own.run({})
    assert caught.value.connection_invalidated
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1


def test_a_refused_statement_leaves_the_connection(backend: SqlBackend) -> None:
    """The error is the one that SQLAlchemy has for it."""
    (before,) = statement(backend, "SELECT pg_backend_pid()").run({})
    with pytest.raises(exc.ProgrammingError) as caught:
        statement(backend, "SELECT nothing_of_that_name").run({})
    assert not caught.value.connection_invalidated
    assert statement(backend, "SELECT pg_backend_pid()").run({}) == [before]


def test_an_interrupt_gives_the_connection_up(backend: SqlBackend) -> None:
    """Nobody knows how far the statement has come; the pool has a place for another one."""

    class Interrupted(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        statement(backend, "SELECT CAST(:value AS text)").run(Interrupted(value="x"))
    assert statement(backend, "SELECT 1").run({}) == [(1,)]


@pytest.mark.parametrize(("size", "kept"), [(10, True), (LARGE + 1, False)])
def test_a_large_value_is_not_held(backend: SqlBackend, size: int, kept: bool) -> None:
    """Neither after it was stored nor after it was read; nor are several rows."""
    backend.mark_as_done("t", "x" * size)
    assert (kept_cursor(backend) is not None) == kept
    assert backend.get_result("t") == "x" * size
    assert (kept_cursor(backend) is not None) == kept
    statement(backend, "SELECT 1 UNION SELECT 2").run({})
    assert kept_cursor(backend) is None
