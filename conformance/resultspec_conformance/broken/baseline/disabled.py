"""A small correct disabled backend of the suite's own, which broken ones differ from in one place."""

from typing import Any


class CorrectDisabled:
    """A correct disabled backend."""

    app: Any = None

    def nothing(self) -> Any:
        """Refuse."""
        raise NotImplementedError("No result backend is configured. Set `result_backend`.")

    def no_groups(self) -> Any:
        """Refuse an operation on groups."""
        raise NotImplementedError("No result backend is configured, and groups cannot be saved.")

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def forget(self, task_id: Any) -> None:
        """Do nothing."""

    def mark_as_started(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def mark_as_done(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def mark_as_failure(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def mark_as_retry(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def mark_as_revoked(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def process_cleanup(self) -> None:
        """Do nothing."""

    def on_task_call(self, producer: Any, task_id: Any) -> Any:
        """Return no properties."""
        return {}

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def apply_chord(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def get_task_meta(self, task_id: Any, cache: bool = True) -> Any:
        """Refuse."""
        return self.nothing()

    def get_state(self, task_id: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def get_result(self, task_id: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def get_traceback(self, task_id: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def get_children(self, task_id: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def reload_task_result(self, task_id: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def wait_for(self, task_id: Any, **options: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def get_many(self, task_ids: Any, **options: Any) -> Any:
        """Refuse."""
        return self.nothing()

    def save_group(self, group_id: Any, result: Any) -> Any:
        """Refuse."""
        return self.no_groups()

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Refuse."""
        return self.no_groups()

    def delete_group(self, group_id: Any) -> Any:
        """Refuse."""
        return self.no_groups()

    def get_group_meta(self, group_id: Any, cache: bool = True) -> Any:
        """Refuse."""
        return self.no_groups()

    def reload_group_result(self, group_id: Any) -> Any:
        """Refuse."""
        return self.no_groups()

    def is_cached(self, task_id: Any) -> bool:
        """Nothing is ever cached."""
        return False

    def as_uri(self) -> str:
        """Return the location."""
        return "disabled://"
