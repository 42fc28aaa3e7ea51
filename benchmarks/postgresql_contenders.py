"""The contenders on a PostgreSQL: SQL by psycopg, the reference's adapter, and the backend that Celery ships.

All of them read and write one table, which the reference's adapter has made.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from celery import Celery
from celery.result import AsyncResult

from benchmarks.contender import RESULT, CallingApp, Contender, Store
from benchmarks.ours import Ours
from resultspec_adapters.sql.backend import SqlBackend
from resultspec_reference.app import App

INSERT = """
INSERT INTO celery_taskmeta (task_id, status, result, date_done) VALUES (%s, %s, %s, timezone('utc', now()))
ON CONFLICT (task_id) DO UPDATE SET status = excluded.status, result = excluded.result, date_done = excluded.date_done
"""

INSERT_AND_NOTIFY = f"WITH done AS ({INSERT} RETURNING 1) SELECT pg_notify(%s, '') FROM done"

SELECT = "SELECT task_id, status, result, date_done, traceback, children FROM celery_taskmeta WHERE task_id "

PARTS = "CREATE TABLE IF NOT EXISTS bare_parts (part text PRIMARY KEY)"

PART = "INSERT INTO bare_parts VALUES (%s)"

STARTING = 0.05
"""Seconds after which a waiter has connected, subscribed and read: the server does not show who listens."""


class BareClient:
    """psycopg, with one connection that stays open and on which every statement stands by itself.

    No guard, no check of what is stored, no decision about states: one statement to store and to notify, one to read.
    """

    def __init__(self, url: str) -> None:
        SqlBackend(App(), url=url).make_tables()
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(PARTS)

    def store(self, task_id: str, state: str) -> None:
        """INSERT … ON CONFLICT, with a notification if the task is ready."""
        row = (task_id, state, json.dumps(RESULT).encode())
        if state == "SUCCESS":
            self._connection.execute(INSERT_AND_NOTIFY, (*row, f"bare_{task_id}"))
        else:
            self._connection.execute(INSERT, row)

    def get(self, task_id: str) -> object:
        """SELECT, and JSON."""
        row: Any = self._connection.execute(SELECT + "= %s", (task_id,)).fetchone()
        return row, json.loads(row[2])

    def get_many(self, task_ids: Sequence[str]) -> int:
        """SELECT, and JSON."""
        rows: Any = self._connection.execute(SELECT + "= ANY(%s)", (list(task_ids),)).fetchall()
        return len([(row, json.loads(row[2])) for row in rows])

    def wait(self, task_id: str, timeout: float) -> object:
        """LISTEN, and read at the first notification."""
        self._connection.execute(f'LISTEN "bare_{task_id}"')
        if not list(self._connection.notifies(timeout=timeout, stop_after=1)):
            raise TimeoutError(task_id)
        self._connection.execute("UNLISTEN *")
        return self.get(task_id)

    def begin_chord(self, group_id: str, size: int) -> None:
        """Do nothing."""

    def part_returned(self, group_id: str, index: int, size: int) -> None:  # noqa: ARG002 - nobody looks at the size
        """INSERT: one round trip."""
        self._connection.execute(PART, (f"{group_id}-{index}",))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class BareWithoutNotifications(BareClient):
    """Like the bare client, but without notifications, which the protocol requires: for comparison only."""

    def store(self, task_id: str, state: str) -> None:
        """INSERT … ON CONFLICT."""
        self._connection.execute(INSERT, (task_id, state, json.dumps(RESULT).encode()))


def _ours(url: str) -> Ours:
    backend = SqlBackend(CallingApp(), url=url, max_cached_results=-1)
    return Ours(backend, backend.database.close)


class CeleryClient(BareClient):
    """The database backend that Celery ships, in a real app, but for the client's cache."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._app: Any = Celery(backend="db+" + url.replace("://", "+psycopg://", 1), set_as_current=False)
        self._app.conf.result_cache_max = -1

    def store(self, task_id: str, state: str) -> None:
        """Store by `store_result`."""
        self._app.backend.store_result(task_id, RESULT, state)

    def get(self, task_id: str) -> object:
        """Read by `get_task_meta`."""
        return self._app.backend.get_task_meta(task_id)

    def wait(self, task_id: str, timeout: float) -> object:
        """Wait by `AsyncResult.get`, which polls."""
        return AsyncResult(task_id, app=self._app).get(timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._app.close()


def _subscribers(_url: str) -> Callable[[str], int]:
    def count(_task_id: str) -> int:
        time.sleep(STARTING)
        return 1

    return count


STORE = Store(
    "postgresql",
    (
        Contender("bare client", BareClient, "#9aa0a6"),
        Contender(
            "INSERT alone",
            BareWithoutNotifications,
            "#d0d4d9",
            lacks=frozenset({"get", "get_many", "wake-up", "chord"}),
        ),
        Contender("resultspec", _ours, "#1a73e8"),
        # its backend has no get_many, and does not count: a task looks at all parts of a chord again and again
        Contender("Celery", CeleryClient, "#37a34a", lacks=frozenset({"get_many", "chord"})),
    ),
    _subscribers,
    pace=0.5,
)
