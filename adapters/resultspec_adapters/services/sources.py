"""Where servers come from: the ways to a server, which are tried in order. One that does not work gives its reason.

Every store has three kinds of ways: a URL in the environment, a Docker image, a binary.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kombu.utils.url import maybe_sanitize_url

from resultspec_adapters.services import supervised
from resultspec_adapters.services.supervisor import Unavailable
from resultspec_conformance.runner.servers import Availability, RunningServer
from resultspec_conformance.subject import SubjectError, UsageError

LOOK_SECONDS = 10.0
BINARY_SECONDS = 120.0
CONTAINER_SECONDS = 300.0
"""Pulling the image included."""


IMAGE_NAMES: Mapping[str, str] = {"redis": "redis:7", "postgresql": "postgres:16", "mariadb": "mariadb:11"}
"""The Docker image of each store; `containers.images` says how it is run."""


@dataclass(frozen=True)
class Way:
    """One way to a server.

    `look` is quick, does not start anything, and returns one line about what was found. `start` returns the server.
    Both raise `Unavailable` if the way does not work.
    """

    name: str
    look: Callable[[], str]
    start: Callable[[], RunningServer]

    def availability(self) -> Availability:
        """Report what `look` finds."""
        try:
            return Availability(self.name, True, self.look())
        except Unavailable as reason:
            return Availability(self.name, False, str(reason))


@dataclass(frozen=True)
class FirstAvailable:
    """The source of one kind of server: a `ServerSource` of the conformance suite."""

    name: str
    ways: tuple[Way, ...]

    def availability(self) -> Sequence[Availability]:
        """Report of every way whether it works here, and if not, why."""
        return tuple(way.availability() for way in self.ways)

    def start(self) -> RunningServer:
        """Return a server by the first way that works. Raises SubjectError that lists every way and its cure."""
        failed = []
        for way in self.ways:
            try:
                return way.start()
            except Unavailable as reason:
                failed.append(f"  {way.name}: {reason}")
        raise SubjectError("\n".join([f"no {self.name} server is available here. Any one of these helps:", *failed]))


@dataclass(frozen=True)
class GivenServer:
    """A server of the user: it is used, and not stopped at the end."""

    url: str = field(repr=False)
    origin: str
    throw_away: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Do nothing."""


def given_way(variable: str, store: str, form: str, schemes: Sequence[str]) -> Way:
    """Return the way to a server whose URL is in an environment variable.

    `form` says how the URL is written: `redis://HOST:PORT/DB`. The scheme can have a driver: `postgresql+psycopg`.
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
        # the user chose this server: to judge another one silently would be worse than an error
        if urlsplit(url).scheme.partition("+")[0] not in schemes:
            raise UsageError(f"{variable} is not a {store} URL.\nWrite it as {form}, or unset it.")
        return GivenServer(url, f"{variable} ({maybe_sanitize_url(url)})")

    return Way(variable, look, start)


def _need_testcontainers() -> None:
    if importlib.util.find_spec("testcontainers") is None:
        raise Unavailable("the Python package testcontainers is missing; pip install 'resultspec[servers]'")


def _say(text: str) -> None:
    print(f"resultspec: {text}", file=sys.stderr, flush=True)


def docker_way(store: str, image: str = "") -> Way:
    """Return the way that runs an image, by default that of the store."""
    image = image or IMAGE_NAMES[store]

    def look() -> str:
        _need_testcontainers()
        return supervised.ask("containers.docker", ["look", store, image], LOOK_SECONDS)

    def start() -> RunningServer:
        _need_testcontainers()
        return supervised.start(
            "containers.docker", ["start", store, image], f"Docker image {image}", CONTAINER_SECONDS, _say
        )

    return Way("docker", look, start)


def binary_way(name: str, module: str, locate: Callable[[], Sequence[str]], version: Callable[[str], str]) -> Way:
    """Return the way that runs a binary.

    `locate` returns the arguments of the module that runs the server, the path of the binary first; `version` returns
    its version. Both can raise Unavailable.
    """

    def look() -> str:
        binary = locate()[0]
        return f"{binary} {version(binary)}"

    def start() -> RunningServer:
        arguments = locate()
        return supervised.start(module, arguments, f"{name} ({version(arguments[0])})", BINARY_SECONDS)

    return Way(name, look, start)
