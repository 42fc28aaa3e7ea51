"""What the probes of all key/value stores have in common: the names of keys (KEY-1, GROUP-17), and what follows."""

from abc import ABC, abstractmethod
from typing import Final

TASK_KEY_PREFIX: Final = "celery-task-meta-"
GROUP_KEY_PREFIX: Final = "celery-taskset-meta-"


class KeyedProbe(ABC):
    """A probe of keys. `prefix` is the global prefix of the keys, already completed (KEY-2), or empty."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""

    @abstractmethod
    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""

    @abstractmethod
    def delete(self, *keys: str) -> None:
        """Remove keys, if they exist."""

    @abstractmethod
    def keys(self) -> frozenset[str]:
        """Return all keys of the store."""

    def key(self, task_id: str) -> str:
        """Return the key of a task."""
        return f"{self.prefix}{TASK_KEY_PREFIX}{task_id}"

    def group_key(self, group_id: str) -> str:
        """Return the key of a group."""
        return f"{self.prefix}{GROUP_KEY_PREFIX}{group_id}"

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        return self.get(self.key(task_id))

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification."""
        self.set(self.key(task_id), payload)

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        return self.get(self.group_key(group_id))

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        self.set(self.group_key(group_id), payload)

    # -- what a run leaves behind --------------------------------------------------------------

    def any_result(self) -> str | None:
        """Return the key of any task or group under the prefix, or None if there is none."""
        return next((key for key in self.keys() if self._is_result(key)), None)

    def forget_results(self, mark: str) -> None:
        """Remove the tasks and groups under the prefix, and every key with `mark` in its name."""
        self.delete(*(key for key in self.keys() if self._is_result(key) or mark in key))

    def forget_run(self) -> None:
        """Remove every key that begins with the prefix, unless that is empty."""
        if self.prefix:
            self.delete(*(key for key in self.keys() if key.startswith(self.prefix)))

    def _is_result(self, key: str) -> bool:
        return key.startswith((self.prefix + TASK_KEY_PREFIX, self.prefix + GROUP_KEY_PREFIX))
