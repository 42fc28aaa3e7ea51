"""The argument of a check: clients, new ids, the probe, and the method that reports a violated requirement."""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Lock, Thread
from typing import Any, Literal, TypeVar, cast

from resultspec import REQUIREMENTS
from resultspec_conformance.limits import SHARED_CONNECTIONS
from resultspec_conformance.subject.call_failures import CallFailure, first_that_covers
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.client import Client, InFlight, UnexpectedOutcome
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import History, Outcome
from resultspec_conformance.subject.outbox import Outbox, Sender
from resultspec_conformance.subject.probe_protocols import (
    CuttingProbe,
    GroupProbe,
    KeyProbe,
    Probe,
    RowProbe,
    WireProbe,
)
from resultspec_conformance.subject.protocols import (
    ClientOptions,
    Connection,
    SendingConnection,
    Subject,
    clock_of,
)
from resultspec_conformance.subject.python_object import ConnectionForEachCall, PythonConnection
from resultspec_conformance.testkit.places import accusing_place
from resultspec_conformance.wire.values import Value, show

T = TypeVar("T")

MIN_GRACE = 0.1

TASK_KEY_PREFIX = "celery-task-meta-"

SUITE = "suite"
"""The name in a history of what the suite itself does to the store."""

_ORDINARY_META: Mapping[str, Value] = {
    "status": "SUCCESS", "result": None, "traceback": None, "children": None, "date_done": "2026-01-01T00:00:00+00:00"
}  # fmt: skip


class Session:
    """A subject that is open in this process, with the connections that checks share. Not thread-safe.

    `run` is the id of the run, `opening` that of this process in it: ids of tasks have both, so a process never meets
    what an older one has stored. `rtt` is the median round trip in seconds, measured at the start. `example` is the
    current one. `reopen` opens the subject again.
    """

    def __init__(
        self,
        subject: Subject,
        run: str,
        in_flight: InFlight | None = None,
        reopen: Callable[[], Subject] | None = None,
        opening: str = "1",
    ) -> None:
        self.subject = subject
        self.opening = opening
        self._reopen = reopen
        self.run = run
        self.in_flight = in_flight or InFlight()
        self.numbers = itertools.count(1)
        self.rtt = 0.0
        self.example: Mapping[str, Value] = {}
        self.plain_life: Literal["right", "endless", "wrong"] | None = None
        """How a plain entry of this subject was seen to live; None if that was not tried yet."""
        self.cleanup_spares = False
        """Whether `cleanup` ends lives, and was seen to leave an entry in the middle of a plain one."""
        self._pool: dict[tuple[int, ClientOptions], Connection] = {}
        self._pooling = Lock()

    def connection(self, place: int, options: ClientOptions) -> Connection:
        """Return one of the shared connections with these options, which is opened at its first use."""
        key = (place, options)
        found = self._pool.get(key) or self.subject.connect(options)
        with self._pooling:
            # another thread may have been faster; at the end: the first one is that whose last use is longest ago
            self._pool[key] = self._pool.pop(key, found)
            return self._pool[key]

    def trim_connections(self) -> None:
        """Close the shared connections that are more than are kept, those first that have not been used for longest."""
        while len(self._pool) > SHARED_CONNECTIONS:
            self._pool.pop(next(iter(self._pool))).close()

    def measure_round_trip(self, samples: int = 15) -> None:
        """Measure the median round trip by reading tasks that do not exist.

        Raises SubjectError if every read loses its connection: such a store cannot be judged.
        """
        options = ClientOptions(serializer=self.subject.capabilities.serializers[0])
        client = Client("a", self.connection(0, options), options, History(), InFlight())
        took, outcomes = [], []
        for number in range(samples):
            began = time.monotonic()
            outcomes.append(client.attempt("get_task_meta", task_id=f"{self.run}-{self.opening}-rtt-{number}"))
            if outcomes[-1].error != "Died":
                # the time until its process has been started again is not the store's
                took.append(time.monotonic() - began)
            if number == 2 and all(outcome.error == "OperationalError" for outcome in outcomes):
                raise SubjectError(
                    f"the store behind the target cannot be reached: {outcomes[0].message}\n"
                    "Start it, or correct where the backend looks for it."
                )
        self.rtt = statistics.median(took or [0.0])

    def require_shared_store(self) -> None:
        """Raise UsageError if what one client stores is found by that client, and by no other one."""
        options = ClientOptions(serializer=self.subject.capabilities.serializers[0])
        task_id = f"shared-{self.run}-{self.opening}"
        clients = [
            Client(name, self.connection(place, options), options, History(), InFlight())
            for place, name in enumerate("ab")
        ]
        clients[0].attempt("store_result", task_id=task_id, result=None, state="SUCCESS")
        found = [client.member(task_id, "status").value for client in clients]
        if found == ["SUCCESS", "PENDING"]:
            raise UsageError(
                "the clients of the factory do not share a store: what one has stored, another does not find.\n"
                "Every call of the factory opens a client: make the store outside of it, once, for all of them."
            )

    def within(self, seconds: float, calls: Callable[[], None]) -> bool:
        """Whether some first calls return in time; if not, they are left alone, with the connections that they use.

        Raises what they raise. No watchdog looks at them: a backend whose calls hang is opened and judged all the same.
        """
        raised: list[BaseException] = []

        def make() -> None:
            try:
                calls()
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the caller
                raised.append(error)

        thread = Thread(target=make, daemon=True)
        thread.start()
        thread.join(seconds)
        if raised:
            raise raised[0]
        if thread.is_alive():
            self._pool.clear()
        return not thread.is_alive()

    def drop_connections(self) -> None:
        """Close the connections that checks share; the next use opens new ones."""
        for connection in self._pool.values():
            connection.close()
        self._pool.clear()

    def renew(self) -> None:
        """Remove what was written so far, and open the subject again, if possible. Raises SubjectError."""
        if self._reopen is not None:
            self.close()
            self.subject = self._reopen()

    def close(self) -> None:
        """Close all connections and the subject."""
        self.drop_connections()
        self.subject.close()


