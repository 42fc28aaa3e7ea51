"""The ladder: the ways to a server, tried in order, each with the reason why it did not work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resultspec_adapters.services.supervisor import Unavailable
from resultspec_conformance.runner.servers import Rung, RunningServer
from resultspec_conformance.subject import SubjectError


@dataclass(frozen=True)
class Way:
    """One way to a server.

    ``look`` is quick, starts nothing and returns one line about what was found; ``start`` returns the server. Both
    raise :class:`Unavailable`.
    """

    name: str
    look: Callable[[], str]
    start: Callable[[], RunningServer]

    def rung(self) -> Rung:
        """Return what ``look`` finds, as a rung."""
        try:
            return Rung(self.name, True, self.look())
        except Unavailable as reason:
            return Rung(self.name, False, str(reason))


@dataclass(frozen=True)
class Ladder:
    """The source of one kind of server: a ``ServerSource`` of the conformance suite."""

    name: str
    ways: tuple[Way, ...]

    def availability(self) -> Sequence[Rung]:
        """Say of every way whether it leads to a server here, and why not."""
        return tuple(way.rung() for way in self.ways)

    def start(self) -> RunningServer:
        """Return a server by the first way that works. Raises SubjectError that lists every way and its cure."""
        failed = []
        for way in self.ways:
            try:
                return way.start()
            except Unavailable as reason:
                failed.append(f"  {way.name}: {reason}")
        raise SubjectError("\n".join([f"no {self.name} server can be had here. Any one of these helps:", *failed]))
