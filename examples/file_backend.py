"""A result backend that needs no server: it keeps each task in a JSON file of its own."""

import hashlib
import json
import math
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kombu.exceptions import DecodeError, EncodeError
from stored_exceptions import describe, rebuild

READY = {"SUCCESS", "FAILURE", "REVOKED"}
EXCEPTION = {"FAILURE", "RETRY", "REVOKED"}
NOTHING = {"result": None, "traceback": None, "children": None, "date_done": None}


class FileBackend:
    """Task results in a directory. Without a lock this is right for one writer of a task at a time."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)

    def store_result(
        self, task_id: Any, result: Any, state: Any, traceback: str | None = None, request: Any = None
    ) -> None:
        """Store the state and the result of a task, unless its SUCCESS is stored already."""
        if not isinstance(state, str) or not state:
            raise ValueError(f"a state is a non-empty text, not {state!r}")
        failed = state in EXCEPTION and isinstance(result, BaseException)
        meta = {
            "status": state,
            "result": describe(result) if failed else result,
            "traceback": traceback,
            "children": [child.as_tuple() for child in request.children or ()] if request else None,
            "date_done": datetime.now(UTC).isoformat() if state in READY else None,
            "group_id": request.group if request else None,
            "parent_id": request.parent_id if request else None,
        }
        try:
            payload = json.dumps(meta)
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodeError(f"JSON cannot carry the result of task {task_id}: {error}") from error
        path = self._path(task_id)
        if self._stored_state(path) != "SUCCESS":
            unfinished = path.with_suffix(f".{uuid.uuid4()}")
            unfinished.write_text(payload)
            unfinished.replace(path)  # a reader sees the old entry or the new one, never a part of it

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return the meta of a task; a task of which nothing is stored is PENDING."""
        path = self._path(task_id)
        try:
            stored = json.loads(path.read_bytes())
            meta = {**NOTHING, **stored, "status": stored["status"], "task_id": task_id}
        except FileNotFoundError:
            return {**NOTHING, "status": "PENDING", "task_id": task_id}
        except (ValueError, TypeError, KeyError) as error:
            raise DecodeError(f"the entry of task {task_id} cannot be decoded: {error}") from error
        retry_without_cause = meta["status"] == "RETRY" and meta["result"] is None
        if meta["status"] in EXCEPTION and not retry_without_cause:
            meta["result"] = rebuild(meta["result"])
        return meta

    def get_state(self, task_id: Any) -> Any:
        """Return the state of a task."""
        return self.get_task_meta(task_id)["status"]

    def get_result(self, task_id: Any) -> Any:
        """Return the value or the exception of a task."""
        return self.get_task_meta(task_id)["result"]

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback of a task."""
        return self.get_task_meta(task_id)["traceback"]

    def get_children(self, task_id: Any) -> Any:
        """Return what a task has sent."""
        return self.get_task_meta(task_id)["children"]

    def forget(self, task_id: Any) -> None:
        """Remove what is stored of a task."""
        self._path(task_id).unlink(missing_ok=True)

    def wait_for(
        self, task_id: Any, timeout: Any = None, interval: Any = None, no_ack: bool = True, on_interval: Any = None
    ) -> Any:
        """Wait until a task is ready; return its value or raise its exception."""
        pause = seconds(interval, default=0.5)
        deadline = time.monotonic() + seconds(timeout, default=math.inf)
        if pause < 0:
            raise ValueError(f"an interval is not negative: {interval!r}")
        while True:
            late = time.monotonic() >= deadline
            meta = self.get_task_meta(task_id)
            if meta["status"] == "SUCCESS":
                return meta["result"]
            if meta["status"] in READY:
                raise meta["result"]
            if on_interval is not None:
                on_interval()
            if late:
                raise TimeoutError(f"task {task_id} was not ready in time")
            time.sleep(max(0.0, min(pause, 0.5, deadline - time.monotonic())))

    def _path(self, task_id: Any) -> Path:
        if not isinstance(task_id, str) or not task_id:
            raise ValueError(f"a task id is a non-empty text, not {task_id!r}")
        return self.directory / hashlib.sha256(task_id.encode()).hexdigest()

    def _stored_state(self, path: Path) -> Any:
        with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            return json.loads(path.read_bytes())["status"]
        return None


def seconds(value: Any, default: float) -> float:
    """Return a number of seconds, the default for None. Raises ValueError."""
    if value is None:
        return default
    if not isinstance(value, int | float) or math.isnan(value):
        raise ValueError(f"not a number of seconds: {value!r}")
    return value
