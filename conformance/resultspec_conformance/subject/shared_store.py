"""Separation of a run's entries from those of other users of the same store.

A backend that puts the id of the run into the names of its keys or tables is separate by that, and everything with
such a name is removed at the end. Any other backend shares its names with the other users of the store: ids such as
`5` and those of stored bytes are the same in every run, and a `cleanup` removes all results. Such a backend is judged
only if the store has no results yet, by one process, and at the end all results are removed.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.protocols import Target


@runtime_checkable
class CleaningProbe(Probe, Protocol):
    """A probe that sees all results under its prefix, also those of other users, and can remove them."""

    @property
    def prefix(self) -> str:
        """The prefix of the names of keys or tables."""
        ...

    @property
    def shown(self) -> str:
        """The store, without its password."""
        ...

    def any_result(self) -> str | None:
        """Return the name of any result in the store, or None if it has none."""
        ...

    def forget_results(self, mark: str) -> None:
        """Remove all results under the prefix, and everything whose name has `mark`, which only ids of the run have."""
        ...

    def forget_run(self) -> None:
        """Remove everything whose name begins with the prefix, unless that is empty."""
        ...


def own_prefix(target: Target) -> str:
    """Return the prefix for a backend that accepts one: it is complete (KEY-2), and also valid in names of tables."""
    return f"resultspec_{target.run}_"


def cleaner(probe: Probe | None, target: Target, cure: str) -> Callable[[], None] | None:
    """Return the function that removes, at the end, everything that the run has written; None if the probe cannot.

    Raises UsageError, which ends with the cure, if other users have results where the backend would put its own, and
    SubjectError for a second process that would put its results there. Then the probe is closed.
    """
    if not isinstance(probe, CleaningProbe):
        return None
    if target.run in probe.prefix:
        return probe.forget_run
    try:
        _require_alone(probe, target, cure)
    except BaseException:
        probe.close()
        raise
    return partial(probe.forget_results, f"-{target.run}-")


def require_one_process(target: Target) -> None:
    """Raise SubjectError for another process than the run's first one."""
    if target.role == "helper":
        raise SubjectError("a backend without a prefix of the run's own is judged by a single process")


def _require_alone(probe: CleaningProbe, target: Target, cure: str) -> None:
    require_one_process(target)
    found = probe.any_result() if target.role == "first" else None
    if found is not None:
        raise UsageError(
            f"{probe.shown} holds results already, such as {found[:80]}, and the backend would mix its own with them."
            f"\n{cure}"
        )
