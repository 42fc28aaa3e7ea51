"""Connections to a Redis: from its URL, with translated errors that never have a password in them."""

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
"""Seconds that connecting may take, where neither says otherwise."""

_CELERY_CERT_REQS: Final = {"CERT_REQUIRED": "required", "CERT_OPTIONAL": "optional", "CERT_NONE": "none"}

_TRANSIENT: Final = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, OSError)
_REFUSED: Final = (redis.AuthenticationError, redis.exceptions.AuthorizationError)


def _without_client_info(connection: redis.Connection) -> dict[str, None]:
    """Return the options with which a connection does not send the name of its client library.

    Sending it takes two round trips, and recent releases of redis-py also read a file for it. Every wait and every join
    would pay that for each connection that it opens.
    """
    names = ("driver_info",) if hasattr(connection, "driver_info") else ("lib_name", "lib_version")
    return dict.fromkeys(names)


class Server:
    """Where a Redis is, and how to connect to it.

    `options` are those of redis-py's connections, and take precedence over the URL. Raises ImproperlyConfigured.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.shown = sanitize(url)
        try:
            parse: Callable[[str], Mapping[str, Any]] = parse_url
            self._options: dict[str, Any] = {**parse(url), **options}
            if "db" not in self._options and urlsplit(url).path.strip("/") and not url.startswith("unix:"):
                # redis-py would use database 0 instead
                raise ValueError("the database is not a number")
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
            # retries are decided by the retry policy of the backend, and by the deadline of a wait
            "retry": Retry(NoBackoff(), 0),
        }
        self.socket_timeout: float = self._options["socket_timeout"] or SOCKET_TIMEOUT
        try:
            self._options |= _without_client_info(self.connection())
        except (TypeError, ValueError, redis.RedisError) as error:
            raise ImproperlyConfigured(f"{self.shown}: {self._clean(error)}") from None

    def pool(self) -> redis.ConnectionPool:
        """Return a new pool of connections, none of which is open."""
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
        """Raise OperationalError for errors of redis-py, DecodeError for a key that does not hold bytes."""
        try:
            yield
        except _REFUSED as error:
            raise OperationalError(f"{self.shown} refuses us: {self._clean(error)}", permanent=True) from None
        except _TRANSIENT as error:
            raise OperationalError(f"{self.shown}: {self._clean(error)}") from None
        except redis.RedisError as error:
            if str(error).startswith("WRONGTYPE"):
                raise DecodeError("the key holds another type than a string") from None
            raise OperationalError(f"{self.shown}: {self._clean(error)}", permanent=True) from None

    def _clean(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        secret = self._options.get("password")
        return text.replace(str(secret), "**") if secret else text


class WaiterConnection:
    """A connection of one waiter, with a time limit for each step.

    A step that fails or is interrupted ends the connection: it is unknown to which command the next reply would belong.
    """

    def __init__(self, server: Server, limit: float) -> None:
        self._server = server
        self._alive = True
        self._connection = cast(Any, server.connection(limit))
        with self._step():
            self._connection.connect()

    @property
    def alive(self) -> bool:
        """Whether every step so far has succeeded, and the connection has not been closed."""
        return self._alive

    def send(self, *command: str | bytes) -> None:
        """Send a command."""
        with self._step():
            self._connection.send_command(*command)

    def receive(self, limit: float) -> Any:
        """Return the next reply or message. Raises OperationalError if none comes within the limit, in seconds."""
        with self._step():
            if not self._connection.can_read(timeout=min(limit, self._server.socket_timeout)):
                raise redis.TimeoutError(f"no reply after {limit:.3g} s")
            return self._connection.read_response()

    def has_input(self, seconds: float) -> bool:
        """Whether there is something to receive within the time. The end of the connection counts, too."""
        with self._step():
            return bool(self._connection.can_read(timeout=seconds))

    def close(self) -> None:
        """Close the connection. Idempotent; never raises."""
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


class CommandConnections:
    """The connections of one process for single commands. They stay open between commands. Thread-safe.

    A pool of redis-py checks a connection before each command and does bookkeeping, which takes as much time as the
    command itself. Here, a closed connection is noticed only when it is used. Then the command is sent again on a new
    one, so it has to be one that is harmless when it runs twice.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: deque[Any] = deque()

    def execute(self, *command: str | bytes | int) -> Any:
        """Return the reply to a command. Raises the errors of redis-py."""
        try:
            connection = self._idle.pop()
        except IndexError:
            pass
        else:
            try:
                return self._execute_on(connection, command)
            except (redis.ConnectionError, ConnectionError):
                # the others were probably lost with it
                self.close()
        connection = cast(Any, self._server.connection())
        connection.connect()
        return self._execute_on(connection, command)

    def _execute_on(self, connection: Any, command: tuple[str | bytes | int, ...]) -> Any:
        try:
            connection.send_command(*command)
            reply = connection.read_response()
        except redis.ResponseError:
            # an error is a reply like any other
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


class StepTimeout:
    """How long a step of a wait may take: until the deadline, or a little longer.

    Ready wins over late, so a step that begins at the deadline gets time to end: a multiple of the slowest step so far,
    or a second if no step has been measured.
    """

    initial: Final = 1.0
    minimum: Final = 0.1
    factor: Final = 3.0

    def __init__(self) -> None:
        self._slowest: float | None = None

    def limit(self, remaining: float) -> float:
        """Return the seconds for a step, given those until the deadline."""
        if self._slowest is None:
            return max(remaining, self.initial)
        return max(remaining, self.minimum, self.factor * self._slowest)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a step, if it succeeds."""
        began = time.monotonic()
        yield
        self._slowest = max(self._slowest or 0.0, time.monotonic() - began)
