"""Health checks for servers in containers, whose ports accept connections before the server does.

A health check does not need the client library of the store, and leaves no trace in the store.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

POSTGRESQL_PROTOCOL = 3 << 16
MARIADB_PROTOCOL = 10
MAX_BYTES = 4096


@dataclass(frozen=True)
class HealthCheck:
    """A request, made from the user and the password, and whether the bytes received so far show a healthy server."""

    request: Callable[[str, str], bytes]
    is_healthy: Callable[[bytes], bool]

    def passes(self, host: str, port: int, user: str, password: str) -> bool:
        """Whether the server at an address passes, within a second for each part of its answer."""
        received = b""
        try:
            with socket.create_connection((host, port), timeout=1.0) as connection:
                connection.sendall(self.request(user, password))
                while not self.is_healthy(received) and len(received) < MAX_BYTES:
                    piece = connection.recv(MAX_BYTES)
                    if not piece:
                        return False
                    received += piece
        except OSError:
            return False
        return self.is_healthy(received)


def _startup(user: str, _password: str) -> bytes:
    """Return the startup message of a PostgreSQL client; a server that is still starting answers with an error."""
    message = struct.pack("!I", POSTGRESQL_PROTOCOL) + f"user\0{user}\0\0".encode()
    return struct.pack("!I", len(message) + 4) + message


REDIS = HealthCheck(
    lambda _user, password: f"AUTH {password}\r\nPING\r\n".encode(), lambda received: b"+PONG" in received
)

# R: the server asks for authentication
POSTGRESQL = HealthCheck(_startup, lambda received: received[:1] == b"R")

# the server sends first: a packet header of four bytes, then the protocol version, or 0xff and an error
MARIADB = HealthCheck(lambda _user, _password: b"", lambda received: received[4:5] == bytes([MARIADB_PROTOCOL]))
