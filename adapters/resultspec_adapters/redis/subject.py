"""A Redis, put under test: a run has a key prefix of its own, and removes its keys at the end."""

import functools
from typing import Final

from resultspec_adapters.redis.backend import RedisBackend
from resultspec_adapters.subject_support import CHORD_LEASE, FEATURES, SERIALIZERS, construct, factory
from resultspec_conformance.subject import Adapter, Target, UsageError
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.python_object import PythonSubject
from resultspec_reference.app import App
from resultspec_reference.errors import ImproperlyConfigured

CLASSES: Final = ("core", "waiting", "join", "atomic", "groups", "chords", "kv-wire", "extended", "expiry")


def open_subject(target: Target) -> PythonSubject:
    """Put a Redis under test. A run has a key prefix of its own, and removes its keys at the end.

    Raises UsageError for an invalid URL, SubjectError for a server that cannot be reached or refuses access.
    """
    prefix = f"resultspec-{target.run}:"
    make = functools.partial(RedisBackend, url=target.text, chord_lease=CHORD_LEASE)
    try:
        janitor = make(App())
    except ImproperlyConfigured as error:
        raise UsageError(f"{error}.\nWrite it as redis://USER:PASSWORD@HOST:PORT/DB") from None
    capabilities = Capabilities(
        classes=CLASSES,
        choices={"late_unready": RedisBackend.late_unready},
        sharing="host",
        serializers=SERIALIZERS,
        values="tagged",
        features=FEATURES | {"connection", "notify", "prefix", "expire"},
        store=target.text,
        prefix=prefix,
        wake_up=RedisBackend.reread_interval,
        chord_lease=CHORD_LEASE,
        payload_limit=RedisBackend.payload_limit,
        implementation={"name": "resultspec Redis backend", "language": "Python"},
    )
    return PythonSubject(
        factory(make, prefix),
        capabilities,
        probe_for(target.text, prefix),
        on_close=functools.partial(janitor.remove_all, prefix),
    )


adapter: Final = Adapter(
    open_subject,
    "results in a Redis, with Celery's keys and notifications",
    "redis://localhost:6379/0",
    extra="redis",
    server="redis",
    schemes=("redis", "rediss"),
    construct=construct(RedisBackend),
)
