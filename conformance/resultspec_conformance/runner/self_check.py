"""The self-check: before a run counts, the suite must find the defect of a backend that is known to be broken."""

import time

from resultspec_conformance.limits import SELF_CHECK_EXAMPLES
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.selection import in_order
from resultspec_conformance.verdict.self_check import SelfCheckResult
from resultspec_conformance.verdict.settings import CheckSettings

SELF_CHECK_BACKENDS = (
    "success-overwritten",
    "custom-states-refused",
    "state-of-any-type",
    "failure-is-final",
    "parent-survives",
    "refused-store-raises",
    "tombstones",
)
"""Broken backends that checks with listed cases find, so without waits and without chance."""


class SelfChecker:
    """The self-check before a run: a broken backend, chosen by the seed, and a worker for it."""

    def __init__(self, seed: int) -> None:
        from resultspec_conformance.broken import CATALOGUE

        name = SELF_CHECK_BACKENDS[seed % len(SELF_CHECK_BACKENDS)]
        self.backend, self.requirement = name, CATALOGUE[name].violates
        self.worker = Worker(f"broken:{name}", f"self{seed % 10**6}", CheckSettings(SELF_CHECK_EXAMPLES, seed))

    def judge(self) -> SelfCheckResult:
        """Run the checks that cite the backend's requirement against it until one finds the violation."""
        began, requirement = time.monotonic(), self.requirement
        killer, trouble = "", ""
        try:
            opened = self.worker.start()
            for check in sorted(in_order(all_checks().values()), key=lambda check: not check.cases):
                if requirement not in check.cites or check.needs - opened.available:
                    continue
                if requirement in self.worker.run_check(check).accused:
                    killer = check.name
                    break
        except SubjectError as error:
            trouble = str(error).partition("\n")[0]
        finally:
            self.worker.kill()
        return SelfCheckResult(self.backend, requirement, killer, time.monotonic() - began, trouble)
