"""The images of the stores: how each is run as a throw-away server, and the URL that it then has.

The variables and arguments are those that the images' publishers document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resultspec_adapters.services.containers.health_checks import MARIADB, POSTGRESQL, REDIS, HealthCheck
from resultspec_adapters.services.mariadb import local as mariadb_binary
from resultspec_adapters.services.postgresql import local as postgresql_binary

USER = "resultspec"


@dataclass(frozen=True)
class Image:
    """How an image is run.

    `environment` and `command` get the password of the server; `url` has placeholders for `{password}` and `{address}`.
    """

    port: int
    health_check: HealthCheck
    url: str
    environment: Callable[[str], Mapping[str, str]]
    command: Callable[[str], Sequence[str]]


def _of_redis(password: str) -> Sequence[str]:
    return ["redis-server", "--save", "", "--appendonly", "no", "--requirepass", password]


def _of_postgresql(_password: str) -> Sequence[str]:
    return ["postgres", *postgresql_binary.options(postgresql_binary.THROWAWAY_SETTINGS)]


def _of_mariadb(_password: str) -> Sequence[str]:
    return ["mariadbd", *mariadb_binary.SETTINGS]


IMAGES = {
    "redis": Image(6379, REDIS, "redis://:{password}@{address}/0", lambda _password: {}, _of_redis),
    "postgresql": Image(
        5432,
        POSTGRESQL,
        f"postgresql://{USER}:{{password}}@{{address}}/postgres",
        lambda password: {
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": "postgres",
            "POSTGRES_INITDB_ARGS": " ".join(postgresql_binary.INITDB_OPTIONS),
        },
        _of_postgresql,
    ),
    "mariadb": Image(
        3306,
        MARIADB,
        f"mysql://{USER}:{{password}}@{{address}}/{USER}",
        lambda password: {
            "MARIADB_USER": USER,
            "MARIADB_PASSWORD": password,
            "MARIADB_DATABASE": USER,
            "MARIADB_RANDOM_ROOT_PASSWORD": "1",
            "MARIADB_INITDB_SKIP_TZINFO": "1",
        },
        _of_mariadb,
    ),
}
