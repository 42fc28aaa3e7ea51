"""The self-check: before a run is believed, the suite must see through a backend that is known to be
broken.
"""

import time

from resultspec_conformance.limits import SELF_CHECK_EXAMPLES
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.selection import in_order
from resultspec_conformance.verdict.sentinel import Sentinel
from resultspec_conformance.verdict.settings import CheckSettings

SENTINELS = (
    "success-overwritten",
    "custom-states-refused",
    "empty-state",
    "failure-is-final",
    "parent-survives",
    "refused-store-raises",
    "tombstones",
)
"""Broken backends that checks with listed cases see, so without waiting and without luck."""


class SelfChecker:
    """The self-check of one run, before it is made: the backend, chosen by the seed, and a worker for it."""

    def __init__(self, seed: int) -> None:
        from resultspec_conformance.broken import CATALOGUE

        name = SENTINELS[seed % len(SENTINELS)]
        self.sentinel = Sentinel(name, CATALOGUE[name].violates)
        self.worker = Worker(f"broken:{name}", f"self{seed % 10**6}", CheckSettings(SELF_CHECK_EXAMPLES, seed))

    def judge(self) -> Sentinel:
        """Run the checks that cite its requirement against it until one blames it; return it with what was found."""
        began, requirement = time.monotonic(), self.sentinel.requirement
        killer, trouble = "", ""
        try:
            opened = self.worker.start()
            for check in sorted(in_order(all_checks().values()), key=lambda check: not check.cases):
                if requirement not in check.cites or check.needs - opened.available:
                    continue
                failure = self.worker.run_check(check).failure
                if failure is not None and failure.requirement == requirement:
                    killer = check.name
                    break
        except SubjectError as error:
            trouble = str(error).partition("\n")[0]
        finally:
            self.worker.kill()
        return Sentinel(self.sentinel.backend, requirement, killer, time.monotonic() - began, trouble)
