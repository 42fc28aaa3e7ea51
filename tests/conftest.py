"""A Redis for tests: that of RESULTSPEC_REDIS_URL, or one started for the session; and examples without deadlines."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from resultspec_conformance.servers import running
from resultspec_conformance.subject import SubjectError

# how long one example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(name="redis_url", scope="session")
def start_redis() -> Iterator[str]:
    """Yield the URL of a Redis."""
    try:
        with running("redis") as server:
            yield server.url
    except SubjectError as error:
        pytest.skip(f"no Redis: {error}")
