"""How what a run writes into a store is kept apart from what others have there.

A backend that puts the id of the run into the names of its keys or tables is apart by that, and what has such a name
goes at the end. Any other one shares its names with whoever uses the store: ids such as `5` and those of stored bytes
are the same in every run, and a `cleanup` removes what it finds. Such a backend is judged only where no results are
yet, by one process, and at the end all results go.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.protocols import Target


@runtime_checkable
class CleaningProbe(Probe, Protocol):
    """A probe that sees all results under its prefix, whoever has stored them, and can remove them."""

    @property
    def prefix(self) -> str:
        """What is before the names of keys or tables."""
        ...

    @property
    def shown(self) -> str:
        """The store, without its password."""
        ...

    def any_result(self) -> str | None:
        """Return the name of a result in the store, or None if there are none."""
        ...

    def forget_results(self, mark: str) -> None:
        """Remove all results under the prefix, and whatever has a mark in its name that only ids of the run have."""
        ...

    def forget_run(self) -> None:
        """Remove everything that begins with the prefix, if there is one."""
        ...


def own_prefix(target: Target) -> str:
    """Return the prefix for a backend that takes one: it is complete (KEY-2), and good for names of tables too."""
    return f"resultspec_{target.run}_"


def cleaner(probe: Probe | None, target: Target, cure: str) -> Callable[[], None] | None:
    """Return what removes, at the end, all that the run has written; None if the probe cannot tell.

    Raises UsageError, which ends with the cure, if others have results where the backend would put its own, and
    SubjectError for a second process that would put its results there. The probe is closed then.
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


def _require_alone(probe: CleaningProbe, target: Target, cure: str) -> None:
    if target.role == "helper":
        raise SubjectError("a backend without a prefix of the run's own is judged by a single process")
    found = probe.any_result() if target.role == "first" else None
    if found is not None:
        raise UsageError(
            f"{probe.shown} holds results already, such as {found[:80]}, and the backend would mix its own with them."
            f"\n{cure}"
        )
