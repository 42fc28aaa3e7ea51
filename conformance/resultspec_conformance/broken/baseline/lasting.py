"""Stores that outlive the process: what a server of the small backend holds, in files, in SQLite or in Redis.

Only one process at a time uses such a store, so the locks and channels of a server can stay in that process, and so
can the list of the keys.
"""

import os
import shutil
import sqlite3
import struct
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resultspec_conformance.subject.errors import SubjectError


@dataclass(frozen=True)
class Kept:
    """What a server holds, values and the ends of lives by key, and the function that removes it for good."""

    data: MutableMapping[str, bytes] = field(default_factory=dict)
    ends: MutableMapping[str, float] = field(default_factory=dict)
    remove: Callable[[], None] | None = None


class Lasting(MutableMapping[str, bytes]):
    """Values by key, in a store that an earlier process may have filled. Keys come in the order of their first writes.

    In the store, a key is bytes too.
    """

    def __init__(self) -> None:
        self._keys = {key.decode("utf-8", "surrogatepass"): key for key in self._stored_keys()}

    @abstractmethod
    def _stored_keys(self) -> Iterable[bytes]:
        """Return the keys that the store has at first."""

    @abstractmethod
    def _read(self, key: bytes) -> bytes:
        """Return the value of a key that is there."""

    @abstractmethod
    def _write(self, key: bytes, value: bytes) -> None:
        """Set the value of a key, in one step."""

    @abstractmethod
    def _remove(self, key: bytes) -> None:
        """Remove a key that is there."""

    def __getitem__(self, key: str) -> bytes:
        return self._read(self._keys[key])

    def __setitem__(self, key: str, value: bytes) -> None:
        stored = key.encode("utf-8", "surrogatepass")
        self._write(stored, value)
        self._keys.setdefault(key, stored)

    def __delitem__(self, key: str) -> None:
        self._remove(self._keys.pop(key))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class InFile(Lasting):
    """A file to which each change is added: key and value, or the key alone where it is removed."""

    LENGTHS = struct.Struct("!qq")
    """Of the key and of the value; of the value -1, if the key is removed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # without a buffer: what was written is there, however the process ends
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._values: dict[bytes, tuple[int, int]] = {}
        super().__init__()

    def _stored_keys(self) -> Iterable[bytes]:
        place, end = 0, os.fstat(self._file).st_size
        while place < end:
            key_length, length = self.LENGTHS.unpack(self._at(place, self.LENGTHS.size))
            key = self._at(place + self.LENGTHS.size, key_length)
            place += self.LENGTHS.size + key_length
            self._values[key] = (place, length)
            place += max(0, length)
        return [key for key, (_, length) in self._values.items() if length >= 0]

    def _at(self, place: int, length: int) -> bytes:
        return os.pread(self._file, length, place)

    def _add(self, key: bytes, length: int, value: bytes) -> None:
        os.write(self._file, self.LENGTHS.pack(len(key), length) + key + value)
        self._values[key] = (os.fstat(self._file).st_size - len(value), length)

    def _read(self, key: bytes) -> bytes:
        return self._at(*self._values[key])

    def _write(self, key: bytes, value: bytes) -> None:
        self._add(key, len(value), value)

    def _remove(self, key: bytes) -> None:
        self._add(key, -1, b"")

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class InSQLite(Lasting):
    """A table of a SQLite database."""

    def __init__(self, database: sqlite3.Connection, table: str) -> None:
        self._database, self._table = database, table
        self._run("CREATE TABLE IF NOT EXISTS ENTRIES (key BLOB PRIMARY KEY, value BLOB)")
        super().__init__()

    def _run(self, statement: str, *values: bytes) -> list[Any]:
        return self._database.execute(statement.replace("ENTRIES", self._table), values).fetchall()

    def _stored_keys(self) -> Iterable[bytes]:
        return [key for (key,) in self._run("SELECT key FROM ENTRIES ORDER BY rowid")]

    def _read(self, key: bytes) -> bytes:
        return bytes(self._run("SELECT value FROM ENTRIES WHERE key = ?", key)[0][0])

    def _write(self, key: bytes, value: bytes) -> None:
        self._run("INSERT OR REPLACE INTO ENTRIES VALUES (?, ?)", key, value)

    def _remove(self, key: bytes) -> None:
        self._run("DELETE FROM ENTRIES WHERE key = ?", key)


class InRedis(Lasting):
    """A hash of a Redis."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        super().__init__()

    def _stored_keys(self) -> Iterable[bytes]:
        found: list[bytes] = self._client.hkeys(self._name)
        return found

    def _read(self, key: bytes) -> bytes:
        return bytes(self._client.hget(self._name, key))

    def _write(self, key: bytes, value: bytes) -> None:
        self._client.hset(self._name, key, value)

    def _remove(self, key: bytes) -> None:
        self._client.hdel(self._name, key)


class Numbers(dict[str, float]):
    """Numbers that are also kept as texts; they are read once."""

    def __init__(self, texts: Lasting) -> None:
        super().__init__({key: float(text) for key, text in texts.items()})
        self._texts = texts

    def __setitem__(self, key: str, value: float) -> None:
        self._texts[key] = repr(value).encode()
        super().__setitem__(key, value)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a number and return it."""
        self._texts.pop(key, None)
        return super().pop(key, *default)


# -- the kinds of stores -----------------------------------------------------------------------


def _directory(run: str) -> Path:
    return Path(tempfile.gettempdir()) / f"resultspec-broken-{run}"


def _in_memory(_url: str, _run: str) -> Kept:
    return Kept()


def _in_files(_url: str, run: str) -> Kept:
    root = _directory(run)
    data, ends = InFile(root / "data"), InFile(root / "ends")

    def remove() -> None:
        data.close()
        ends.close()
        shutil.rmtree(root, ignore_errors=True)

    return Kept(data, Numbers(ends), remove)


def _in_sqlite(_url: str, run: str) -> Kept:
    root = _directory(run)
    root.mkdir(exist_ok=True)
    database = sqlite3.connect(root / "entries.db", isolation_level=None, check_same_thread=False)
    # the death of a process loses nothing by this, and what is there when a machine fails, nobody will want
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")

    def remove() -> None:
        database.close()
        shutil.rmtree(root, ignore_errors=True)

    return Kept(InSQLite(database, "data"), Numbers(InSQLite(database, "ends")), remove)


def _in_redis(url: str, run: str) -> Kept:
    import redis

    try:
        client = redis.Redis.from_url(url)
        client.ping()
    except (redis.RedisError, ValueError) as error:
        raise SubjectError(f"there is no Redis to keep entries in: {error}") from error
    data, ends = (f"resultspec-broken-{run}-{name}" for name in ("data", "ends"))

    def remove() -> None:
        client.delete(data, ends)
        client.close()

    return Kept(InRedis(client, data), Numbers(InRedis(client, ends)), remove)


KINDS: Mapping[str, Callable[[str, str], Kept]] = {
    "memory": _in_memory,
    "files": _in_files,
    "sqlite": _in_sqlite,
    "redis": _in_redis,
}
"""How each kind of store is opened, given its URL and the id of the run. The first one ends with the process."""


def open_kept(store: str, run: str) -> Kept:
    """Open the store of a run, given the name of its kind, or its URL. Raises KeyError, SubjectError."""
    return KINDS[store.partition(":")[0]](store, run)
