"""Probes: the suite's own view of a store, chosen by the store's URL, so that any backend can have one."""

from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.probe_protocols import Probe

DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
MEMCACHED = ("memcached", "memcache", "pymemcache", "pylibmc")


def probe_for(store: str | None, prefix: str) -> Probe | None:
    """Return the probe of a store by its URL, or None if the suite has none for it.

    `prefix` is the global key prefix of the subject, already completed; for a database, the prefix of the names of
    its tables. Raises SubjectError if the store cannot be reached, UsageError if the client library is not installed.
    """
    if store is None:
        return None
    scheme = store.partition(":")[0]
    kind = scheme.removeprefix("db+").removeprefix("cache+").partition("+")[0]
    try:
        if scheme in ("redis", "rediss"):
            from resultspec_conformance.subject.probes.redis import RedisProbe

            return RedisProbe(store, prefix)
        if kind == "file":
            from resultspec_conformance.subject.probes.files import FileProbe

            return FileProbe(store, prefix)
        if kind in MEMCACHED:
            from resultspec_conformance.subject.probes.memcached import MemcachedProbe

            return MemcachedProbe(store, prefix)
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
