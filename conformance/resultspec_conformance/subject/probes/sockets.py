"""The TCP connections of this process as the system sees them: their local ports and their traffic."""

import os
import re
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

_ESTABLISHED = re.compile(rb"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 01 (?:\S+ +){5}(\d+) ", re.MULTILINE)
"""A line of /proc/net/tcp: the local port in hexadecimal, and the inode of the socket."""


_COUNTED = struct.Struct("=120xQQ")
"""In Linux' `tcp_info`, the number of bytes that were sent and acknowledged, and that were received."""


def traffic_with(port: int) -> int:
    """Return the number of bytes that this process has exchanged with a port, of any host.

    Only open connections count; 0 if the system does not report it.
    """
    return sum(map(sum, _counted(port))) if sys.platform == "linux" else 0


def _counted(port: int) -> Iterable[tuple[int, ...]]:
    for number in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{number}").startswith("socket:["):
                continue
            copy = socket.fromfd(int(number), socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            continue  # closed in the meantime
        with copy, suppress(OSError, struct.error):
            if copy.getpeername()[1:2] == (port,):
                yield _COUNTED.unpack(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTED.size))


def local_ports() -> frozenset[int]:
    """Return the local ports of the open TCP connections of this process and its descendants."""
    this = psutil.Process()
    family = [this, *this.children(recursive=True)]
    if sys.platform == "linux":
        return _from_proc([process.pid for process in family])
    return frozenset(connection.laddr.port for process in family for connection in process.net_connections(kind="tcp"))


def _from_proc(pids: Iterable[int]) -> frozenset[int]:
    """Read the tables of the kernel once: on a busy machine they have tens of thousands of closed connections."""
    ours = {inode for pid in pids for inode in _sockets_of(pid)}
    tables = b"".join(path.read_bytes() for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if path.exists())
    return frozenset(int(port, 16) for port, inode in _ESTABLISHED.findall(tables) if inode in ours)


def _sockets_of(pid: int) -> set[bytes]:
    """Return the inodes of a process's open sockets; none if the process has ended."""
    found = set()
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return set()
    for number in numbers:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1].encode())
    return found
