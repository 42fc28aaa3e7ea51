"""The contender of this project: one of its adapters, as a user has it, but for the client's cache."""

from collections.abc import Callable, Sequence

from benchmarks.contender import RESULT, Part
from resultspec_reference.joining.backend import JoiningBackend


class Ours:
    """A backend of ours, and how its connections are closed."""

    def __init__(self, backend: JoiningBackend, close: Callable[[], None]) -> None:
        self._backend = backend
        self.close = close

    def store(self, task_id: str, state: str) -> None:
        """Store by `store_result`."""
        self._backend.store_result(task_id, RESULT, state)

    def get(self, task_id: str) -> object:
        """Read by `get_task_meta`."""
        return self._backend.get_task_meta(task_id)

    def get_many(self, task_ids: Sequence[str]) -> int:
        """Join by `get_many`."""
        return len(list(self._backend.get_many(task_ids)))

    def wait(self, task_id: str, timeout: float) -> object:
        """Wait by `wait_for`."""
        return self._backend.wait_for(task_id, timeout=timeout)

    def begin_chord(self, group_id: str, size: int) -> None:
        """Say how many parts it has."""
        self._backend.set_chord_size(group_id, size)

    def part_returned(self, group_id: str, index: int, size: int) -> None:  # noqa: ARG002 - the store has the size
        """Count by `on_chord_part_return`."""
        self._backend.on_chord_part_return(Part.of(group_id, index), "SUCCESS", RESULT)
