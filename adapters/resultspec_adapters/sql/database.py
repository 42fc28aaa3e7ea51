"""A database: its URL, the engines of this process, and connections whose errors are translated."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc, pool

from resultspec_adapters.sql.connection_cache import ConnectionCache
from resultspec_adapters.sql.errors import translated
from resultspec_reference.errors import ImproperlyConfigured, OperationalError
from resultspec_reference.per_process import PerProcess
from resultspec_reference.uri import sanitize

CONNECT_TIMEOUT: Final = 5
"""Seconds that connecting may take, where the URL does not say otherwise."""

RESPONSE_TIMEOUT: Final = 30
"""Seconds that a server may be silent, or a SQLite locked, where the URL does not say otherwise."""

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
"""The driver for a scheme without one. Whether a server is MariaDB or MySQL, it says itself."""

_STRICT_MODE: Final = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
"""A value that is too long is an error, and not truncated, whatever the setting of the server."""

_CONNECT_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql+psycopg": {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": RESPONSE_TIMEOUT * 1000},
    "mysql+pymysql": {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": RESPONSE_TIMEOUT,
        "write_timeout": RESPONSE_TIMEOUT,
        "charset": "utf8mb4",
        "init_command": _STRICT_MODE,
    },
    "sqlite+pysqlite": {"timeout": RESPONSE_TIMEOUT},
    "sqlite": {"timeout": RESPONSE_TIMEOUT},
}
"""The arguments with which a driver connects, where the URL does not say otherwise."""


_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""Hosts that are reached without a network, so connections to them need no encryption."""


def _roll_back(connection: sa.Connection) -> None:
    """Roll a connection back; if that fails, give it up."""
    if connection.invalidated:
        return
    try:
        # on the driver: after a failed commit, SQLAlchemy believes that there is no transaction
        connection.connection.rollback()
    except Exception:  # noqa: BLE001 - after any error the connection is unusable
        connection.invalidate()


class Engines(NamedTuple):
    """What a process has: an engine with a pool, a cache of its connections, and an engine without a pool."""

    pooled: sa.Engine
    cache: ConnectionCache
    single: sa.Engine


def _parsed(url: str) -> sa.URL:
    try:
        found = sa.make_url(url.removeprefix("db+"))
    except (exc.ArgumentError, ValueError):
        # the message may hold a part of the password
        raise ImproperlyConfigured(f"{sanitize(url)} is not a database URL") from None
    return found.set(drivername=_DRIVERS.get(found.drivername, found.drivername))


