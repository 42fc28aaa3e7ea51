"""The backends of this project with calls that hang, as factories: the judge must name these calls and nothing else.

The environment says where the store is (`HANGING_URL`) and which calls hang (`HANGING_CALLS`, names of HANGS).
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from resultspec_adapters.redis.backend import RedisBackend
from resultspec_adapters.redis.subject import CLASSES as REDIS_CLASSES
from resultspec_adapters.sql.backend import SqlBackend
from resultspec_adapters.sql.subject import CLASSES as SQL_CLASSES
from resultspec_adapters.subject_support import CHORD_LEASE, FEATURES, SERIALIZERS
from resultspec_reference.base import BaseBackend

URL = os.environ.get("HANGING_URL", "")


def _is_nan(options: Mapping[str, Any]) -> bool:
    return isinstance(options.get("timeout"), float) and math.isnan(options["timeout"])


def _is_zero(options: Mapping[str, Any]) -> bool:
    return options.get("interval") == 0


def _always(options: Mapping[str, Any]) -> bool:
    return True


HANGS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "wait_for NaN": ("wait_for", _is_nan),
    "wait_for interval 0": ("wait_for", _is_zero),
    "get_many NaN": ("get_many", _is_nan),
    "get_many interval 0": ("get_many", _is_zero),
    "get_children": ("get_children", _always),
    "mark_as_revoked": ("mark_as_revoked", _always),
    "delete_group": ("delete_group", _always),
    "get_group_meta": ("get_group_meta", _always),
    "on_task_call": ("on_task_call", _always),
    "cleanup": ("cleanup", _always),
    "forget": ("forget", _always),
}
"""Calls that can hang: the method, and whether it hangs with some keyword arguments."""


def _hanging(method: Callable[..., Any], hangs: Callable[[Mapping[str, Any]], bool]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        if hangs(options):
            time.sleep(3600)
        return method(*args, **options)

    return call


def with_hangs(backend: BaseBackend) -> BaseBackend:
    """Return a backend some of whose calls hang."""
    for name in filter(None, os.environ.get("HANGING_CALLS", "").split(",")):
        method, hangs = HANGS[name]
        setattr(backend, method, _hanging(getattr(backend, method), hangs))
    return backend


def _options(options: dict[str, Any]) -> dict[str, Any]:
    options.pop("extended", None)
    return {**options, "accept": list(options.get("accept") or [options.get("serializer", "json")])}


def sqlite(app: Any, prefix: str = "", **options: Any) -> BaseBackend:
    """Return a backend on an SQLite in a file, with tables of the run's own."""
    made = SqlBackend(app, URL, table_prefix=prefix, chord_lease=CHORD_LEASE, **_options(options))
    made.make_tables()
    return with_hangs(made)


def redis(app: Any, prefix: str = "", **options: Any) -> BaseBackend:
    """Return a backend on a Redis, with keys of the run's own."""
    made = RedisBackend(app, url=URL, global_keyprefix=prefix, chord_lease=CHORD_LEASE, **_options(options))
    return with_hangs(made)


def _capabilities(backend: type[Any], classes: tuple[str, ...], **members: Any) -> dict[str, Any]:
    return {
        "spec": "0.1",
        "classes": list(classes),
        "serializers": list(SERIALIZERS),
        "values": "tagged",
        "store": URL,
        "chord_lease": CHORD_LEASE,
        "payload_limit": backend.payload_limit,
        **members,
    }


sqlite.capabilities = _capabilities(  # type: ignore[attr-defined]
    SqlBackend,
    SQL_CLASSES,
    choices={"late_unready": SqlBackend.late_unready, "expiry": "cleanup"},
    sharing="process",
    features=sorted(FEATURES | {"prefix"}),
    wake_up=0.25,
)
redis.capabilities = _capabilities(  # type: ignore[attr-defined]
    RedisBackend,
    REDIS_CLASSES,
    choices={"late_unready": RedisBackend.late_unready},
    sharing="host",
    features=sorted(FEATURES | {"connection", "notify", "prefix", "expire"}),
    wake_up=RedisBackend.reread_interval,
)
