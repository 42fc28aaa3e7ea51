"""`DisabledBackend`: the backend of an app that is configured without a result backend.

A worker has to run without a result backend, so the methods that a worker calls succeed and do nothing. A client has
to notice, so every read, every wait and every operation on groups raises at the call, with a message that
says what is missing (DIS-1, DIS-2, GROUP-21).
"""

from typing import Any, Final, NoReturn

from resultspec_reference.base import BaseBackend

NO_BACKEND: Final = "No result backend is configured: to read results, set result_backend to the URL of a store."


class DisabledBackend(BaseBackend):
    """The backend that keeps nothing."""

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def forget(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def cleanup(self) -> None:
        """Do nothing."""

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def as_uri(self, *args: Any, **kwargs: Any) -> str:  # noqa: ARG002 - there is no password to include
        """Return `disabled://` (DIS-3)."""
        return "disabled://"

    def _is_disabled(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise NotImplementedError: no result backend is configured."""
        raise NotImplementedError(NO_BACKEND)

    get_state = get_status = get_result = get_traceback = get_children = _is_disabled
    apply_chord = set_chord_size = add_to_chord = _is_disabled
    get_task_meta = reload_task_result = wait_for = get_many = _is_disabled
    save_group = restore_group = delete_group = get_group_meta = reload_group_result = _is_disabled
