"""What all tests share: a Redis, waiting for what others do, examples without deadlines, and usual signals.

The Redis is that of RESULTSPEC_REDIS_URL, or one that is started for the session.
"""

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import SubjectError

# how long one example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Let what the tests start be interrupted, also where a shell has started the tests in the background.

    Such a shell has them ignore signals, and whatever they start does so too. A handler is not handed down.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(name="redis_url", scope="session")
def start_redis() -> Iterator[str]:
    """Yield the URL of a Redis."""
    try:
        with running("redis") as server:
            yield server.url
    except SubjectError as error:
        pytest.skip(f"no Redis: {error}")


BOUND_SECONDS = 90.0


@pytest.fixture(name="until", scope="session")
def give_until() -> Callable[[Callable[[], object]], bool]:
    """Return what polls a condition, and says whether it has come true within the bound."""

    def until(condition: Callable[[], object]) -> bool:
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return bool(condition())

    return until
