"""Backends that break chapter 16: disabled ones."""

from typing import Any

from resultspec_conformance.broken.baseline.disabled import CorrectDisabled
from resultspec_conformance.broken.catalogue import broken


@broken("DIS-1", "storing-refused")
class StoringRefused(CorrectDisabled):
    """Refuses to store, so that no worker runs without a result backend."""

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        self.nothing()


@broken("DIS-1", "failure-stored-with-a-look-at-it")
class LooksAtChildren(CorrectDisabled):
    """Looks into the request of a task that it does not store, and stumbles over a child without a parent."""

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Take the parents of the children."""
        request = kwargs.get("request")
        for child in request.children if request is not None else ():
            (_, (parent, _)), _ = child.as_tuple()
            parent.forget()


@broken("DIS-1", "forgetting-refused")
class ForgettingRefused(CorrectDisabled):
    """Refuses to forget."""

    def forget(self, task_id: Any) -> None:
        """Refuse."""
        self.nothing()


@broken("DIS-2", "every-task-is-pending")
class EveryTaskIsPending(CorrectDisabled):
    """Reports every task as PENDING."""

    def get_state(self, task_id: Any) -> Any:
        """Say PENDING."""
        return "PENDING"


@broken("DIS-2", "no-such-method")
class NoSuchMethod(CorrectDisabled):
    """Has no method to read a meta with, and fails with AttributeError, as Celery does."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> Any:
        """Fail as a missing method does."""
        raise AttributeError("'DisabledBackend' object has no attribute '_get_task_meta_for'")


@broken("DIS-2", "says-nothing-of-a-backend")
class SaysNothing(CorrectDisabled):
    """Raises NotImplementedError without saying what to configure."""

    def nothing(self) -> Any:
        """Refuse without a text."""
        raise NotImplementedError


@broken("DIS-2", "waits-until-its-timeout")
class WaitsUntilTimeout(CorrectDisabled):
    """Raises TimeoutError out of a wait with a timeout, as if something could come."""

    def wait_for(self, task_id: Any, **options: Any) -> Any:
        """Time out."""
        if options.get("timeout") is None:
            return self.nothing()
        raise TimeoutError(f"task {task_id} was not ready")


@broken("DIS-2", "joins-up-to-the-first-item")
class JoinsUpToTheFirstItem(CorrectDisabled):
    """Returns an iterator from a join, which fails only when it is asked for an item."""

    def get_many(self, task_ids: Any, **options: Any) -> Any:
        """Refuse late."""
        yield self.nothing()


@broken("DIS-3", "location-of-something-else")
class LocationOfSomethingElse(CorrectDisabled):
    """Gives no location, since there is none."""

    def as_uri(self) -> str:
        """Return an empty text."""
        return ""
