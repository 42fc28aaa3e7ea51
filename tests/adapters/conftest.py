"""What the tests of adapters share: a client of Redis, a prefix of one's own, and waiting for what others do."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import redis

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
