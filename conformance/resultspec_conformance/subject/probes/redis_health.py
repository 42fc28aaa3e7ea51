"""The health of a Redis: whether it accepts writes, and has not lost stored data.

A correct backend looks faulty on a server that is full, became a replica, was restarted or was emptied;
then the error must name the store, and not the backend.
"""

from typing import Any

import redis

from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.text.redaction import redact_text

WRITE_TEST_KEY = "resultspec-trial"
"""A key that never exists: the test of writes does not write anything."""


class Health:
    """The state of a Redis at the beginning, to be compared with its state later.

    `client` is a redis-py client. What the user of the URL has no permission for is not checked.
    """

    def __init__(self, client: Any, url: str, prefix: str) -> None:
        self._client = client
        self._shown = redact_text(url)
        self._trial_key = f"{prefix}{WRITE_TEST_KEY}"
        self._beginning = self._server_state()

    def require(self) -> None:
        """Raise SubjectError if the Redis does not accept writes, or has lost data since the beginning.

        Raises redis.RedisError if it cannot be reached.
        """
        self._require_writes()
        now = self._server_state()
        for name, what in _DATA_LOSSES.items():
            if now.get(name) != self._beginning.get(name):
                raise SubjectError(
                    f"{self._shown} {what} during the run, so stored results were lost.\n"
                    "Run again with a server that nobody else restarts or empties."
                )

    def _require_writes(self) -> None:
        try:
            # writes nothing, and is refused whenever a write is
            self._client.setrange(self._trial_key, 0, b"")
        except redis.exceptions.NoPermissionError:
            return
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except redis.ResponseError as error:
            raise SubjectError(
                f"{self._shown} does not accept writes: {error}\n"
                "Give the URL of a server that is not a replica, and has memory and disk to spare."
            ) from error

    def _server_state(self) -> dict[str, Any]:
        try:
            commands = self._client.info("commandstats")
            return {
                "run_id": self._client.info("server").get("run_id"),
                "evicted_keys": self._client.info("stats").get("evicted_keys"),
                "flushed": [commands.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("flushall", "flushdb")],
            }
        except redis.exceptions.NoPermissionError:
            return {}


_DATA_LOSSES = {
    "run_id": "was restarted",
    "evicted_keys": "has evicted keys to free memory",
    "flushed": "was emptied by FLUSHALL or FLUSHDB",
}
