"""A Redis for the tests of adapters: that of RESULTSPEC_REDIS_URL, or one that is started for the session."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import redis

STARTUP = 10.0
"""Seconds that a server may take until it answers."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_up(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Return when the server answers; fail if it ends or does not in time."""
    deadline = time.monotonic() + STARTUP
    with closing(redis.Redis.from_url(url)) as client:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                return
    pytest.fail(f"redis-server did not answer at {url} within {STARTUP} s")


@pytest.fixture(name="redis_url", scope="session")
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a Redis."""
    given = os.environ.get("RESULTSPEC_REDIS_URL")
    if given:
        yield given
        return
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH; give the URL of a Redis in RESULTSPEC_REDIS_URL")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen([binary, *options], cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            url = f"redis://127.0.0.1:{port}/0"
            wait_until_up(url, server)
            yield url
        finally:
            server.terminate()


@pytest.fixture(name="raw")
def open_raw(redis_url: str) -> Iterator[Any]:
    """Yield a client of the tests' own."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


@pytest.fixture(name="prefix")
def make_prefix() -> str:
    """Return a global key prefix that no other test has."""
    return f"test-{uuid4().hex}:"