class Database:
    """A database by its URL, whose scheme is `sqlite`, `postgresql`, `mysql` or `mariadb`.

    `engine_options` are those of SQLAlchemy's `create_engine`. Connections are opened when they are needed; a forked
    child opens its own. A SQLite in memory belongs to this object and to one process. `notifies` says whether a waiter
    can learn of a change without reading. `statements` are those for the tables as they were found, in each process.
    Raises ImproperlyConfigured for a URL or options that cannot be used, and if the driver is not installed.
    """

    _shared: ClassVar[dict[tuple[str, str], "Database"]] = {}

    @classmethod
    def of(cls, url: str, engine_options: Mapping[str, Any] | None = None) -> "Database":
        """Return the database that this process shares for a URL and options. One in memory is never shared."""
        key = (url, repr(engine_options))
        found = cls._shared.get(key)
        if found is None:
            found = cls(url, engine_options)
            if not found.in_memory:
                found = cls._shared.setdefault(key, found)
        return found

    def __init__(self, url: str, engine_options: Mapping[str, Any] | None = None) -> None:
        self.shown = sanitize(url)
        self._url = _parsed(url)
        self._options = dict(engine_options or {})
        self.kind: Final = self._url.get_backend_name()
        if self.kind not in ("sqlite", "postgresql", "mysql", "mariadb"):
            raise ImproperlyConfigured(f"{self.shown}: there is no support for {self.kind}")
        if self.kind in ("mysql", "mariadb") and not self._url.database:
            raise ImproperlyConfigured(
                f"{self.shown} does not name a database: write {self._url.get_backend_name()}://HOST/NAME"
            )
        self.in_memory: Final = self.kind == "sqlite" and (
            self._url.database in (None, "", ":memory:") or self._url.query.get("mode") == "memory"
        )
        self.notifies: Final = self.kind == "postgresql" or (self.kind == "sqlite" and not self.in_memory)
        self.statements: Final[PerProcess[dict[Any, Any]]] = PerProcess(dict)
        self._engines = PerProcess(self._make_engines)
        # finds errors in the options, without opening a connection
        self._engines.get()

    def _default_arguments(self) -> Iterator[tuple[str, Any]]:
        """Yield the arguments with which the driver connects, unless the URL says otherwise."""
        yield from _CONNECT_ARGUMENTS.get(self._url.drivername, {}).items()
        encrypts = any(name.startswith("ssl") for name in self._url.query)
        if self._url.drivername == "mysql+pymysql" and self._url.host in _LOCAL_HOSTS and not encrypts:
            # otherwise PyMySQL reads all certificates of the machine for each connection
            yield "ssl_disabled", True

    def _make_engines(self) -> Engines:
        given = {name: value for name, value in self._default_arguments() if name not in self._url.query}
        options: dict[str, Any] = {
            # every statement is a transaction of its own
            "isolation_level": "AUTOCOMMIT",
            "pool_reset_on_return": None,
            **self._options,
            "connect_args": {**given, **self._options.get("connect_args", {})},
        }
        if self.in_memory:
            options |= {"poolclass": pool.QueuePool, "pool_size": 1, "max_overflow": 0}
            options["connect_args"]["check_same_thread"] = False
        alone = {name: value for name, value in options.items() if not name.startswith(("pool", "max_overflow"))}
        try:
            pooled = sa.create_engine(self._url, **options)
            # the option asks for a ping whenever a connection is taken, and a cached one gets none
            cache = ConnectionCache(pooled, enabled=not options.get("pool_pre_ping"))
            return Engines(pooled, cache, sa.create_engine(self._url, poolclass=pool.NullPool, **alone))
        except ModuleNotFoundError as error:
            package = "'resultspec[sql]'" if error.name in ("psycopg", "pymysql") else error.name
            raise ImproperlyConfigured(
                f"{self.shown} needs the Python package {error.name}: pip install {package}"
            ) from None
        except (exc.ArgumentError, TypeError) as error:
            raise ImproperlyConfigured(f"{self.shown}: {error}") from None

    @property
    def is_psycopg(self) -> bool:
        """Whether the driver is psycopg, with every statement a transaction of its own."""
        return self._url.drivername == "postgresql+psycopg" and "isolation_level" not in self._options

    @property
    def engine(self) -> sa.Engine:
        """The engine of this process, with its pool of connections."""
        return self._engines.get().pooled

    @property
    def connection_cache(self) -> ConnectionCache:
        """The cache that lends connections of that pool for single statements."""
        return self._engines.get().cache

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Lend a connection of the pool, in autocommit mode. See `errors` for what it raises."""
        with self.errors(), self.connection_cache.check_out(self.engine.connect) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Lend a connection of the pool in a transaction that may write. An exception rolls it back.

        A SQLite is locked for other writers from the beginning. See `errors` for what it raises.
        """
        with self.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.kind == "sqlite" else "BEGIN")
            try:
                yield connection
                connection.commit()
            except BaseException:
                _roll_back(connection)
                raise

    def open(self) -> sa.Connection:
        """Open a connection that belongs to the caller. See `errors` for what it raises."""
        with self.errors():
            return self._engines.get().single.connect()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the errors of drivers to OperationalError, DecodeError or ValueError, without the password."""
        try:
            yield
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                # the others were probably lost with it
                self.connection_cache.clear()
            raise translated(error, self.shown, self._url.password) from None
        except exc.TimeoutError:
            raise OperationalError(f"{self.shown}: no connection of the pool became free") from None

    def close(self) -> None:
        """Close the connections of the pool; a later call opens new ones. A database in memory is lost."""
        engines = self._engines.get()
        engines.cache.clear()
        engines.pooled.dispose()
        # connections that were given back meanwhile belong to the old pool
        engines.cache.clear()
