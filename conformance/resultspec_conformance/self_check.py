"""The self-check: before a run is believed, the suite must see through a backend that is known to be
broken.
"""

import time
from dataclasses import dataclass

from resultspec_conformance.checks import all_checks
from resultspec_conformance.isolation import CheckSettings, Worker
from resultspec_conformance.selection import in_order
from resultspec_conformance.subject import SubjectError

SENTINELS = ("success-overwritten",)
"""Broken backends that few examples show, and without waiting."""

EXAMPLES = 20


@dataclass(frozen=True)
class Sentinel:
    """A broken backend of the catalogue: the requirement that it breaks, and the check that saw it, if any
    did.
    """

    backend: str
    requirement: str
    check: str = ""
    seconds: float = 0.0
    trouble: str = ""

    @property
    def killed(self) -> bool:
        """Whether a check blamed it for its requirement."""
        return bool(self.check)

    @property
    def complaint(self) -> str:
        """Why the run is void."""
        why = self.trouble or "no check saw it"
        return f"self-check: the broken backend {self.backend} violates {self.requirement}, and {why}; the run is void"


def choose_sentinel(seed: int) -> Sentinel:
    """Return the broken backend that a run with this seed judges first."""
    from resultspec_conformance.broken import CATALOGUE

    name = SENTINELS[seed % len(SENTINELS)]
    return Sentinel(name, CATALOGUE[name].violates)


def judge_sentinel(sentinel: Sentinel, seed: int) -> Sentinel:
    """Run the checks that cite its requirement against it until one blames it, and return it with what was
    found.
    """
    began = time.monotonic()
    worker = Worker(f"broken:{sentinel.backend}", f"self{seed % 10**6}", CheckSettings(EXAMPLES, seed))
    killer, trouble = "", ""
    try:
        opened = worker.start()
        for check in in_order(all_checks().values()):
            if sentinel.requirement not in check.cites or check.needs - opened.available:
                continue
            failure = worker.run_check(check).failure
            if failure is not None and failure.requirement == sentinel.requirement:
                killer = check.name
                break
    except SubjectError as error:
        trouble = str(error).partition("\n")[0]
    finally:
        worker.kill()
    return Sentinel(sentinel.backend, sentinel.requirement, killer, time.monotonic() - began, trouble)
