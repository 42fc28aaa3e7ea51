"""A process that takes the deliveries of parts from a queue in a Redis and counts them, until it is killed."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from resultspec_conformance.subject.outbox import CallableSignature, Outbox, Sender
from resultspec_reference import App
from resultspec_reference.app import AppProtocol
from resultspec_reference.base import BaseBackend


class Recording(App):
    """An app whose calls land in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._sender = Sender(Outbox(path))

    def signature(self, varies: Mapping[str, Any]) -> Any:
        """Return something that can be sent."""
        return CallableSignature(varies, self._sender)


def backend_for(app: AppProtocol, url: str, prefix: str, **options: Any) -> BaseBackend:
    """Return a backend of ours in a Redis or in a database, whose keys or tables have a prefix."""
    if url.startswith("redis"):
        from resultspec_adapters.redis.backend import RedisBackend

        return RedisBackend(app, url, global_keyprefix=prefix, **options)
    from resultspec_adapters.sql import SqlBackend

    return SqlBackend(app, url, table_prefix=prefix, **options)


def count_parts(queue_url: str, url: str, prefix: str, path: Path, crash: str, lease: float) -> None:
    """Count for ever. What was taken and not done stays in a list of this process."""
    backend = backend_for(Recording(path), url, prefix, chord_lease=lease, chord_crash=crash)
    queue, taken = f"{prefix}queue", f"{prefix}taken-{os.getpid()}"
    raw: Any = redis.Redis.from_url(queue_url)
    while True:
        found = raw.lmove(queue, taken, "LEFT", "RIGHT")
        if found is None:
            time.sleep(0.01)
            continue
        request, value = json.loads(found)
        backend.store_result(request["id"], value, "SUCCESS")
        backend.on_chord_part_return(request, "SUCCESS", value)
        raw.lrem(taken, 1, found)
        raw.incr(f"{prefix}handled")
