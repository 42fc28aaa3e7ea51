"""The process of a driver: starting it, sending requests, watching it, and ending it reliably.

It stays in the process group of the worker and has a pipe for its standard input, so it ends with the worker, however
that ends. The first fault, and the end of the process, are final: every open request and every later one raises it.
"""

import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import psutil

from resultspec_conformance.subject.driver.fault import DriverFault, excerpt
from resultspec_conformance.subject.driver.messages import (
    LINE_LIMIT,
    BodyCalled,
    DriverAnswer,
    Log,
    read_line,
    request_line,
)

SHUTDOWN_SECONDS = 5.0
"""How long a driver may take to answer `shutdown`, and again to end after it."""

LAST_LINES = 12
"""The number of lines that are shown of what a program said before it ended."""

LINE_SHOWN = 600
"""How many characters of each of them are shown: the reason stands at the end, often behind two long paths."""


class DriverEnded(Exception):
    """The process ended, or closed its standard output, before it answered. The text says how, and what it said last.

    What that is, is for the caller to say: during an operation it is an outcome of it.
    """


_Slot = queue.SimpleQueue[DriverAnswer | DriverFault | DriverEnded]


class DriverProcess:
    """One process of a driver program. `request` may be called by several threads.

    `on_fault` is called once, with the first fault, by the thread that finds it. `on_call` is called with each call of
    a body that the driver reports, before the next message is read; a DriverFault that it raises is one of the driver.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_fault: Callable[[DriverFault], None],
    ) -> None:
        self.on_call: Callable[[BodyCalled], None] = lambda _: None
        self.crashed = False
        self.fault: DriverFault | None = None
        self._how_it_ended: str | None = None
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._open: dict[int, tuple[str, _Slot]] = {}
        self._asked = 0
        self._stopping = False
        self._said: deque[str] = deque(maxlen=20)
        self._process = self._start(command)
        os.set_blocking(self._stdin.fileno(), False)
        self._stderr_reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()
        self._stdout_reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._stdout_reader.start()

    def _start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise self.fail("cannot-start", f"{excerpt(command[0])}: {error.strerror}").again() from error

    # -- asking --------------------------------------------------------------------------------

    def request(self, method: str, params: Mapping[str, Any], seconds: float | None = None) -> DriverAnswer:
        """Send a request and return its answer. Raises DriverEnded and DriverFault.

        Raises TimeoutError if no answer comes within `seconds`; None: it waits for ever, since a watchdog looks on.
        """
        until = None if seconds is None else time.monotonic() + seconds
        slot: _Slot = queue.SimpleQueue()
        with self._lock:
            if self.fault is not None:
                raise self.fault.again()
            if self._how_it_ended is not None:
                raise DriverEnded(self._how_it_ended)
            self._asked += 1
            number = self._asked
            self._open[number] = (method, slot)
        try:
            if not self._write(request_line(number, method, params), until):
                raise queue.Empty
            found = slot.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError(f"it had not answered {method} after {seconds:g} s{self._last_words()}") from None
        if isinstance(found, DriverFault):
            raise found.again()
        if isinstance(found, DriverEnded):
            raise DriverEnded(str(found))
        return found

    def answer(self, line: bytes) -> None:
        """Answer a request of the driver."""
        self._write(line, None)

    def _write(self, line: bytes, until: float | None) -> bool:
        """Write a line, in pieces as the driver reads them; return False if it did not read all of it in time."""
        left = memoryview(line)
        poll = select.poll()
        with self._write_lock:
            if self._stdin.closed:
                return True
            poll.register(self._stdin.fileno(), select.POLLOUT)
            while left:
                try:
                    left = left[os.write(self._stdin.fileno(), left) :]
                except BlockingIOError:
                    if until is not None and time.monotonic() > until:
                        return False
                    poll.poll(100)
                except OSError:
                    return True  # the process has ended, which the reader of its output notices
        return True

    # -- listening -----------------------------------------------------------------------------

    def _read_stdout(self) -> None:
        try:
            with self._pipe(self._process.stdout) as stream:
                while line := stream.readline(LINE_LIMIT + 1):
                    if len(line) > LINE_LIMIT and not line.endswith(b"\n"):
                        raise DriverFault("oversize-line", f"it begins with {excerpt(line[:1000])}")
                    self._take(read_line(line))
        except DriverFault as fault:
            self._declare(fault)
        else:
            self._ended()

    def _take(self, message: DriverAnswer | Log | BodyCalled) -> None:
        if isinstance(message, Log):
            self._hear(message.message)
            return
        if isinstance(message, BodyCalled):
            self.on_call(message)
            return
        with self._lock:
            _, slot = self._open.pop(message.id, (None, None))
            asked, waiting = self._asked, [method for method, _ in self._open.values()]
        if slot is not None:
            slot.put(message)
            return
        shown = excerpt(message.line)
        if 1 <= message.id <= asked:
            raise DriverFault("duplicate-answer", f"request {message.id} was answered again with {shown}")
        if not waiting:
            raise DriverFault("unsolicited-answer", f"it wrote {shown} though nothing had been asked")
        raise DriverFault("wrong-id", f"while {waiting[0]} was open it answered {shown}")

    def _ended(self) -> None:
        """Tell those who wait that the standard output has ended, and end the rest of the program."""
        how, words = self._exit_text(), self._last_words()
        with self._lock:
            waiting = [method for method, _ in self._open.values()]
            where = f"while {waiting[0]} was open" if waiting else "while nothing was asked"
            self._how_it_ended = f"the driver {how} {where}{words}"
            if self.crashed:
                self._how_it_ended = "the suite killed the driver at the moment when it called a task"
            slots = [slot for _, slot in self._open.values()]
            self._open.clear()
        for slot in slots:
            slot.put(DriverEnded(self._how_it_ended))
        self._kill()

    def _exit_text(self) -> str:
        try:
            code = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            return "closed its standard output, running on,"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def _read_stderr(self) -> None:
        with self._pipe(self._process.stderr) as stream:
            while line := stream.readline(65536):
                if line.strip():
                    self._hear(line.decode("utf-8", "backslashreplace"))

    def _hear(self, text: str) -> None:
        """Keep what the driver says for the message of a fault, and pass it on."""
        self._said.append(text)
        with suppress(OSError, ValueError):
            print(text.rstrip("\n"), file=sys.stderr)

    def _last_words(self) -> str:
        # a program that has just ended may have written why, and the reader thread may not have read it yet
        if self._process.poll() is not None:
            self._stderr_reader.join(timeout=1.0)
        said = [excerpt(line, LINE_SHOWN) for line in self._said if line.strip()]
        return f"; it last said {' / '.join(said[-LAST_LINES:])}" if said else ""

    # -- ending --------------------------------------------------------------------------------

    def fail(self, kind: str, detail: str) -> DriverFault:
        """Declare a fault; return the first one, which is final."""
        return self._declare(DriverFault(kind, detail))

    def _declare(self, fault: DriverFault) -> DriverFault:
        with self._lock:
            is_first = self.fault is None
            first = self.fault = self.fault or fault
        if is_first:
            # before the waiting threads get the fault: then they find the subject ended
            self._on_fault(fault)
        return self.abandon(first)

    def abandon(self, fault: DriverFault) -> DriverFault:
        """End the process because of a fault, possibly of another process. Return the final fault of this one."""
        with self._lock:
            if self.fault is None:
                self.fault = fault
            first = self.fault
            slots = [slot for _, slot in self._open.values()]
            self._open.clear()
        for slot in slots:
            slot.put(first)
        self._kill()
        return first

    def close(self) -> None:
        """Shut the driver down and make sure that it ends, by killing it if need be. Never raises. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        if self.fault is None:
            with suppress(DriverFault, DriverEnded, TimeoutError):
                self.request("shutdown", {}, SHUTDOWN_SECONDS)
        with self._write_lock:
            self._stdin.close()
        try:
            self._process.wait(timeout=SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        for reader in (self._stdout_reader, self._stderr_reader):
            reader.join(timeout=1.0)

    def crash(self) -> None:
        """Kill the process, as if its machine had failed: whoever waits for an answer gets DriverEnded."""
        self.crashed = True
        self._kill()

    def _kill(self) -> None:
        """Kill the process and its descendants."""
        process = getattr(self, "_process", None)
        if process is None or process.poll() is not None:
            return
        try:
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        process.kill()
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise RuntimeError("every stream of the process was opened as a pipe")
        return stream

    @property
    def _stdin(self) -> IO[bytes]:
        return self._pipe(self._process.stdin)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid
