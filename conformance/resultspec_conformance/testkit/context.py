"""What a check is given: clients, fresh ids, the probe, and the way to say that a sentence of the spec is
broken.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any, TypeVar, cast

from resultspec import REQUIREMENTS
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.client import Client, InFlight
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import History, Outcome
from resultspec_conformance.subject.outbox import Outbox, Sender
from resultspec_conformance.subject.probe_protocols import CuttingProbe, GroupProbe, Probe, RowProbe, WireProbe
from resultspec_conformance.subject.protocols import ClientOptions, Connection, Subject, clock_of
from resultspec_conformance.wire.values import Value, show

T = TypeVar("T")

GRACE_FLOOR = 0.1


class Session:
    """A subject that is open in this process, with the connections that checks share. Not safe for threads.

    `rtt` is the median round trip in seconds, measured at the start. `example` is the one being tried. `reopen`
    opens the subject anew.
    """

    def __init__(
        self,
        subject: Subject,
        run: str,
        in_flight: InFlight | None = None,
        reopen: Callable[[], Subject] | None = None,
    ) -> None:
        self.subject = subject
        self._reopen = reopen
        self.run = run
        self.in_flight = in_flight or InFlight()
        self.numbers = itertools.count(1)
        self.rtt = 0.0
        self.example: Mapping[str, Value] = {}
        self.entries_expire: bool | None = None
        """Whether a plain entry of this subject was seen to end; None: nobody has looked yet."""
        self._pool: dict[tuple[str, ClientOptions], Connection] = {}

    def connection(self, name: str, options: ClientOptions) -> Connection:
        """Return the connection of a client, opened at its first use."""
        key = (name, options)
        if key not in self._pool:
            self._pool[key] = self.subject.connect(options)
        return self._pool[key]

    def measure_round_trip(self, samples: int = 15) -> None:
        """Measure the median round trip by looking at tasks that do not exist.

        Raises SubjectError where every look ends in a lost connection: such a store cannot be judged.
        """
        options = ClientOptions(serializer=self.subject.capabilities.serializers[0])
        client = Client("a", self.connection("a", options), options, History(), self.in_flight)
        took, outcomes = [], []
        for number in range(samples):
            began = time.monotonic()
            outcomes.append(client.attempt("get_task_meta", task_id=f"{self.run}-rtt-{number}"))
            took.append(time.monotonic() - began)
            if number == 2 and all(outcome.error == "OperationalError" for outcome in outcomes):
                raise SubjectError(
                    f"the store behind the target cannot be reached: {outcomes[0].message}\n"
                    "Start it, or correct where the backend looks for it."
                )
        self.rtt = statistics.median(took)

    def drop_connections(self) -> None:
        """Close the connections that checks share; the next use opens new ones."""
        for connection in self._pool.values():
            connection.close()
        self._pool.clear()

    def renew(self) -> None:
        """Remove what was written by now, and begin with a fresh subject, if that can be had. Raises SubjectError."""
        if self._reopen is not None:
            self.close()
            self.subject = self._reopen()

    def close(self) -> None:
        """Close all connections and the subject."""
        self.drop_connections()
        self.subject.close()


@dataclass
class Context:
    """One example of one check."""

    session: Session
    principal: str
    history: History = field(default_factory=History)
    exercised: set[str] = field(default_factory=set)
    _fresh: list[Connection] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)

    # -- the subject ---------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What the subject says of itself."""
        return self.session.subject.capabilities

    @property
    def probe(self) -> Probe:
        """The suite's view of the store. A check that uses it cites a requirement that is observed by it."""
        probe = self.session.subject.probe
        if probe is None:
            raise Unobserved("the subject has no probe")
        return probe

    @property
    def groups(self) -> GroupProbe:
        """The probe of a store that keeps a group as one value."""
        probe = self.probe
        if not isinstance(probe, GroupProbe):
            raise Unobserved("the subject's probe does not see the bytes of groups")
        return probe

    @property
    def outbox(self) -> Outbox:
        """What the clients of the subject have asked to be sent."""
        return self.session.subject.outbox

    def sender(self, client: Client) -> Sender:
        """Return what the app of a client sends with, where the backend is in this process."""
        return cast(Sender, cast(Any, client.connection).app.sender)

    @property
    def wire(self) -> WireProbe:
        """The probe of a key/value store."""
        probe = self.probe
        if not isinstance(probe, WireProbe):
            raise Unobserved("the subject's probe does not see keys and channels")
        return probe

    @property
    def rows(self) -> RowProbe:
        """The probe of tables."""
        probe = self.probe
        if not isinstance(probe, RowProbe):
            raise Unobserved("the subject's probe does not see rows")
        return probe

    @property
    def grace(self) -> float:
        """The tolerance of an upper bound in seconds: the larger of 100 ms and three round trips, and the
        resolution.
        """
        return max(GRACE_FLOOR, 3 * self.session.rtt, self.capabilities.time_resolution)

    def client(self, name: str = "a", /, **options: Any) -> Client:
        """Return a recorded client; the same name and options share one connection for the whole run.

        Options are those of ClientOptions; the serializer is the first that the subject declares, unless
        given.
        """
        chosen = self._options(options)
        return self._recorded(name, self.session.connection(name, chosen), chosen)

    def fresh_client(self, name: str, /, **options: Any) -> Client:
        """Return a recorded client with a connection of its own, closed at the end of the example."""
        chosen = self._options(options)
        connection = self.session.subject.connect(chosen)
        self._fresh.append(connection)
        return self._recorded(name, connection, chosen)

    def open_client(self, name: str, /, **options: Any) -> Outcome:
        """Try to open a client, as an outcome whose value is null; nothing is done with the client."""
        chosen = self._options(options)
        self.history.introduce(name, chosen.non_default())
        try:
            self._fresh.append(self.session.subject.connect(chosen))
        except SubjectError as error:
            if not error.refusal:
                raise
            return Outcome.of_error(error.refusal, str(error).partition("\n")[0])
        return Outcome("ok")

    def _recorded(self, name: str, connection: Connection, options: ClientOptions) -> Client:
        shown = self.history.introduce(name, options.non_default())
        return Client(shown, connection, options, self.history, self.session.in_flight)

    def cut_connections(self) -> int:
        """Cut the connections of all clients and return how many there were.

        Shared connections are closed too, lest the next check is surprised by a dead one: a check that cuts
        works with fresh clients.
        """
        probe = self.probe
        if not isinstance(probe, CuttingProbe):
            raise Unobserved("the subject's probe cannot cut connections")
        cut = probe.cut_connections()
        self.session.drop_connections()
        return cut

    def _options(self, options: dict[str, Any]) -> ClientOptions:
        return replace(ClientOptions(serializer=self.capabilities.serializers[0]), **options)

    def backend(self, client: Client) -> Any:
        """Return the Python object behind a client of a subject in this process."""
        return cast(Any, client.connection).backend

    def new_id(self, hint: str = "task") -> str:
        """Return a task id of the portable domain that nothing else in any run uses."""
        return f"{hint}-{self.session.run}-{next(self.session.numbers)}"

    # -- verdicts ------------------------------------------------------------------------------

    def require(self, requirement: str, holds: bool, *, got: Value, allowed: str) -> None:
        """Say that a sentence of the spec was tested, and whether it held. Raises Violation if not.

        `got` is what was observed, `allowed` says in words what would have been right.
        """
        if requirement not in REQUIREMENTS:
            raise KeyError(f"no requirement has the id {requirement!r}")
        self.exercised.add(requirement)
        if not holds:
            raise Violation(requirement, got if isinstance(got, str) else show(got), allowed)

    def require_refused(self, requirement: str, outcome: Outcome, *kinds: str) -> None:
        """Require that an operation ended in a definite error, of one of the kinds if any are given."""
        named = " or ".join(kinds) or "a definite error"
        holds = outcome.kind == "fail" and (not kinds or outcome.error in kinds)
        self.require(requirement, holds, got=self.describe(outcome), allowed=named)

    @staticmethod
    def describe(outcome: Outcome) -> str:
        """Return an outcome as words."""
        if outcome.kind == "ok":
            return f"ok: {show(outcome.value)}"
        return f"{outcome.error} ({outcome.message})"

    # -- time and threads ----------------------------------------------------------------------

    def background(self, function: Callable[[], T]) -> "Future[T]":
        """Run a function in a thread of its own; its result or exception is the future's."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks the future
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    @contextmanager
    def stopwatch(self) -> Iterator["Stopwatch"]:
        """Time a block, beside a control that shows how late this machine wakes a sleeper in the same
        moment.
        """
        watch = Stopwatch()
        yield watch
        watch.stop()

    def eventually(self, condition: Callable[[], bool], timeout: float = 2.0) -> bool:
        """Whether a condition becomes true within `timeout` seconds; it is asked every few milliseconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def close(self) -> None:
        """Wait for the example's threads and close its own connections."""
        for thread in self._threads:
            thread.join(timeout=self.session.in_flight.call_timeout * 2)
        for connection in self._fresh:
            connection.close()
        clock = clock_of(self.session.subject)
        if clock is not None:
            clock.restore()


class Stopwatch:
    """Elapsed seconds, and the worst lateness of short sleeps in a control thread meanwhile."""

    _TICK = 0.005

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ended: float | None = None
        self._lateness = 0.0
        self._thread = Thread(target=self._control, daemon=True)
        self._thread.start()

    def _control(self) -> None:
        while self._ended is None:
            before = time.monotonic()
            time.sleep(self._TICK)
            self._lateness = max(self._lateness, time.monotonic() - before - self._TICK)

    def stop(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()
        self._thread.join()

    @property
    def elapsed(self) -> float:
        """Seconds between start and stop."""
        if self._ended is None:
            raise RuntimeError("the stopwatch is still running")
        return self._ended - self._began

    @property
    def lateness(self) -> float:
        """By how many seconds at the most a sleeper of this process was woken too late."""
        return self._lateness
