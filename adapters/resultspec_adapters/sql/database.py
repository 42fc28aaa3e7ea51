"""Where the tables are: the URL, the engines of a process, and connections whose errors are ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc, pool

from resultspec_adapters.sql.connection_cache import Hand
from resultspec_adapters.sql.errors import ours
from resultspec_reference.errors import ImproperlyConfigured, OperationalError
from resultspec_reference.per_process import PerProcess
from resultspec_reference.uri import sanitize

CONNECT_TIMEOUT: Final = 5
"""Seconds that connecting may take, where the URL does not say otherwise."""

PATIENCE: Final = 30
"""Seconds that a server may be silent, and that a locked SQLite is waited for, likewise."""

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
"""The driver for a scheme that names none. MariaDB is told from MySQL by what the server says of itself."""

_STRICT: Final = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
"""Whatever the server is set to: a value that does not fit is an error, and not cut."""

_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql+psycopg": {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": PATIENCE * 1000},
    "mysql+pymysql": {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": PATIENCE,
        "write_timeout": PATIENCE,
        "charset": "utf8mb4",
        "init_command": _STRICT,
    },
    "sqlite+pysqlite": {"timeout": PATIENCE},
    "sqlite": {"timeout": PATIENCE},
}
"""What a driver is told when it connects, where the URL does not say otherwise."""


_HERE: Final = ("localhost", "127.0.0.1", "::1")
"""Hosts to which no network leads, and so connections that need no encryption."""


def _roll_back(connection: sa.Connection) -> None:
    """Undo what a connection has not committed, or let go of it."""
    if connection.invalidated:
        return
    try:
        # that of the driver: after a commit that has failed SQLAlchemy knows of no transaction
        connection.connection.rollback()
    except Exception:  # noqa: BLE001 - whatever it is, the connection is of no use
        connection.invalidate()


class Engines(NamedTuple):
    """What a process has: a pool, one of its connections at hand, and connections that belong to whoever opens them."""

    pooled: sa.Engine
    hand: Hand
    single: sa.Engine


def _parsed(url: str) -> sa.URL:
    try:
        found = sa.make_url(url.removeprefix("db+"))
    except (exc.ArgumentError, ValueError):
        # the message may hold a part of the password
        raise ImproperlyConfigured(f"{sanitize(url)} is no URL of a database") from None
    return found.set(drivername=_DRIVERS.get(found.drivername, found.drivername))


class Database:
    """A database by its URL, whose scheme is ``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``.

    ``engine_options`` are those of SQLAlchemy's ``create_engine``. Nothing is opened until it is needed; a
    forked child opens its own. A SQLite in memory belongs to this object and to one process. ``tells``:
    whether who waits can learn of a change without reading. ``known`` is what was found out about its tables, by
    process. Raises ImproperlyConfigured for a URL or options that are of no
    use, and where the driver is not installed.
    """

    _shared: ClassVar[dict[tuple[str, str], "Database"]] = {}

    @classmethod
    def of(cls, url: str, engine_options: Mapping[str, Any] | None = None) -> "Database":
        """Return the one of a URL and options that this process shares; one in memory is never shared."""
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
                f"{self.shown} names no database: write {self._url.get_backend_name()}://HOST/NAME"
            )
        self.in_memory: Final = self.kind == "sqlite" and (
            self._url.database in (None, "", ":memory:") or self._url.query.get("mode") == "memory"
        )
        self.tells: Final = self.kind == "postgresql" or (self.kind == "sqlite" and not self.in_memory)
        self.known: Final[PerProcess[dict[Any, Any]]] = PerProcess(dict)
        self._engines = PerProcess(self._make_engines)
        # finds what is wrong with the options, and opens nothing
        self._engines.get()

    def _usual(self) -> Iterator[tuple[str, Any]]:
        """Yield what the driver is told when it connects, unless the URL says otherwise."""
        yield from _ARGUMENTS.get(self._url.drivername, {}).items()
        encrypts = any(name.startswith("ssl") for name in self._url.query)
        if self._url.drivername == "mysql+pymysql" and self._url.host in _HERE and not encrypts:
            # PyMySQL reads all certificates of the machine for each connection
            yield "ssl_disabled", True

    def _make_engines(self) -> Engines:
        given = {name: value for name, value in self._usual() if name not in self._url.query}
        options: dict[str, Any] = {
            # every statement stands by itself
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
            # who wants each connection to be pinged when it is taken gets that
            hand = Hand(pooled, keeps=not options.get("pool_pre_ping"))
            return Engines(pooled, hand, sa.create_engine(self._url, poolclass=pool.NullPool, **alone))
        except ModuleNotFoundError as error:
            package = "'resultspec[sql]'" if error.name in ("psycopg", "pymysql") else error.name
            raise ImproperlyConfigured(
                f"{self.shown} needs the Python package {error.name}: pip install {package}"
            ) from None
        except (exc.ArgumentError, TypeError) as error:
            raise ImproperlyConfigured(f"{self.shown}: {error}") from None

    @property
    def is_psycopg(self) -> bool:
        """Whether the driver is psycopg, on which every statement stands by itself."""
        return self._url.drivername == "postgresql+psycopg" and "isolation_level" not in self._options

    @property
    def engine(self) -> sa.Engine:
        """The engine of this process, with its pool of connections."""
        return self._engines.get().pooled

    @property
    def hand(self) -> Hand:
        """What lends connections of that pool to whoever needs one for a moment."""
        return self._engines.get().hand

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Lend a connection of the pool, on which every statement stands by itself. See `errors` for what it raises."""
        with self.errors(), self.hand.ask(self.engine.connect) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Lend a connection of the pool in a transaction that may write, and that an exception undoes.

        See `errors` for what it raises; a SQLite is locked for other writers from the beginning.
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
        """Turn the errors of drivers into OperationalError, DecodeError and ValueError, without a password in them."""
        try:
            yield
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                # what has befallen this one has befallen the others
                self.hand.empty()
            raise ours(error, self.shown, self._url.password) from None
        except exc.TimeoutError:
            raise OperationalError(f"{self.shown}: no connection of the pool became free") from None

    def close(self) -> None:
        """Close the connections of the pool; a later call opens new ones. A database in memory is gone."""
        engines = self._engines.get()
        engines.hand.empty()
        engines.pooled.dispose()
        # what came back meanwhile is of the pool that was
        engines.hand.empty()
