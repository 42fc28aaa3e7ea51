"""What a server in a container is asked, to know that it is up: the engine accepts connections before the server does.

Each greeting needs no package of the store, and leaves no trace in it.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

PROTOCOL_OF_POSTGRESQL = 3 << 16
PROTOCOL_OF_MARIADB = 10
ENOUGH_BYTES = 4096


@dataclass(frozen=True)
class HealthCheck:
    """What is sent, made from the user and the password, and what has to be heard."""

    sent: Callable[[str, str], bytes]
    heard: Callable[[bytes], bool]

    def answered(self, host: str, port: int, user: str, password: str) -> bool:
        """Whether the server at an address answers the greeting, within a second for each part of the answer."""
        heard = b""
        try:
            with socket.create_connection((host, port), timeout=1.0) as connection:
                connection.sendall(self.sent(user, password))
                while not self.heard(heard) and len(heard) < ENOUGH_BYTES:
                    piece = connection.recv(ENOUGH_BYTES)
                    if not piece:
                        return False
                    heard += piece
        except OSError:
            return False
        return self.heard(heard)


def _startup(user: str, _password: str) -> bytes:
    """Return the first message of a client of PostgreSQL; a server that still starts answers with an error."""
    message = struct.pack("!I", PROTOCOL_OF_POSTGRESQL) + f"user\0{user}\0\0".encode()
    return struct.pack("!I", len(message) + 4) + message


REDIS = HealthCheck(lambda _user, password: f"AUTH {password}\r\nPING\r\n".encode(), lambda heard: b"+PONG" in heard)

# R: how the client has to prove who it is
POSTGRESQL = HealthCheck(_startup, lambda heard: heard[:1] == b"R")

# the server speaks first: four bytes of a packet, then the version of its protocol, or 0xff and an error
MARIADB = HealthCheck(lambda _user, _password: b"", lambda heard: heard[4:5] == bytes([PROTOCOL_OF_MARIADB]))
