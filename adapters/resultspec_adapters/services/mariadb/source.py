"""Throw-away MariaDB servers: a given URL, Docker, an installed binary. There is no wheel with one."""

import os
import shutil
from collections.abc import Sequence

from resultspec_adapters.services import local_process
from resultspec_adapters.services.sources import FirstAvailable, binary_way, docker_way, given_way
from resultspec_adapters.services.supervisor import Unavailable

URL_VARIABLE = "RESULTSPEC_MARIADB_URL"

SYSTEM_DIRECTORIES = ("/usr/sbin", "/usr/libexec")
"""Where distributions install the server, which is not on the PATH of an ordinary user."""


def version(binary: str) -> str:
    """Return the version of a mariadbd. Raises Unavailable."""
    return local_process.version(binary, r"\bVer ([\d.]+)-MariaDB", "mariadbd")


def _on_machine() -> Sequence[str]:
    binary = shutil.which("mariadbd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_DIRECTORIES]))
    if binary is None:
        raise Unavailable("there is none; install MariaDB, on Debian with: apt-get install mariadb-server-core")
    return [binary]


given = given_way(URL_VARIABLE, "MariaDB", "mysql://USER:PASSWORD@HOST:PORT/DATABASE", ("mysql", "mariadb"))
docker = docker_way("mariadb")
on_machine = binary_way("installed MariaDB", "mariadb.local", _on_machine, version)

source = FirstAvailable("mariadb", (given, docker, on_machine))
