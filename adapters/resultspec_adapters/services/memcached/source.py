"""Throw-away memcached servers: a given URL, a binary on PATH.

There is no way by Docker, which publishes a port on every interface of the machine: a memcached has no password.
"""

import shutil
from collections.abc import Sequence

from resultspec_adapters.services import local_process
from resultspec_adapters.services.sources import FirstAvailable, binary_way, given_way
from resultspec_adapters.services.supervisor import Unavailable

URL_VARIABLE = "RESULTSPEC_MEMCACHED_URL"


def version(binary: str) -> str:
    """Return the version of a memcached. Raises Unavailable."""
    return local_process.version(binary, r"^memcached (\S+)", "memcached")


def _on_path() -> Sequence[str]:
    binary = shutil.which("memcached")
    if binary is None:
        raise Unavailable("there is none; install memcached, on Debian with: apt-get install memcached")
    return [binary]


given = given_way(URL_VARIABLE, "memcached", "memcached://HOST:PORT", ("memcached",))
on_path = binary_way("memcached on PATH", "memcached.local", _on_path, version)

source = FirstAvailable("memcached", (given, on_path))
