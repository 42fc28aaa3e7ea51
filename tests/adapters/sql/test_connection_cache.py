"""The connection at hand: when it is kept, when the pool has it, and that two threads keep no two."""

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
from resultspec_adapters.sql.connection_cache import Hand

Until = Callable[[Callable[[], bool]], bool]


class Opened:
    """An engine, what lends its connections, and how many the pool has given out."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.engine = sa.create_engine(f"sqlite:///{path}", **options)
        self.hand = Hand(self.engine)
        self.asked = 0
        sa.event.listen(self.engine, "checkout", self._count)

    def _count(self, *_: Any) -> None:
        self.asked += 1

    @property
    def out(self) -> int:
        """Connections that the pool is without."""
        own: Any = self.engine.pool
        return int(own.checkedout())

    def use(self) -> None:
        """Take a connection, and give it back."""
        self.hand.give_back(self.hand.take())


TWO = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 5}


@pytest.fixture(name="opened")
def one(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Yield an engine with the options of the test, by default those of a pool of two."""
    with ExitStack() as stack:
        found = Opened(tmp_path / "x.db", getattr(request, "param", TWO))
        stack.callback(found.engine.dispose)
        stack.callback(found.hand.empty)
        yield found


def test_one_is_kept_until_it_is_asked_back(opened: Opened) -> None:
    """The pool is asked once, and has it again in the end."""
    opened.use()
    opened.use()
    assert (opened.asked, opened.out) == (1, 1)
    opened.hand.empty()
    opened.hand.empty()
    assert opened.out == 0


def test_it_goes_back_after_a_while(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the pool can look at its age."""
    monkeypatch.setattr(module, "KEPT", 0.0)
    opened.use()
    opened.use()
    assert (opened.asked, opened.out) == (2, 1)


def test_the_second_one_goes_to_the_pool(opened: Opened) -> None:
    """Which has it for those who ask there."""
    lent = [opened.hand.take(), opened.hand.take()]
    assert opened.out == 2
    for one in lent:
        opened.hand.give_back(one)
    assert opened.out == 1


def test_who_asks_the_pool_is_given_what_is_kept(opened: Opened) -> None:
    """Also where its other connection is busy."""
    with opened.engine.connect():
        opened.use()
        with opened.hand.ask(opened.engine.connect):
            assert opened.out == 2


@pytest.mark.parametrize("waits", ["for the pool", "for the hand"])
def test_who_waits_for_the_pool_is_given_what_comes_back(opened: Opened, until: Until, waits: str) -> None:
    """A connection that is given back is not kept from him."""
    ask: Callable[[], Any] = opened.hand.take
    if waits == "for the pool":
        ask = functools.partial(opened.hand.ask, opened.engine.connect)
    with opened.engine.connect(), ThreadPoolExecutor(1) as thread:
        lent = opened.hand.take()
        waiting = thread.submit(ask)
        assert until(lambda: bool(opened.hand._asking))
        opened.hand.give_back(lent)
        found = waiting.result()
        (found.connection if waits == "for the hand" else found).close()


def test_a_connection_of_a_pool_that_was_replaced_is_not_kept(opened: Opened) -> None:
    """It was in use meanwhile, or at hand."""
    lent = opened.hand.take()
    opened.engine.dispose()
    opened.hand.give_back(lent)
    assert not lent.connection.is_valid
    opened.use()
    opened.engine.dispose()
    opened.use()
    assert (opened.asked, opened.out) == (3, 1)


NONE_TO_SPARE = [{"pool_size": 1, "max_overflow": 0, "pool_timeout": 5}, {"poolclass": pool.NullPool}]


@pytest.mark.parametrize("opened", NONE_TO_SPARE, indirect=True)
def test_none_is_kept_where_the_pool_has_no_other(opened: Opened) -> None:
    """Nor where it closes each."""
    opened.use()
    opened.use()
    assert opened.asked == 2
    with opened.engine.connect():
        pass


def test_threads_keep_no_two(opened: Opened) -> None:
    """Whoever comes between, and nobody waits in vain for the other."""

    def work(_: int) -> None:
        for _ in range(50):
            opened.use()
            with opened.hand.ask(opened.engine.connect):
                pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert opened.out <= 1
