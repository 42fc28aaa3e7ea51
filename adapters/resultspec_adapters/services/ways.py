"""The ways to a server that every store has: a URL in the environment, a Docker image, a binary."""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kombu.utils.url import maybe_sanitize_url

from resultspec_adapters.services import supervised
from resultspec_adapters.services.docker_images import IMAGES
from resultspec_adapters.services.sources import Way
from resultspec_adapters.services.supervisor import Unavailable
from resultspec_conformance.runner.servers import RunningServer
from resultspec_conformance.subject import UsageError

LOOK_SECONDS = 10.0
BINARY_SECONDS = 120.0
CONTAINER_SECONDS = 300.0
"""Pulling the image included."""


@dataclass(frozen=True)
class GivenServer:
    """A server that somebody else runs: it is used, and left alone at the end."""

    url: str = field(repr=False)
    origin: str
    throw_away: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Do nothing."""


def given_way(variable: str, store: str, form: str, schemes: Sequence[str]) -> Way:
    """Return the way to a server that is named by an environment variable.

    ``form`` is how its URL is written, ``redis://HOST:PORT/DB``. A driver may be named after the scheme:
    ``postgresql+psycopg``.
    """

    def find() -> str:
        url = os.environ.get(variable, "").strip()
        if not url:
            raise Unavailable(f"it is not set; export {variable}={form} to use a server of your own")
        return url

    def look() -> str:
        return str(maybe_sanitize_url(find()))

    def start() -> RunningServer:
        url = find()
        # the user has asked for this server: silently judging another one would be worse than an error
        if urlsplit(url).scheme.partition("+")[0] not in schemes:
            raise UsageError(f"{variable} is no URL of a {store}.\nWrite it as {form}, or unset it.")
        return GivenServer(url, f"{variable} ({maybe_sanitize_url(url)})")

    return Way(variable, look, start)


def _need_testcontainers() -> None:
    if importlib.util.find_spec("testcontainers") is None:
        raise Unavailable("the Python package testcontainers is missing; pip install 'resultspec[servers]'")


def _say(text: str) -> None:
    print(f"resultspec: {text}", file=sys.stderr, flush=True)


def docker_way(store: str, image: str = "") -> Way:
    """Return the way that runs an image; without one, the image that is known for the store."""
    image = image or IMAGES[store].name

    def look() -> str:
        _need_testcontainers()
        return supervised.ask("docker", ["look", store, image], LOOK_SECONDS)

    def start() -> RunningServer:
        _need_testcontainers()
        return supervised.start("docker", ["start", store, image], f"Docker image {image}", CONTAINER_SECONDS, _say)

    return Way("docker", look, start)


def binary_way(name: str, module: str, locate: Callable[[], Sequence[str]], version: Callable[[str], str]) -> Way:
    """Return the way that runs a binary.

    ``locate`` returns the arguments of the module that keeps the server, first the path of the binary; ``version``
    tells its version. Both may raise Unavailable.
    """

    def look() -> str:
        binary = locate()[0]
        return f"{binary} {version(binary)}"

    def start() -> RunningServer:
        arguments = locate()
        return supervised.start(module, arguments, f"{name} ({version(arguments[0])})", BINARY_SECONDS)

    return Way(name, look, start)
