"""Results in a Redis: safe with threads, processes and several hosts.

Keys and notifications are those of Celery's Redis backend, so either can read what the other stores: the meta of a task
is under `celery-task-meta-<id>`, a saved group under `celery-taskset-meta-<id>`, and each store publishes the stored
bytes on the channel of the same name.

**Storing.** One Lua script reads the stored entry, decides, sets and publishes, so no other writer can come in between.
A script can read the state of an entry in json; then a store is one round trip. An entry that it cannot read, or must
not replace, is returned to the client, which decides: it runs the script again with the bytes that it has seen, and the
script does nothing if the entry has changed since. An accepted entry is set and published in one step; a refused one is
neither set nor published.

**Waiting.** A waiter has two connections of its own: it subscribes on one and reads on the other. A message means only
that the key has changed; its body is ignored. Since a foreign writer may not publish, a waiter also reads every second
and at its deadline. A join does the same for many keys at a time (`resultspec_adapters.redis.join`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any, Final, cast

import redis

from resultspec_adapters.redis.chords import SUFFIXES, RedisChordStore, Scripts
from resultspec_adapters.redis.connection import CommandConnections, Server
from resultspec_adapters.redis.join import RedisJoinWatch
from resultspec_adapters.redis.watch import RedisWatch
from resultspec_reference import expiry
from resultspec_reference.app import AppProtocol, setting
from resultspec_reference.chords import header as chord_header
from resultspec_reference.chords.ledger import life_of_bookkeeping, life_of_mark
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.entries.unreadable import naming
from resultspec_reference.errors import ContentDisallowed, DecodeError
from resultspec_reference.joining.loop import JoinWatch
from resultspec_reference.keyvalue import KeyValueStoreBackend
from resultspec_reference.per_process import PerProcess
from resultspec_reference.retry import with_retries
from resultspec_reference.state_guard import Guard
from resultspec_reference.waiting.loop import PollingWatch, Watch

STORE_SCRIPT: Final = """
-- KEYS: the key, which is also the channel
-- ARGV: the value; its life in ms, or 0; '1' if the state of an entry can be read here; '1' if bytes are expected;
--       the expected bytes; the states for which the client decides
-- returns 1 if the value was stored, else the stored entry
local there = redis.pcall('GET', KEYS[1])
if type(there) == 'string' and not (ARGV[4] == '1' and there == ARGV[5]) then
    if ARGV[3] ~= '1' then return there end
    local readable, meta = pcall(cjson.decode, there)
    if not readable or type(meta) ~= 'table' or type(meta.status) ~= 'string' then return there end
    for index = 6, #ARGV do
        if ARGV[index] == meta.status then return there end
    end
end
if ARGV[2] == '0' then
    redis.call('SET', KEYS[1], ARGV[1])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
"""

STORE_DIGEST: Final = hashlib.sha1(STORE_SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""The digest by which Redis knows the script."""

_OPTIONS: Final = frozenset(
    {"socket_timeout", "socket_connect_timeout", "socket_keepalive", "username", "password", "db", "client_name"}
)


def milliseconds(life: float | None) -> int:
    """Return a life in milliseconds, rounded up; 0 is for ever."""
    return 0 if life is None else expiry.units(life, 0.001)


class _TaskWatch(RedisWatch):
    """A waiter's view of one key."""

    def __init__(self, backend: "RedisBackend", task_id: str) -> None:
        super().__init__(backend.server)
        self._backend = backend
        self._task_id = task_id
        self._key = backend.get_key_for_task(task_id)

    def subscribe(self, limit: float) -> None:
        limit = self._step_timeout.limit(limit)
        listener = self._listen(limit)
        listener.send("SUBSCRIBE", self._key)
        listener.receive(limit)

    def read(self, limit: float) -> TaskMeta:
        return self._backend.fetch_meta(
            self._task_id, lambda: cast("bytes | None", self._execute(limit, "GET", self._key))
        )

    def rest(self, seconds: float) -> None:
        if self._listener is not None and self._listener.has_input(seconds):
            self._listener.receive(self._step_timeout.minimum)


