"""The probe of a Redis: raw keys and channels, through the suite's own connections."""

import math
import time
from collections.abc import Sequence
from typing import Any, cast

import redis

from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.probe_protocols import Notification
from resultspec_conformance.subject.probes.keyed import GROUP_KEY_PREFIX, TASK_KEY_PREFIX, KeyedProbe
from resultspec_conformance.subject.probes.redis_health import Health
from resultspec_conformance.subject.probes.sockets import local_ports
from resultspec_conformance.text.redaction import redact_text

PROBE_NAME = "resultspec-probe"

_AGE = """
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
redis.call('PEXPIRE', KEYS[1], math.max(0, left - ARGV[1]))
return 1
"""
"""Shortens a life in one step: what passes between two commands would be added to it."""


def unreachable(url: str, error: Exception) -> SubjectError:
    """Return the error for a Redis that could not be reached, without its password."""
    shown = redact_text(url)
    if isinstance(error, redis.AuthenticationError) or "auth" in str(error).lower() or "WRONGPASS" in str(error):
        return SubjectError(
            f"{shown} refused the user name or password.\nGive them as redis://USER:PASSWORD@HOST:PORT/DB"
        )
    return SubjectError(
        f"{shown} cannot be reached: {type(error).__name__}.\n"
        "Start the server, correct the URL, or write `resultspec check redis` to have one started."
    )


class RedisListener:
    """A subscription to channels of a Redis server."""

    def __init__(self, client: "redis.Redis", channels: Sequence[str]) -> None:
        self._client = client
        self._pubsub: Any = cast(Any, client).pubsub()
        self._pubsub.subscribe(*channels)
        for _ in channels:
            confirmed = self._pubsub.get_message(timeout=5.0)
            if confirmed is None:
                raise SubjectError("the Redis did not confirm a subscription within 5 seconds")

    def collect(self, count: int, timeout: float) -> list[Notification]:
        """Return the messages that have come, each with the value that the key had at that time."""
        deadline = time.monotonic() + timeout
        found: list[Notification] = []
        while len(found) < count and (left := deadline - time.monotonic()) > 0:
            message = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=left)
            if message is not None and message["type"] == "message":
                channel = message["channel"].decode()
                found.append(Notification(channel, message["data"], cast("bytes | None", self._client.get(channel))))
        return found

    def close(self) -> None:
        """End the subscription."""
        self._pubsub.close()


class RedisProbe(KeyedProbe):
    """A wire probe of a Redis database. `prefix` is the prefix of the keys of tasks and groups."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(prefix)
        self.url = url
        self.shown = redact_text(url)
        try:
            self._client = redis.Redis.from_url(
                url, client_name=PROBE_NAME, socket_connect_timeout=5.0, socket_timeout=5.0
            )
        except ValueError as error:
            # without the text of the error, which may quote a part of the password
            raise SubjectError(
                f"{redact_text(url)} is not a Redis URL.\n"
                "Write redis://USER:PASSWORD@HOST:PORT/DB, and %-escape the password."
            ) from error
        try:
            self._health = Health(self._client, url, prefix)
        except redis.RedisError as error:
            raise unreachable(url, error) from error
        self.ping()

    def remaining(self, task_id: str) -> float | None:
        """Return the remaining seconds of an entry: infinity means forever, None that there is no entry."""
        left = self._client.pttl(self.key(task_id))
        return {-1: math.inf, -2: None}.get(left, left / 1000)

    def age(self, task_id: str, seconds: float) -> bool:
        """Subtract some seconds from the remaining lifetime of an entry, if it has one."""
        return bool(self._client.eval(_AGE, 1, self.key(task_id), math.floor(seconds * 1000)))

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""
        return cast("bytes | None", self._client.get(key.encode("utf-8", "surrogatepass")))

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key, for one hour."""
        self._client.set(key, value, ex=3600)

    def delete(self, *keys: str) -> None:
        """Remove keys."""
        if keys:
            self._client.delete(*keys)

    def keys(self) -> frozenset[str]:
        """Return all keys of the database."""
        return frozenset(key.decode("utf-8", "replace") for key in self._client.scan_iter(count=1000))

    def bookkeeping(self, group_id: str) -> dict[str, float]:
        """Return the keys with the id of a group in their names, and the remaining seconds of each."""
        lives = {key: self._client.pttl(key) for key in self.keys() if group_id in key}
        return {key: math.inf if left == -1 else left / 1000 for key, left in lives.items() if left != -2}

    def traffic(self) -> int:
        """Return the number of bytes that the server has received and sent."""
        stats = cast("dict[str, int]", self._client.info("stats"))
        return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        self._client.publish(channel, body)

    def listen(self, channels: Sequence[str]) -> RedisListener:
        """Subscribe to channels."""
        return RedisListener(self._client, channels)

    def subscribers(self, channel: str) -> int:
        """Return the number of subscriptions to a channel."""
        counted = cast("list[tuple[bytes, int]]", self._client.pubsub_numsub(channel))
        return int(counted[0][1])

    def cut_connections(self) -> int:
        """Kill the connections of this process and its children, except the probe's own; return their number.

        The server may be shared: the local ports distinguish our connections from others.
        """
        ours = local_ports()
        client = cast(Any, self._client)
        victims = [
            entry["id"]
            for entry in client.client_list()
            if entry["name"] != PROBE_NAME and int(entry["addr"].rpartition(":")[2]) in ours
        ]
        return sum(int(client.client_kill_filter(_id=victim)) for victim in victims)

    def ping(self) -> None:
        """Raise SubjectError if the Redis cannot be reached, does not accept writes, or has lost data."""
        try:
            self._health.require()
        except redis.RedisError as error:
            raise unreachable(self.url, error) from error

    def forget_run(self) -> None:
        """Remove every key that begins with the prefix, unless that is empty."""
        if self.prefix:
            for key in self._client.scan_iter(match=_escaped(self.prefix) + "*", count=1000):
                self._client.delete(key)

    def any_result(self) -> str | None:
        """Return the key of any task or group under the prefix, or None if there is none."""
        found = next((key for match in self._results() for key in self._client.scan_iter(match, count=1000)), None)
        return None if found is None else found.decode("utf-8", "replace")

    def forget_results(self, mark: str) -> None:
        """Remove the tasks and groups under the prefix, and every key with `mark` in its name."""
        for match in (*self._results(), f"*{_escaped(mark)}*"):
            for key in self._client.scan_iter(match, count=1000):
                self._client.delete(key)

    def _results(self) -> list[str]:
        return [f"{_escaped(self.prefix + kind)}*" for kind in (TASK_KEY_PREFIX, GROUP_KEY_PREFIX)]

    def close(self) -> None:
        """Close the probe's connections."""
        self._client.close()


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\^-" else character for character in text)
