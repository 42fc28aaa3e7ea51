"""The local TCP ports of this process and its descendants, by which a server's list of clients tells whose they are."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

_ESTABLISHED = re.compile(rb"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 01 (?:\S+ +){5}(\d+) ", re.MULTILINE)
"""A line of /proc/net/tcp: the local port in hexadecimal, and the inode of the socket."""


def local_ports() -> frozenset[int]:
    """Return the local ports of the open TCP connections of this process and its descendants."""
    this = psutil.Process()
    family = [this, *this.children(recursive=True)]
    if sys.platform == "linux":
        return _from_proc([process.pid for process in family])
    return frozenset(connection.laddr.port for process in family for connection in process.net_connections(kind="tcp"))


def _from_proc(pids: Iterable[int]) -> frozenset[int]:
    """Read the tables of the kernel once: a busy machine has ten thousands of closed connections in them."""
    ours = {inode for pid in pids for inode in _sockets_of(pid)}
    tables = b"".join(path.read_bytes() for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if path.exists())
    return frozenset(int(port, 16) for port, inode in _ESTABLISHED.findall(tables) if inode in ours)


def _sockets_of(pid: int) -> set[bytes]:
    """Return the inodes of the sockets that a process has open; of one that has ended, none."""
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
