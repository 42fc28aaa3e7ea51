"""What the process of a backend prints: each line is passed on when it comes, and the last ones are kept."""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO

from resultspec_conformance.limits import LAST_WORDS, LONGEST_PRINTED_LINE

_KEPT_LINES = 300
"""Enough for what Python's fault handler prints: the stacks of all threads."""

_CRASH = "Fatal Python error"
_CRASHED_THREAD = "Current thread"


class BackendOutput:
    """The standard error of a process, where the standard output of the backend goes, too. It takes the stream over.

    `heard` is called with each line, by a thread of its own or by that which calls `drain`.
    """

    def __init__(self, stream: IO[str] | None, heard: Callable[[str], None]) -> None:
        if stream is None:
            raise RuntimeError("standard error was opened as a pipe")
        # a descriptor of our own: nobody else closes it while a thread waits for it
        self._descriptor = os.dup(stream.fileno())
        stream.close()
        self._heard = heard
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._unfinished = b""
        self._ended = False
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, daemon=True).start()

    def drain(self) -> None:
        """Read everything that has been written so far."""
        with self._lock:
            while not self._ended and self._readable(0):
                self._read()

    def last_words(self) -> list[str]:
        """Return the lines that say why the process ended, after the most telling one; empty if it printed nothing."""
        self.drain()
        unfinished = self._unfinished.decode("utf-8", "backslashreplace")
        return telling([line for line in (*self._lines, unfinished) if line.strip()])

    def _follow(self) -> None:
        while not self._ended:
            self._readable(None)
            self.drain()

    def _readable(self, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(timeout))

    def _read(self) -> None:
        data = os.read(self._descriptor, 65536)
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        if self._unfinished and (not data or len(self._unfinished) > LONGEST_PRINTED_LINE):
            lines.append(self._unfinished)
            self._unfinished = b""
        for line in lines:
            text = line.decode("utf-8", "backslashreplace").rstrip("\r")
            self._lines.append(text)
            self._heard(text)
        if not data:
            self._ended = True
            os.close(self._descriptor)


def telling(lines: Sequence[str]) -> list[str]:
    """Return the lines of an output that say why it ended, after the most telling one: the last ones, or a crash."""
    crash = next((number for number, line in enumerate(lines) if line.startswith(_CRASH)), None)
    if crash is None:
        last = lines[-LAST_WORDS:]
        return [*last[-1:], *(last if len(last) > 1 else ())]
    numbers = range(crash + 1, len(lines))
    thread = next((number for number in numbers if lines[number].startswith(_CRASHED_THREAD)), crash + 1)
    return [lines[crash], *lines[thread : thread + LAST_WORDS - 1]]
