"""A backend behind a program in any language that speaks the driver protocol: `exec:COMMAND …`.

Each client is its own process. A fault of the program is raised as DriverFault by the next request, and ends
the subject: no answer of a faulty program counts against its backend. A program that ends during an operation is no
fault: that is the outcome of the operation, and the client gets another process.
"""

import shlex
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from resultspec import ERRORS, PROTOCOL
from resultspec_conformance.subject.capabilities import Capabilities, CapabilitiesError
from resultspec_conformance.subject.driver.fault import DriverFault
from resultspec_conformance.subject.driver.messages import (
    BodyCalled,
    DriverAnswer,
    answer_line,
    outcome_of,
    read_error,
    read_initialized,
)
from resultspec_conformance.subject.driver.process import SHUTDOWN_SECONDS, DriverEnded, DriverProcess
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.outbox import Outbox, Sender, SentCall, SimulatedCrash
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.protocols import ClientOptions, Subject, Target
from resultspec_conformance.subject.python_object import error_kind, show_message
from resultspec_conformance.subject.shared_store import cleaner
from resultspec_conformance.wire.values import Value, encode

START_SECONDS = 30.0
"""How long a driver may take to start and answer `initialize`; some languages start slowly.

There is no limit for other requests: the watchdog of the worker notices an operation that does not return.
"""

MAX_DEATHS = 500
"""The number of processes of a driver that may end during the checks of one worker. Each costs the start of another."""

_CURE = "Give the driver an empty database, or put the id of the run into its prefix, as the protocol has it."


@dataclass
class _Client:
    """An open client: its process, and what the driver says of itself.

    `overlap`: it accepts overlapping requests. `awaits`: it waits for the answer to each call that it makes, of which
    the sender says what becomes.
    """

    process: DriverProcess
    capabilities: Capabilities
    overlap: bool
    awaits: bool
    sender: Sender


def split_command(text: str) -> list[str]:
    """Return the words of a command; no shell is involved. Raises UsageError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the command of exec: cannot be split into words: {error}") from error
    if not words:
        raise UsageError("exec: does not name a command; write exec:COMMAND, for example exec:node driver.mjs")
    return words


class ProgramConnection:
    """One client. Overlapping calls go to one process if the driver accepts that, else to several."""

    def __init__(self, subject: "ProgramSubject", options: ClientOptions, client: _Client) -> None:
        self._subject = subject
        self._options = options
        self.sender = client.sender
        self._clients = [client]
        self._idle = [client]
        self._overlap = client.overlap
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._closed = False

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Perform an operation. Raises DriverFault."""
        if self._closed:
            # its process may serve another client by now
            return Outcome.of_error("Died", "the client was closed")
        params = {name: encode(value) for name, value in args.items()}
        client = self._clients[0] if self._overlap else self._take()
        if client.process.crashed:
            self._renew(client, client.process)
        process = client.process
        try:
            return self._subject.ask(process, op, params)
        except DriverEnded as ended:
            # one that the suite has killed is missed only if it is asked again
            if not process.crashed:
                self._renew(client, process)
            return Outcome.of_error("Died", str(ended))
        finally:
            if not self._overlap:
                with self._lock:
                    self._idle.append(client)

    def _renew(self, client: _Client, ended: DriverProcess) -> None:
        """Give a client another process, unless another thread has done it. Raises DriverFault.

        Where that does not succeed, the next operation finds the process ended again.
        """
        with self._renewing:
            if client.process is ended and not self._closed:
                client.process = self._subject.reopened(ended, self._options, self.sender)

    def _take(self) -> _Client:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        client = self._subject.open_client(self._options, self.sender)
        with self._lock:
            self._clients.append(client)
        return client

    def close(self) -> None:
        """Shut the processes down. Idempotent; a fault that is found here is raised by the next request."""
        if self._closed:
            return
        self._closed = True
        for client in self._clients:
            self._subject.close_client(client)


