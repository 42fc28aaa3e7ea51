"""Stores that outlive the process: what a server of the small backend holds, in files, in SQLite or in Redis.

Only one process at a time uses such a store, so the locks and channels of a server can stay in that process, and so
can the list of the keys.
"""

import hashlib
import shutil
import sqlite3
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


class InFiles(Lasting):
    """A directory, with a file for each key: the length of the key, the key, the value."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__()

    def _path(self, key: bytes) -> Path:
        return self._directory / f"{hashlib.sha256(key).hexdigest()}.entry"

    def _stored_keys(self) -> Iterable[bytes]:
        for path in self._directory.glob("*.entry"):
            length, _, rest = path.read_bytes().partition(b"\n")
            yield rest[: int(length)]

    def _read(self, key: bytes) -> bytes:
        return self._path(key).read_bytes().partition(b"\n")[2][len(key) :]

    def _write(self, key: bytes, value: bytes) -> None:
        written = self._path(key).with_suffix(".written")
        written.write_bytes(b"%d\n" % len(key) + key + value)
        written.replace(self._path(key))

    def _remove(self, key: bytes) -> None:
        self._path(key).unlink()


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
    data, ends = InFiles(root / "data"), InFiles(root / "ends")
    return Kept(data, Numbers(ends), lambda: shutil.rmtree(root, ignore_errors=True))


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
