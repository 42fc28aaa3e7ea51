"""The cache of one connection: when it holds one, when the pool gets it back, and that there is never a second."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa
from sqlalchemy import pool

from resultspec_adapters.sql import connection_cache as module
from resultspec_adapters.sql.connection_cache import ConnectionCache

Until = Callable[[Callable[[], bool]], bool]


class Opened:
    """An engine, the cache of its connections, and the number of checkouts from its pool."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.engine = sa.create_engine(f"sqlite:///{path}", **options)
        self.cache = ConnectionCache(self.engine)
        self.asked = 0
        sa.event.listen(self.engine, "checkout", self._count)

    def _count(self, *_: Any) -> None:
        self.asked += 1

    @property
    def out(self) -> int:
        """The connections that are checked out of the pool."""
        own: Any = self.engine.pool
        return int(own.checkedout())

    def use(self) -> None:
        """Take a connection, and give it back."""
        self.cache.give_back(self.cache.borrow())


TWO = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 5}


@pytest.fixture(name="opened")
def one(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Yield an engine with the options of the test, by default those of a pool of two."""
    with ExitStack() as stack:
        found = Opened(tmp_path / "x.db", getattr(request, "param", TWO))
        stack.callback(found.engine.dispose)
        stack.callback(found.cache.clear)
        yield found


def test_a_connection_is_cached_until_the_cache_is_cleared(opened: Opened) -> None:
    """The pool is asked once, and gets the connection back in the end."""
    opened.use()
    opened.use()
    assert (opened.asked, opened.out) == (1, 1)
    opened.cache.clear()
    opened.cache.clear()
    assert opened.out == 0


def test_it_goes_back_to_the_pool_after_a_while(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the pool can check its age."""
    monkeypatch.setattr(module, "MAX_IDLE_SECONDS", 0.0)
    opened.use()
    opened.use()
    assert (opened.asked, opened.out) == (2, 1)


def test_the_second_one_goes_to_the_pool(opened: Opened) -> None:
    """Other callers can check it out there."""
    borrowed = [opened.cache.borrow(), opened.cache.borrow()]
    assert opened.out == 2
    for one in borrowed:
        opened.cache.give_back(one)
    assert opened.out == 1


def test_a_checkout_gets_the_cached_connection(opened: Opened) -> None:
    """Also if the other connection of the pool is busy."""
    with opened.engine.connect():
        opened.use()
        with opened.cache.check_out(opened.engine.connect):
            assert opened.out == 2


@pytest.mark.parametrize("waits", ["for the pool", "for the cache"])
def test_a_waiting_checkout_gets_a_connection_that_is_given_back(opened: Opened, until: Until, waits: str) -> None:
    """It is not held back in the cache."""
    ask: Callable[[], Any] = opened.cache.borrow
    if waits == "for the pool":
        ask = functools.partial(opened.cache.check_out, opened.engine.connect)
    with opened.engine.connect(), ThreadPoolExecutor(1) as thread:
        borrowed = opened.cache.borrow()
        waiting = thread.submit(ask)
        assert until(lambda: bool(opened.cache._checkouts))
        opened.cache.give_back(borrowed)
        found = waiting.result()
        (found.connection if waits == "for the cache" else found).close()


def test_a_connection_of_a_pool_that_was_replaced_is_not_cached(opened: Opened) -> None:
    """Neither one that was in use when it was replaced, nor one that was cached."""
    borrowed = opened.cache.borrow()
    opened.engine.dispose()
    opened.cache.give_back(borrowed)
    assert not borrowed.connection.is_valid
    opened.use()
    opened.engine.dispose()
    opened.use()
    assert (opened.asked, opened.out) == (3, 1)


NONE_TO_SPARE = [{"pool_size": 1, "max_overflow": 0, "pool_timeout": 5}, {"poolclass": pool.NullPool}]


@pytest.mark.parametrize("opened", NONE_TO_SPARE, indirect=True)
def test_nothing_is_cached_if_the_pool_has_no_other_connection(opened: Opened) -> None:
    """Nor if the pool closes every connection that it gets back."""
    opened.use()
    opened.use()
    assert opened.asked == 2
    with opened.engine.connect():
        pass


def test_threads_together_cache_one_connection(opened: Opened) -> None:
    """In whatever order they run, and no thread waits for a connection that another one caches."""

    def work(_: int) -> None:
        for _ in range(50):
            opened.use()
            with opened.cache.check_out(opened.engine.connect):
                pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert opened.out <= 1