@dataclass
class ProgramSubject:
    """A backend behind a driver program. `call` and `connect` raise the first fault of any of its processes."""

    command: list[str]
    target: Target
    capabilities: Capabilities = field(init=False)
    probe: Probe | None = field(init=False, default=None)
    fault: DriverFault | None = field(init=False, default=None)
    in_process: bool = False
    broker: bool = False
    overlap: bool = False
    outbox: Outbox = field(init=False, default_factory=Outbox)
    _processes: list[DriverProcess] = field(init=False, default_factory=list)
    _opened: int = field(init=False, default=0)
    _works: bool = field(init=False, default=False)
    _deaths: int = field(init=False, default=0)
    _first: _Client | None = field(init=False, default=None)
    _reopens: bool = field(init=False, default=False)
    _idle: list[DriverProcess] = field(init=False, default_factory=list)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _clean: Callable[[], None] | None = field(init=False, default=None)

    def open(self) -> None:
        """Open the first client with the driver's own options, and read its capabilities. Raises SubjectError."""
        self._first = self.open_client(None)
        self.capabilities = self._first.capabilities
        self.overlap, self.broker = self._first.overlap, self._first.awaits
        if self.capabilities.sharing == "thread":
            raise UsageError(
                "the driver says that its store is shared among the threads of one process only, "
                "and each of its clients is a process.\n"
                "Judge such a backend as python:pkg.module:factory, or give it a store that processes share."
            )
        probe = probe_for(self.capabilities.store, self.capabilities.prefix)
        self._clean = cleaner(probe, self.target, _CURE)
        self.probe = probe

    def connect(self, options: ClientOptions) -> ProgramConnection:
        """Open a client. Raises SubjectError."""
        first, self._first = self._first, None
        if first is not None and options == ClientOptions(serializer=self.capabilities.serializers[0]):
            return ProgramConnection(self, options, first)
        self._first = first
        connection = ProgramConnection(self, options, self.open_client(options))
        self._start_another()
        return connection

    def _start_another(self) -> None:
        """Start a process in advance: another client is likely, and starting can take longer than its work."""
        if not self._idle:
            process = self._start()
            with self._lock:
                self._idle.append(process)

    def open_client(self, options: ClientOptions | None, sender: Sender | None = None) -> _Client:
        """Start a process and initialize it; None means the driver's own options. Raises SubjectError.

        `sender` is that of the client, if the process is not its first one.
        """
        self._raise_fault()
        with self._lock:
            self._opened += 1
            name = f"c{self._opened}"
            process = self._idle.pop() if self._idle else None
        process = process or self._start()
        params = {"protocol": PROTOCOL, "client": name, "run": self.target.run, "options": _options(options)}
        answer = self._initialized(process, params)
        try:
            if answer.failed:
                kind, message = read_error("initialize", answer)
                refusing = UsageError if ERRORS.get(kind, ERRORS["Unknown"]).definite else SubjectError
                refused = refusing(f"the driver refused to open a client: {kind}: {message}")
                refused.refusal = kind
                self._keep_or_end(process)
                raise refused
            result = read_initialized(answer)
        except DriverFault as fault:
            raise process.fail(fault.kind, fault.detail).again() from fault
        if result["protocol"] != PROTOCOL:
            raise process.fail(
                "protocol-version", f"it speaks {result['protocol']!r:.40}, but the suite speaks {PROTOCOL!r}"
            ).again()
        try:
            capabilities = Capabilities.from_json(result["capabilities"])
        except CapabilitiesError as error:
            raise process.fail("invalid-capabilities", str(error)).again() from error
        self._works, self._reopens = True, result.get("reopens", False)
        client = _Client(
            process,
            capabilities,
            result.get("overlap", False),
            result.get("awaits", False),
            sender or Sender(self.outbox),
        )
        process.on_call = partial(self._called, client)
        return client

    def _initialized(self, process: DriverProcess, params: Mapping[str, Any]) -> DriverAnswer:
        """Return the answer to `initialize`. Raises SubjectError: DriverFault if no client could be opened yet."""
        try:
            return process.request("initialize", params, START_SECONDS)
        except TimeoutError as error:
            raise process.fail("hang", str(error)).again() from error
        except DriverEnded as error:
            if not self._works:
                raise process.fail("early-exit", str(error)).again() from error
            self._forget(process)
            died = SubjectError(f"a client could not be opened: {error}")
            died.refusal = "Died"
            raise died from error

    def reopened(self, ended: DriverProcess, options: ClientOptions, sender: Sender) -> DriverProcess:
        """Return another process for a client whose process has ended, or the ended one if there cannot be another.

        Raises DriverFault: of the new process, or `exit` if too many have ended.
        """
        with self._lock:
            self._deaths += not ended.crashed
        if self._deaths >= MAX_DEATHS:
            raise ended.fail("exit", f"{self._deaths} of its processes have ended").again()
        self._forget(ended)
        try:
            process = self.open_client(options, sender).process
        except DriverFault:
            raise
        except SubjectError:
            return ended
        self._start_another()
        return process

    def _forget(self, process: DriverProcess) -> None:
        """Close a process that is not used any more."""
        process.close()
        with self._lock:
            if process in self._processes:
                self._processes.remove(process)

    def _start(self) -> DriverProcess:
        process = DriverProcess(self.command, self._end_all)
        with self._lock:
            self._processes.append(process)
        return process

    def _called(self, client: _Client, called: BodyCalled) -> None:
        """Note a call that a client has made, and answer it as its broker would. Raises DriverFault."""
        if client.awaits != (called.id is not None):
            how = "without an id, and declares" if client.awaits else "with an id, and does not declare"
            raise DriverFault("unexpected-message", f"it sent body_called {how} awaits")
        sent = SentCall(called.signature, called.args)
        if called.id is None:
            self.outbox.put(sent)
            return
        try:
            client.sender.send(sent)
        except SimulatedCrash:
            client.process.crash()
        except Exception as error:  # noqa: BLE001 - whatever the broker of a check raises is the answer
            client.process.answer(answer_line(called.id, error_kind(error), show_message(error)))
        else:
            client.process.answer(answer_line(called.id))

    def ask(self, process: DriverProcess, op: str, params: Mapping[str, Any]) -> Outcome:
        """Perform an operation in a process. Raises DriverFault, and DriverEnded if the process ends meanwhile."""
        self._raise_fault()
        answer = process.request(op, params)
        try:
            return outcome_of(op, answer)
        except DriverFault as fault:
            raise process.fail(fault.kind, fault.detail).again() from fault

    def close_client(self, client: _Client) -> None:
        """Close a client, and keep its process for another one if it can serve one."""
        try:
            closed = self._reopens and not client.process.request("close", {}, SHUTDOWN_SECONDS).failed
        except (DriverEnded, DriverFault, TimeoutError):
            closed = False
        self._keep_or_end(client.process, closed=closed)

    def _keep_or_end(self, process: DriverProcess, *, closed: bool = True) -> None:
        """Keep a process without a client for another one, if it can serve one and its own was closed; else end it."""
        if not (closed and self._reopens):
            self._forget(process)
            return
        with self._lock:
            self._idle.append(process)

    def close(self) -> None:
        """End all processes, remove what the run has written, and raise the fault of the driver, if it had one.

        The fault is raised here again, since it may have been raised only in a thread whose result was not read.
        """
        self._first = None
        for process in list(self._processes):
            process.close()
        self._processes.clear()
        probe, self.probe = self.probe, None
        if probe is not None:
            if self._clean is not None:
                self._clean()
            probe.close()
        self._raise_fault()

    def _end_all(self, fault: DriverFault) -> None:
        with self._lock:
            if self.fault is None:
                self.fault = fault
            processes = list(self._processes)
        for process in processes:
            process.abandon(fault)

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault.again()


def _options(options: ClientOptions | None) -> dict[str, Any]:
    if options is None:
        return {}
    chosen: dict[str, Any] = {
        "serializer": options.serializer,
        "max_cached_results": options.max_cached_results,
    }
    if options.accept is not None:
        chosen["accept"] = list(options.accept)
    if options.prefix is not None:
        chosen["prefix"] = options.prefix
    if options.extended:
        chosen["extended"] = True
    if "expires" in options.non_default():
        chosen["expires"] = encode(options.expires)
    return chosen


def open_program(target: Target) -> Subject:
    """Open the backend behind `exec:COMMAND …`. Raises SubjectError: DriverFault for a faulty program."""
    subject = ProgramSubject(split_command(target.text.partition(":")[2]), target)
    try:
        subject.open()
    except BaseException:
        # this error says more than one of closing
        with suppress(SubjectError):
            subject.close()
        raise
    return subject