@dataclass
class Context:
    """One example of one check.

    `broken` are requirements that this check has found violated by earlier examples: what follows from them alone is
    not looked at again. `troubles` are the calls of the example that failed as they are known to fail.
    """

    session: Session
    principal: str
    history: History = field(default_factory=History)
    exercised: set[str] = field(default_factory=set)
    looked: set[str] = field(default_factory=set)
    """The places where a requirement was tested, as `accusing_place` names them."""
    fired: set[str] = field(default_factory=set)
    """Those of them where it was found violated."""
    broken: frozenset[str] = frozenset()
    troubles: list[CallFailure] = field(default_factory=list)
    past: frozenset[str] = frozenset()
    """Requirements whose violation by this example is recorded: it goes on, to look at the others."""
    act: str = ""
    """The requirement that is violated if an operation fails now; empty: the one about that operation."""
    _places: dict[ClientOptions, dict[str, int]] = field(default_factory=dict)
    _fresh: list[Connection] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)
    _planted: set[str] = field(default_factory=set)

    # -- the subject ---------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities that the subject declares."""
        return self.session.subject.capabilities

    @property
    def probe(self) -> Probe:
        """The suite's view of the store. A check that uses it cites a requirement that it observes."""
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
        """The calls that clients of the subject have made."""
        return self.session.subject.outbox

    def sender(self, client: Client) -> Sender:
        """Return the sender of a client, by which the suite stands in for its broker."""
        connection = client.connection
        if not isinstance(connection, SendingConnection):
            raise Unobserved("the suite does not stand in for the broker of the client")
        return connection.sender

    @property
    def raw(self) -> KeyProbe:
        """The probe of a key/value store."""
        probe = self.probe
        if not isinstance(probe, KeyProbe):
            raise Unobserved("the subject's probe does not see keys")
        return probe

    @property
    def wire(self) -> WireProbe:
        """The probe of a key/value store that publishes."""
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
        """The tolerance of an upper bound in seconds: the largest of 100 ms, three round trips and the resolution."""
        return max(MIN_GRACE, 3 * self.session.rtt, self.capabilities.time_resolution)

    def client(self, name: str = "a", /, **options: Any) -> Client:
        """Return a recorded client; in an example, the same name and options mean the same client.

        Examples share connections: opening one can take a process. Options are those of ClientOptions; the default
        serializer is the first that the subject declares.
        """
        chosen = self._options(options)
        return self._recorded(name, self.session.connection(self._place(name, chosen), chosen), chosen)

    def _place(self, name: str, options: ClientOptions) -> int:
        """Return the number of a client among those of this example that have the same options."""
        places = self._places.setdefault(options, {})
        return places.setdefault(name, len(places))

    def fresh_client(self, name: str, /, **options: Any) -> Client:
        """Return a recorded client with a connection of its own, closed at the end of the example."""
        chosen = self._options(options)
        connection = self.session.subject.connect(chosen)
        self._fresh.append(connection)
        return self._recorded(name, connection, chosen)

    def open_client(self, name: str, /, **options: Any) -> Outcome:
        """Try to open a client, and return the outcome, with the value None; the client is not used."""
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
        return Client(shown, connection, options, self.history, self.session.in_flight, self.troubles)

    @contextmanager
    def off_the_record(self) -> Iterator[None]:
        """Leave out of the history what is done in this block: it only decides what is to blame for a failure."""
        operations, clients, troubles = list(self.history), dict(self.history.clients), list(self.troubles)
        try:
            yield
        finally:
            self.history.operations[:], self.troubles[:] = operations, troubles
            self.history.clients.clear()
            self.history.clients.update(clients)

    def cut_connections(self) -> int:
        """Cut the connections of all clients and return their number.

        Shared connections are closed too, so that the next check does not get a dead one: a
        check that cuts uses fresh clients.
        """
        probe = self.probe
        if not isinstance(probe, CuttingProbe):
            raise Unobserved("the subject's probe cannot cut connections")
        cut = probe.cut_connections()
        self.session.drop_connections()
        return cut

    def _options(self, options: dict[str, Any]) -> ClientOptions:
        return replace(ClientOptions(serializer=self.capabilities.serializers[0]), **options)

    @staticmethod
    def python(client: Client) -> PythonConnection | ConnectionForEachCall:
        """Return the connection of a client of a subject in this process."""
        return cast(PythonConnection | ConnectionForEachCall, client.connection)

    def backend(self, client: Client) -> Any:
        """Return the Python object behind a client of a subject in this process."""
        return self.python(client).backend

    def direct(self, client: Client, op: str, id_: Value, /, **options: Value) -> Any:
        """Call a method of the Python object behind a client, and return what it returned itself; of a join, all items.

        The call is recorded and watched as others are. Raises UnexpectedOutcome if it fails.
        """
        returned: list[Any] = []

        def perform() -> Outcome:
            try:
                found = getattr(self.backend(client), op)(id_, **options)
                returned.append(list(found) if op == "get_many" else found)
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is an outcome
                return self.python(client).outcome_of(error)
            return Outcome("ok")

        name = "task_ids" if op == "get_many" else "group_id" if "group" in op else "task_id"
        operation = client.record(op, {name: id_, **options}, perform)
        if not returned:
            raise UnexpectedOutcome(operation, operation.outcome or Outcome("info", error="Unknown"))
        return returned[0]

    def new_id(self, hint: str = "task") -> str:
        """Return a task id of the portable domain that is unique among all runs."""
        return f"{hint}-{self.session.run}-{self.session.opening}-{next(self.session.numbers)}"

    def plant(self, task_id: str, payload: bytes) -> None:
        """Put stored bytes under a task by the probe. At the end of the example an ordinary entry replaces them.

        Other checks do what looks at every entry, such as `cleanup`.
        """
        self.probe.write(task_id, payload)
        self.history.note(SUITE, "probe_write", {"task_id": task_id, "payload": payload})
        self._planted.add(task_id)

    def usable(self, ops: Iterable[str]) -> list[str]:
        """Return those of some operations that are not known to fail whatever they are asked.

        What is to hold of every operation is judged by them; the others are broken, which is known already.
        """
        known = self.session.in_flight.known
        failing = {one.op for one in known if not one.kinds and one.check in ("", self.session.in_flight.check)}
        return [op for op in ops if op not in failing]

    def may_call(self, op: str, /, **args: Value) -> bool:
        """Whether a call with such arguments is not known to hang or to end the process."""
        return first_that_covers(self.session.in_flight.known, op, args, self.session.in_flight.check) is None

    def clean_up(self, client: Client, op: str, /, **args: Value) -> None:
        """Make a call that is no part of the check, such as the removal of what it wrote: its outcome says nothing."""
        with self.off_the_record():
            client.attempt(op, **args)

    def make_unknown(self, client: Client, task_id: Value) -> None:
        """Make sure that an id which the check chose itself has no entry. Raises Unobserved if it keeps one.

        An id that a read refuses has none.
        """
        found = client.member(task_id, "status")
        if found.kind != "ok" or found.value == "PENDING":
            return
        client.forget(task_id)
        if client.state(task_id) != "PENDING":
            raise Unobserved(f"the entry of {show(task_id)} could not be forgotten (READ-4)")

    def task_key(self, task_id: str) -> str:
        """Return the key of a task for clients without their own prefix, which is also its channel (KEY-1)."""
        return f"{self.capabilities.prefix}{TASK_KEY_PREFIX}{task_id}"

    def remove(self, client: Client, task_id: str) -> None:
        """Take an entry out of the store where the check is not about `forget`: by the probe, if that cannot be used.

        Raises Unobserved if nothing can remove it.
        """
        probe = self.session.subject.probe
        if self.usable(["forget"]) or not isinstance(probe, KeyProbe):
            client.forget(task_id)
            return
        key = self.task_key(task_id)
        probe.delete(key)
        self.history.note(SUITE, "probe_delete", {"key": key})

    # -- verdicts ------------------------------------------------------------------------------

    def require(self, requirement: str, holds: bool, *, got: Value, allowed: str) -> None:
        """Report that a requirement was tested, and whether it held. Raises Violation if not.

        `got` is what was observed, `allowed` describes what would have been correct.
        """
        if requirement not in REQUIREMENTS:
            raise KeyError(f"no requirement has the id {requirement!r}")
        if not holds and requirement in self.past:
            return
        self.exercised.add(requirement)
        place = accusing_place(requirement)
        self.looked.add(place)
        if not holds:
            self.fired.add(place)
            raise Violation(requirement, got if isinstance(got, str) else show(got), allowed)

    def require_refused(self, requirement: str, outcome: Outcome, *kinds: str) -> None:
        """Require that an operation ended in a definite error, of one of the kinds if any are given."""
        named = " or ".join(kinds) or "a definite error"
        holds = outcome.kind == "fail" and (not kinds or outcome.error in kinds)
        self.require(requirement, holds, got=self.describe(outcome), allowed=named)

    @contextmanager
    def accusing(self, requirement: str) -> Iterator[None]:
        """Say which requirement is violated if an operation in the block fails: it is what the check tests.

        Elsewhere, such a failure violates the requirement about the operation itself.
        """
        outer, self.act = self.act, requirement
        yield
        # not in a `finally`: whoever handles the failure of the block has to know which act failed
        self.act = outer

    @staticmethod
    def describe(outcome: Outcome) -> str:
        """Describe an outcome in words."""
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
            except BaseException as error:  # noqa: BLE001 - the caller gets it from the future
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    @contextmanager
    def stopwatch(self) -> Iterator["Stopwatch"]:
        """Time a block; a control thread measures at the same time how late this machine wakes a sleeper."""
        watch = Stopwatch()
        yield watch
        watch.stop()

    def eventually(self, condition: Callable[[], bool], timeout: float = 2.0) -> bool:
        """Whether a condition becomes true within `timeout` seconds; it is evaluated every few milliseconds."""
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
        self.session.trim_connections()
        self._replace_planted()
        clock = clock_of(self.session.subject)
        if clock is not None:
            clock.restore()

    def _replace_planted(self) -> None:
        if "json" not in self.capabilities.serializers:
            return
        for task_id in self._planted:
            # the example has ended: a store that is lost is noticed by the next one
            with suppress(SubjectError):
                self.probe.write(task_id, json.dumps({**_ORDINARY_META, "task_id": task_id}).encode())


class Stopwatch:
    """Elapsed seconds, and the largest lateness of short sleeps in a control thread during them."""

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
        """The largest number of seconds by which a sleeper of this process was woken too late."""
        return self._lateness
