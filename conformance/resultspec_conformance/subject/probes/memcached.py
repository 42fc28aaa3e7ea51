"""The probe of a memcached: raw keys, and their lives, by the commands of its text protocol."""

import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes.keyed import KeyedProbe

PORT: Final = 11211
SECONDS: Final = 5.0
LONGEST_KEY: Final = 250
LONGEST_RELATIVE_LIFE: Final = 30 * 24 * 3600
"""A number of seconds above this one is an instant, in seconds since 1970."""

KEPT_SECONDS: Final = 3600
"""How long the memcached keeps what the probe has put there."""

_LOSSES: Final = {"pid": "was restarted", "evictions": "has evicted entries to free memory", "cmd_flush": "was emptied"}


class MemcachedProbe(KeyedProbe):
    """A probe of one memcached, of version 1.6 or newer. Thread-safe."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(prefix)
        self.shown = url
        place = urlsplit(url.removeprefix("cache+"))
        self._address = (place.hostname or "localhost", place.port or PORT)
        self._lock = threading.RLock()
        self._stream: io.BufferedRWPair | None = None
        self._rounded: dict[tuple[str, str], float] = {}
        version = self._line("version").removeprefix("VERSION ")
        if version.startswith(("0.", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5")):
            raise SubjectError(f"{url} is a memcached {version}.\nThe suite looks into version 1.6 and newer.")
        self._beginning = self._stats()

    # -- the protocol --------------------------------------------------------------------------

    def _connected(self) -> io.BufferedRWPair:
        if self._stream is None:
            connection = socket.create_connection(self._address, timeout=SECONDS)
            self._stream = connection.makefile("rwb")
            connection.close()  # the stream keeps the socket open
        return self._stream

    def _ask(self, command: bytes) -> Iterator[bytes]:
        """Yield the lines of an answer. Raises SubjectError if the server cannot be reached."""
        try:
            stream = self._connected()
            stream.write(command + b"\r\n")
            stream.flush()
            while line := stream.readline():
                yield line.removesuffix(b"\r\n")
            raise ConnectionError("the connection was closed")
        except OSError as error:
            self.close()
            raise SubjectError(
                f"{self.shown} cannot be reached: {type(error).__name__}.\nStart the memcached, or correct the URL."
            ) from error

    def _line(self, command: str) -> str:
        """Return an answer of one line."""
        with self._lock:
            return next(self._ask(command.encode())).decode("utf-8", "replace")

    def _stats(self) -> dict[str, str]:
        with self._lock:
            found = {}
            for line in self._ask(b"stats"):
                if line == b"END":
                    break
                _, name, value = line.decode().split(" ", 2)
                found[name] = value
            return found

    @staticmethod
    def _name(key: str) -> bytes | None:
        """Return a key as the protocol has it, or None for one that memcached cannot have."""
        name = key.encode("utf-8", "surrogatepass")
        plain = 0 < len(name) <= LONGEST_KEY and not any(byte <= 32 or byte == 127 for byte in name)
        return name if plain else None

    # -- keys ----------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""
        name = self._name(key)
        if name is None:
            return None
        with self._lock:
            head = next(self._ask(b"mg " + name + b" v"))
            if not head.startswith(b"VA "):
                return None
            return self._connected().read(int(head.split()[1]) + 2)[:-2]

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key, for one hour, with the flags that it had. Raises Unobserved if it is refused."""
        name = self._name(key)
        if name is None:
            raise Unobserved(f"memcached cannot have the key {key[:80]!r}")
        with self._lock:
            found = next(self._ask(b"mg " + name + b" f")).split()
            flags = found[1].removeprefix(b"f") if found[0] == b"HD" else b"0"
            head = b" ".join([b"set", name, flags, b"%d" % KEPT_SECONDS, b"%d" % len(value)])
            answer = next(self._ask(head + b"\r\n" + value))
        if answer != b"STORED":
            raise Unobserved(f"memcached does not take {len(value)} bytes: {answer.decode()}")

    def delete(self, *keys: str) -> None:
        """Remove keys."""
        for name in filter(None, map(self._name, keys)):
            with self._lock:
                next(self._ask(b"delete " + name))

    def keys(self) -> frozenset[str]:
        """Return all keys."""
        return frozenset(self._lives())

    def _lives(self) -> dict[str, float]:
        """Return all keys, and the remaining seconds of each."""
        found: dict[str, float] = {}
        with self._lock:
            for line in self._ask(b"lru_crawler metadump all"):
                if line == b"END":
                    return found
                if not line.startswith(b"key="):
                    # the crawler is looking through the entries on its own account
                    return self._lives()
                members = dict(member.split("=", 1) for member in line.decode().split(" ") if member)
                end = int(members["exp"])
                if end < 0 or end > time.time():
                    found[unquote(members["key"], errors="surrogateescape")] = (
                        math.inf if end < 0 else end - time.time()
                    )
        return found

    # -- lives ---------------------------------------------------------------------------------

    def remaining(self, task_id: str) -> float | None:
        """Return the remaining seconds of an entry: infinity means forever, None that there is no entry."""
        name = self._name(self.key(task_id))
        found = [] if name is None else self._line(f"mg {name.decode('utf-8', 'surrogateescape')} t").split()
        if found[:1] != ["HD"]:
            return None
        left = int(found[1].removeprefix("t"))
        return math.inf if left < 0 else float(left)

    def age(self, task_id: str, seconds: float) -> bool:
        """Subtract some seconds from the remaining lifetime of an entry, if it has one."""
        left = self.remaining(task_id)
        if left is None or math.isinf(left):
            return False
        key = self.key(task_id)
        # lives are whole seconds: what was rounded up here is subtracted the next time, unless it was stored again
        entry = (key, self._line(f"mg {key} c"))
        exact = left - seconds - self._rounded.get(entry, 0.0)
        rest = math.ceil(exact)
        self._rounded[entry] = rest - exact
        life = -1 if rest <= 0 else rest if rest <= LONGEST_RELATIVE_LIFE else int(time.time()) + rest
        return self._line(f"touch {key} {life}") == "TOUCHED"

    def bookkeeping(self, group_id: str) -> dict[str, float]:
        """Return the keys with the id of a group in their names, and the remaining seconds of each."""
        return {key: left for key, left in self._lives().items() if group_id in key}

    def traffic(self) -> int:
        """Return the number of bytes that the server has received and sent."""
        stats = self._stats()
        return int(stats["bytes_read"]) + int(stats["bytes_written"])

    # -- the server ----------------------------------------------------------------------------

    def ping(self) -> None:
        """Raise SubjectError if the memcached cannot be reached, or has lost entries since the beginning."""
        now = self._stats()
        for name, what in _LOSSES.items():
            if now.get(name) != self._beginning.get(name):
                raise SubjectError(
                    f"{self.shown} {what} during the run, so stored results were lost.\n"
                    "Run again with a server that has memory to spare, and that nobody else restarts or empties."
                )

    def close(self) -> None:
        """Close the probe's connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()
