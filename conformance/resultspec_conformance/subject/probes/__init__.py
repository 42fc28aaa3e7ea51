"""Probes: the suite's own view of a store, chosen by the store's URL and used for foreign backends as well."""

from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.probe_protocols import Probe

DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")


def probe_for(store: str | None, prefix: str) -> Probe | None:
    """Return the probe of a store by its URL, or None where the suite has none.

    `prefix` is the global key prefix of the subject, already completed; of a database, what is before the names of
    its tables. Raises SubjectError where the store cannot be reached, UsageError where the package that talks to it is
    missing.
    """
    if store is None:
        return None
    scheme = store.partition(":")[0]
    kind = scheme.removeprefix("db+").partition("+")[0]
    try:
        if scheme in ("redis", "rediss"):
            from resultspec_conformance.subject.probes.redis import RedisProbe

            return RedisProbe(store, prefix)
        if kind in DATABASES:
            from resultspec_conformance.subject.probes.sql import open_probe

            return open_probe(store, prefix)
    except ModuleNotFoundError as error:
        extra = "sql" if kind in DATABASES else "redis"
        raise UsageError(
            f"looking into {kind} needs the Python package {error.name}, which is not installed.\n"
            f"Install it with: pip install 'resultspec[{extra}]'"
        ) from error
    return None
