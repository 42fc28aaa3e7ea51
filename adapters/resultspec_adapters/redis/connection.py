"""Connections to a Redis: from the URL, with errors in our own terms and never a password in them."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from resultspec_reference.errors import DecodeError, ImproperlyConfigured, OperationalError
from resultspec_reference.uri import sanitize

SOCKET_TIMEOUT: Final = 30.0
"""Seconds that the server may take for a reply, where neither the URL nor an option says otherwise."""

CONNECT_TIMEOUT: Final = 5.0
"""Seconds that connecting may take, likewise."""

_CELERY_CERT_REQS: Final = {"CERT_REQUIRED": "required", "CERT_OPTIONAL": "optional", "CERT_NONE": "none"}

_TRANSIENT: Final = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, OSError)
_REFUSED: Final = (redis.AuthenticationError, redis.exceptions.AuthorizationError)


def _nameless(connection: redis.Connection) -> dict[str, None]:
    """Return the options with which a connection does not say by which client library it was made.

    To say it takes two round trips, and in recent releases of redis-py the reading of a file, too: for each of the
    connections that every wait and every join opens.
    """
    names = ("driver_info",) if hasattr(connection, "driver_info") else ("lib_name", "lib_version")
    return dict.fromkeys(names)


class Server:
    """Where a Redis is, and how to connect to it.

    `options` are those of redis-py's connections and count more than the URL's. Raises
    ImproperlyConfigured.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.shown = sanitize(url)
        try:
            parse: Callable[[str], Mapping[str, Any]] = parse_url
            self._options: dict[str, Any] = {**parse(url), **options}
            if "db" not in self._options and urlsplit(url).path.strip("/") and not url.startswith("unix:"):
                # redis-py would take database 0 in the place of one that it cannot read
                raise ValueError("the database is no number")
        except ValueError:
            # the message may hold a part of the password
            raise ImproperlyConfigured(f"{self.shown} is not a Redis URL") from None
        self._class: type[redis.Connection] = self._options.pop("connection_class", redis.Connection)
        if self._options.get("ssl_cert_reqs") in _CELERY_CERT_REQS:
            self._options["ssl_cert_reqs"] = _CELERY_CERT_REQS[self._options["ssl_cert_reqs"]]
        self._options = {
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            **self._options,
            "protocol": 2,
            "decode_responses": False,
            # whether to try again is decided by the retry policy of the backend, and by the deadline of a wait
            "retry": Retry(NoBackoff(), 0),
        }
        self.patience: float = self._options["socket_timeout"] or SOCKET_TIMEOUT
        try:
            self._options |= _nameless(self.connection())
        except (TypeError, ValueError, redis.RedisError) as error:
            raise ImproperlyConfigured(f"{self.shown}: {self._clean(error)}") from None

    def pool(self) -> redis.ConnectionPool:
        """Return a new pool of connections, none of them open."""
        return redis.ConnectionPool(connection_class=self._class, **self._options)

    def connection(self, limit: float = math.inf) -> redis.Connection:
        """Return a new connection, not yet open, that waits no longer than `limit` seconds for anything."""
        options = dict(self._options)
        for name in ("socket_timeout", "socket_connect_timeout"):
            allowed = min(math.inf if options[name] is None else options[name], limit)
            options[name] = None if math.isinf(allowed) else allowed
        return self._class(**options)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of redis-py into OperationalError, and a key that holds no bytes into DecodeError."""
        try:
            yield
        except _REFUSED as error:
            raise OperationalError(f"{self.shown} refuses us: {self._clean(error)}", permanent=True) from None
        except _TRANSIENT as error:
            raise OperationalError(f"{self.shown}: {self._clean(error)}") from None
        except redis.RedisError as error:
            if str(error).startswith("WRONGTYPE"):
                raise DecodeError("the key holds something else than a string") from None
            raise OperationalError(f"{self.shown}: {self._clean(error)}", permanent=True) from None

    def _clean(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        secret = self._options.get("password")
        return text.replace(str(secret), "**") if secret else text


class Line:
    """One connection of a waiter's own, each step of which is bounded in time.

    A step that fails or is interrupted ends the line: what the next reply would belong to is not known.
    """

    def __init__(self, server: Server, limit: float) -> None:
        self._server = server
        self._alive = True
        self._connection = cast(Any, server.connection(limit))
        with self._step():
            self._connection.connect()

    @property
    def alive(self) -> bool:
        """Whether every step so far has succeeded, and the line has not been closed."""
        return self._alive

    def send(self, *command: str | bytes) -> None:
        """Send a command."""
        with self._step():
            self._connection.send_command(*command)

    def hear(self, limit: float) -> Any:
        """Return the next reply or message. Raises OperationalError if none comes within the limit, in seconds."""
        with self._step():
            if not self._connection.can_read(timeout=min(limit, self._server.patience)):
                raise redis.TimeoutError(f"no reply after {limit:.3g} s")
            return self._connection.read_response()

    def is_heard(self, seconds: float) -> bool:
        """Whether something comes within the time; the end of the connection is something, too."""
        with self._step():
            return bool(self._connection.can_read(timeout=seconds))

    def close(self) -> None:
        """Close the connection. Idempotent, and raises nothing."""
        self._alive = False
        try:
            self._connection.disconnect()
        except (OSError, redis.RedisError):
            return

    @contextmanager
    def _step(self) -> Iterator[None]:
        if not self._alive:
            raise OperationalError(f"{self._server.shown}: the connection was lost")
        try:
            with self._server.errors():
                yield
        except BaseException:
            self.close()
            raise


class Lines:
    """The connections of one process on which single commands are asked; they stay open between two of them.

    A pool of redis-py's looks at a connection before each command and keeps accounts of it, which costs as much time as
    the command itself. Here a connection is found out to be closed when it is used: then the command is sent once more
    on a new one, so it has to be one that does no harm twice. Safe in threads.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: deque[Any] = deque()

    def ask(self, *command: str | bytes | int) -> Any:
        """Return the reply to a command. Raises the errors of redis-py."""
        try:
            connection = self._idle.pop()
        except IndexError:
            pass
        else:
            try:
                return self._ask(connection, command)
            except (redis.ConnectionError, ConnectionError):
                # what has befallen this one has befallen the others
                self.close()
        connection = cast(Any, self._server.connection())
        connection.connect()
        return self._ask(connection, command)

    def _ask(self, connection: Any, command: tuple[str | bytes | int, ...]) -> Any:
        try:
            connection.send_command(*command)
            reply = connection.read_response()
        except redis.ResponseError:
            # an error is a reply like others
            self._idle.append(connection)
            raise
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return reply

    def close(self) -> None:
        """Close the connections that are not in use; a later command opens new ones."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.disconnect()


class Patience:
    """How long a step of a wait may take: for the rest of the time, or a little longer.

    Ready wins over late, so what begins at the deadline is given time to end: as much as the store has
    shown to need, and a second as long as it has shown nothing.
    """

    unknown: Final = 1.0
    least: Final = 0.1
    factor: Final = 3.0

    def __init__(self) -> None:
        self._slowest: float | None = None

    def limit(self, remaining: float) -> float:
        """Return the seconds for a step, given those that remain until the deadline."""
        if self._slowest is None:
            return max(remaining, self.unknown)
        return max(remaining, self.least, self.factor * self._slowest)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Learn from a step that succeeds."""
        began = time.monotonic()
        yield
        self._slowest = max(self._slowest or 0.0, time.monotonic() - began)
