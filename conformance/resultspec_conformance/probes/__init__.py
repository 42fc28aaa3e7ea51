"""Probes: the suite's own view of a store, chosen by the store's URL and used for foreign backends as well."""

from resultspec_conformance.subject import Probe, UsageError


def probe_for(store: str | None, prefix: str) -> Probe | None:
    """Return the probe of a store by its URL, or None where the suite has none.

    ``prefix`` is the global key prefix of the subject, already completed. Raises SubjectError where the store cannot be
    reached, UsageError where the package that talks to it is missing.
    """
    if store is None:
        return None
    if store.partition(":")[0] in ("redis", "rediss"):
        try:
            from resultspec_conformance.probes.redis import RedisProbe
        except ModuleNotFoundError as error:
            raise UsageError(
                f"looking into a Redis needs the Python package {error.name}, which is not installed.\n"
                "Install it with: pip install 'resultspec[redis]'"
            ) from error
        return RedisProbe(store, prefix)
    return None
