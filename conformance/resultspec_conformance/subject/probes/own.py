"""A probe that a factory brings along, for a store that the suite has no probe for."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.probe_protocols import (
    BookkeepingProbe,
    CuttingProbe,
    GroupProbe,
    KeyProbe,
    LifeProbe,
    RowProbe,
    TrafficProbe,
    WireProbe,
)

REQUIRED: Final = ("read", "write")

VIEWS: Final[Mapping[str, type]] = {
    "groups": GroupProbe,
    "the lives of entries": LifeProbe,
    "keys": KeyProbe,
    "channels": WireProbe,
    "rows": RowProbe,
    "connections": CuttingProbe,
    "the bookkeeping of chords": BookkeepingProbe,
    "traffic": TrafficProbe,
}
"""What a probe may show, and the protocol whose own methods show it."""


def _methods(protocol: type) -> list[str]:
    return [name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_")]


class OwnProbe:
    """A factory's probe, with the methods that the factory's object has: they decide what the suite can see.

    `ping` and `close` may be missing: a probe that does not look whether its store is alive takes it for alive.
    """

    def __init__(self, own: Any) -> None:
        missing = [name for name in REQUIRED if not callable(getattr(own, name, None))]
        if missing:
            raise UsageError(
                f"the factory's probe is {own!r:.80}, which has no method {' and no method '.join(missing)}.\n"
                "It has read(task_id), which returns the stored bytes or None, and write(task_id, payload)."
            )
        self._own = own
        for shown, protocol in VIEWS.items():
            self._take(shown, _methods(protocol))

    def _take(self, shown: str, names: list[str]) -> None:
        """Take the methods that show one thing. Raises UsageError if some of them are missing."""
        found = {name: getattr(self._own, name) for name in names if callable(getattr(self._own, name, None))}
        missing = [name for name in names if name not in found]
        if found and missing:
            raise UsageError(
                f"the factory's probe has the method {', '.join(found)}, but not {', '.join(missing)}.\n"
                f"It shows {shown} with all of them: {', '.join(names)}."
            )
        for name, method in found.items():
            setattr(self, name, method)

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        found: bytes | None = self._own.read(task_id)
        return found

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task."""
        self._own.write(task_id, payload)

    def ping(self) -> None:
        """Raise SubjectError if the factory's object finds that its store cannot be used."""
        try:
            getattr(self._own, "ping", _nothing)()
        except SubjectError:
            raise
        except Exception as error:
            raise SubjectError(f"the store of the factory's probe cannot be used: {error}") from error

    def close(self) -> None:
        """Release what the factory's object holds."""
        getattr(self._own, "close", _nothing)()


def open_own(opens: Callable[[str], object], prefix: str) -> OwnProbe:
    """Return the probe that a factory's function opens. Raises UsageError."""
    try:
        own = opens(prefix)
    except SubjectError:
        raise
    except Exception as error:
        raise UsageError(
            f"the factory's probe raised {type(error).__name__}: {error}\n"
            "It is called as probe(prefix) and must return an object with read and write."
        ) from error
    return OwnProbe(own)


def _nothing() -> None:
    """Do nothing."""
