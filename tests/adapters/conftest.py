"""What the tests of adapters share: servers, a prefix of one's own, and waiting for what others do."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from uuid import uuid4

import pytest
import redis

from resultspec_conformance.servers import running
from resultspec_conformance.subject import SubjectError

BOUND_SECONDS = 60.0


@pytest.fixture(name="raw")
def open_raw(redis_url: str) -> Iterator[Any]:
    """Yield a client of the tests' own."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


@pytest.fixture(name="prefix")
def make_prefix() -> str:
    """Return a global key prefix that no other test has."""
    return f"test-{uuid4().hex}:"


@pytest.fixture(name="until", scope="session")
def give_until() -> Callable[[Callable[[], bool]], bool]:
    """Return what polls a condition, and says whether it has come true within the bound."""

    def until(condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return condition()

    return until


@pytest.fixture(name="server_url", scope="session")
def start_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Yield what returns the URL of a database by its kind, and starts a server where that takes one."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/results.db"}
    missing: dict[str, str] = {}
    with ExitStack() as servers:

        def url(kind: str) -> str:
            if kind not in urls and kind not in missing:
                try:
                    urls[kind] = servers.enter_context(running(kind)).url
                except SubjectError as error:
                    missing[kind] = f"no {kind}: {error}"
            if kind in missing:
                pytest.skip(missing[kind])
            return urls[kind]

        yield url


@pytest.fixture(name="kind", params=["sqlite", "postgresql", "mariadb"])
def name_of_database(request: pytest.FixtureRequest) -> str:
    """Return the kind of database that a test runs on: on each of them."""
    return str(request.param)


@pytest.fixture(name="database_url")
def url_of_database(kind: str, server_url: Callable[[str], str]) -> str:
    """Return the URL of the database of a test."""
    return server_url(kind)
