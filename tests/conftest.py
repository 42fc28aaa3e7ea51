"""A Redis for tests: that of RESULTSPEC_REDIS_URL, or one that is started for the session."""

from collections.abc import Iterator

import pytest

from resultspec_conformance.servers import running
from resultspec_conformance.subject import SubjectError


@pytest.fixture(name="redis_url", scope="session")
def start_redis() -> Iterator[str]:
    """Yield the URL of a Redis."""
    try:
        with running("redis") as server:
            yield server.url
    except SubjectError as error:
        pytest.skip(f"no Redis: {error}")