class RedisBackend(KeyValueStoreBackend):
    """A result backend in a Redis.

    Besides the options of `KeyValueStoreBackend` it takes `expires`, the life of an entry in seconds or as a timedelta
    (None: the setting `result_expires`), `retry_policy`, and options of redis-py's connections: `socket_timeout`,
    `socket_connect_timeout`, `socket_keepalive`, `username`, `password`, `db`, `client_name`. Raises
    ImproperlyConfigured for a URL or options that cannot be used. Connections are opened when they are needed.
    """

    supports_autoexpire = True
    reread_interval = 1.0

    def __init__(self, app: AppProtocol, url: str = "redis://", **options: Any) -> None:
        connection = {name: options.pop(name) for name in _OPTIONS & options.keys()}
        policy: Mapping[str, Any] | None = options.pop("retry_policy", None)
        super().__init__(app, url=url, **options)
        self._life = milliseconds(self.expires)
        transport = setting(app, "result_backend_transport_options") or {}
        self.retry_policy = MappingProxyType(
            {**self.retry_policy, **transport.get("retry_policy", {}), **(policy or {})}
        )
        self.server = Server(url, connection)
        self._clients = PerProcess(lambda: redis.Redis(connection_pool=self.server.pool()))
        self._connections = PerProcess(lambda: CommandConnections(self.server))
        self._chord_scripts = PerProcess(lambda: Scripts(self._connections.get(), self.client))
        self._chord_store = RedisChordStore(
            self._run_chord_script,
            self._chord_keys,
            life_of_bookkeeping(self.expires),
            life_of_mark(self.expires),
            self._saved_shape,
        )

    @property
    def client(self) -> redis.Redis:
        """The client of this process; a forked child has its own."""
        return self._clients.get()

    def close(self) -> None:
        """Close the open connections; a later call opens new ones."""
        self.client.connection_pool.disconnect()
        self._connections.get().close()

    # -- the store -----------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None. Raises DecodeError if the key holds another type."""
        return with_retries(lambda: self._get(key), self.retry_policy)

    def _get(self, key: bytes) -> bytes | None:
        with self.server.errors():
            return cast("bytes | None", self._connections.get().execute("GET", key))

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in their order."""
        wanted = list(keys)

        def ask() -> list[bytes | None]:
            with self.server.errors():
                return cast("list[bytes | None]", self.client.mget(wanted))

        return with_retries(ask, self.retry_policy) if wanted else []

    def set(self, key: bytes, value: bytes) -> None:
        """Store bytes under a key and publish them, whatever was stored before."""

        def put() -> None:
            with self.server.errors(), self.client.pipeline(transaction=True) as pipeline:
                pipeline.set(key, value, px=self._life or None)
                pipeline.publish(key.decode(), value)
                pipeline.execute()

        with_retries(put, self.retry_policy)

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""

        def remove() -> None:
            with self.server.errors():
                self.client.delete(key)

        with_retries(remove, self.retry_policy)

    def expire(self, key: bytes, value: Any) -> None:
        """Give the value of a key, if it exists, a life that begins now."""
        life = milliseconds(expiry.life(value))

        def begin() -> None:
            with self.server.errors():
                if life:
                    self.client.pexpire(key, life)
                else:
                    self.client.persist(key)

        with_retries(begin, self.retry_policy)

    def remove_all(self, prefix: str) -> None:
        """Remove every key that begins with a prefix. Raises ValueError for an empty one."""
        if not prefix:
            raise ValueError("without a prefix this would remove what belongs to others")
        pattern = "".join(f"\\{character}" if character in "*?[]\\^-" else character for character in prefix)
        with self.server.errors():
            for key in self.client.scan_iter(match=f"{pattern}*", count=1000):
                self.client.delete(key)
        self.close()

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Store bytes under a key and publish them if the guard allows it, in one atomic step of the server."""
        expected: bytes | None = None
        while True:
            there = self._run_script(key, value, guard, expected)
            if there is None:
                return True
            if not guard.allows(there):
                return False
            expected = there

    def _run_script(self, key: bytes, value: bytes, guard: Guard, expected: bytes | None) -> bytes | None:
        """Return None if the value was stored, else the stored entry."""
        readable = b"1" if self.serializer == "json" else b"0"
        given = (b"0", b"") if expected is None else (b"1", expected)
        arguments: list[str | bytes | int] = [1, key, value, self._life, readable, *given, *sorted(guard.kept)]

        def run() -> bytes | None:
            connections = self._connections.get()
            with self.server.errors():
                try:
                    found = connections.execute("EVALSHA", STORE_DIGEST, *arguments)
                except redis.exceptions.NoScriptError:
                    # from now on, the server has the script
                    found = connections.execute("EVAL", STORE_SCRIPT, *arguments)
            return None if found == 1 else cast("bytes", found)

        return with_retries(run, self.retry_policy)

    # -- chords --------------------------------------------------------------------------------

    @property
    def chord_store(self) -> RedisChordStore:
        """The store in which the parts of chords are counted."""
        return self._chord_store

    def _run_chord_script(self, name: str, keys: Sequence[bytes], arguments: Sequence[Any], repeat: bool) -> Any:
        def run() -> Any:
            return self._chord_scripts.get().run(self.server, name, keys, arguments, repeat)

        return with_retries(run, self.retry_policy) if repeat else run()

    def _chord_keys(self, group_id: str) -> list[bytes]:
        group = self.get_key_for_group(group_id)
        return [*(group + suffix.encode() for suffix in SUFFIXES), self.get_key_for_chord(group_id), group]

    def _saved_shape(self, payload: bytes) -> bytes | None:
        """Return the nesting of a header that a client of Celery has saved as a group; None if it is flat."""
        try:
            shape = chord_header.shape_of(self.decode(payload)["result"])
        except (DecodeError, ContentDisallowed, TypeError, LookupError):
            return None
        return self.encode(shape) if chord_header.is_nested(shape) else None

    # -- reading and waiting -------------------------------------------------------------------

    def fetch_meta(self, task_id: str, get: Any) -> TaskMeta:
        """Return the meta of the bytes that `get` returns. It uses the cache as `get_task_meta` does."""

        def read(task_id: str) -> TaskMeta:
            with naming(task_id):
                return self._meta_of(task_id, get())

        return self._fetch(task_id, read)

    def _look(self, task_id: str, limit: float) -> AbstractContextManager[Watch]:  # noqa: ARG002 - one read has none
        key = self.get_key_for_task(task_id)
        return PollingWatch(lambda: self.fetch_meta(task_id, lambda: self._get(key)))

    @contextmanager
    def _open_watch(self, task_id: str, limit: float) -> Iterator[Watch]:
        watch = _TaskWatch(self, task_id)
        try:
            watch.subscribe(limit)
            yield watch
        finally:
            watch.close()

    @contextmanager
    def _open_join(self) -> Iterator[JoinWatch]:
        watch = RedisJoinWatch(self, self.server)
        try:
            yield watch
        finally:
            watch.close()
