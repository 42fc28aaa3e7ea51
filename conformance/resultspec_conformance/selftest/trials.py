"""The self-test: each broken backend must be found to violate its requirement, and no correct backend may be accused.

A *kill* is a violation of the requirement that a broken backend violates on purpose, found by a check
that cites it. A *stray accusation* is a violation of a requirement that does not follow from the
defect by the catalogue or the register.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from resultspec import REQUIREMENTS, SPEC_VERSION
from resultspec_conformance.broken import CATALOGUE, VARIATIONS, Specimen
from resultspec_conformance.limits import SELFTEST_EXAMPLES
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.selftest.traceability import gaps
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.settings import CheckSettings

Fate = Literal["killed", "survived", "stray", "acquitted", "accused", "failed"]

GOOD_FATES: frozenset[Fate] = frozenset({"killed", "acquitted"})

EXAMPLES_ON_CORRECT = 15
"""Examples of each check on a correct backend."""

EXAMPLES_UNRELATED = 4
"""Examples, or listed cases, of each check that a broken backend's defect does not concern."""

JOBS = 4 * (os.cpu_count() or 1)
"""More than one per processor, since four fifths of the time is spent in waits that time out."""

CALL_TIMEOUT = 4.0


@dataclass(frozen=True)
class Trial:
    """The outcome for one backend of the catalogue.

    `killed`: a broken one was found to violate its own requirement, without stray accusations. `survived`: it was not.
    `stray`: it was accused of a violation that does not follow. `acquitted` and `accused`: for a correct one. `failed`:
    a check hung, died or ended in an error. `looked`: the places of the suite that tested it; `fired`: those that
    accused it, each with the name of a check.
    """

    name: str
    violates: str
    description: str
    fate: Fate
    killers: tuple[str, ...] = ()
    accusations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0
    looked: frozenset[str] = frozenset()
    fired: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Selftest:
    """The outcome of a whole self-test, and what the catalogue and the suite leave uncovered."""

    trials: tuple[Trial, ...]
    gaps: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every trial had the expected outcome and every MUST has a check and a broken backend."""
        return bool(self.trials) and not self.gaps and all(trial.fate in GOOD_FATES for trial in self.trials)

    @property
    def places(self) -> dict[str, tuple[str, str] | None]:
        """The places of the suite that tested a backend, each with a broken one that it accused and the check, or None.

        Of several broken backends it is the one that breaks the requirement of the place on purpose, if there is one.
        """
        looked = frozenset[str]().union(*(one.looked for one in self.trials))
        found: dict[str, tuple[str, str] | None] = dict.fromkeys(sorted(looked))
        for trial in sorted(self.trials, key=lambda one: one.name):
            for place, check in trial.fired.items():
                if found[place] is None or place.endswith(f" {trial.violates}"):
                    found[place] = (trial.name, check)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON."""
        return {
            "spec_version": SPEC_VERSION,
            "holds": self.holds,
            "seconds": round(self.seconds, 2),
            "gaps": list(self.gaps),
            "places": self.places,
            "trials": [
                {
                    "name": trial.name,
                    "violates": trial.violates,
                    "description": trial.description,
                    "fate": trial.fate,
                    "killers": list(trial.killers),
                    "accusations": {accused: list(by) for accused, by in trial.accusations.items()},
                    "message": trial.message,
                    "seconds": round(trial.seconds, 2),
                }
                for trial in self.trials
            ],
        }


def judge(specimen: Specimen, results: Iterable[CheckResult], checks: Mapping[str, Check], seconds: float) -> Trial:
    """Return the outcome for a specimen, from the results of its checks. Pure."""
    results = list(results)
    accusations: dict[str, list[str]] = {}
    for result in results:
        for accused in result.accused:
            accusations.setdefault(accused, []).append(result.name)
    broken_down = [f"{result.name} {result.status}: {result.message}" for result in results if _broke_down(result)]
    killers = [name for name in accusations.get(specimen.violates, ()) if specimen.violates in checks[name].cites]
    strays = [
        accused for accused in accusations if REQUIREMENTS[accused].level == "MUST" and accused not in specimen.breaks
    ]
    unjust = [
        f"{result.name} got {failure.got}"
        for result in results
        for failure in result.failures
        if failure.requirement in strays
    ]
    return Trial(
        name=specimen.name,
        violates=specimen.violates,
        description=specimen.description,
        fate=_fate(specimen, killers, strays, broken_down),
        killers=tuple(killers),
        accusations={accused: tuple(by) for accused, by in accusations.items()},
        message="; ".join([*broken_down, *unjust])[:2000],
        seconds=seconds,
        looked=frozenset[str]().union(*(result.looked for result in results)),
        fired={place: result.name for result in results for place in result.fired},
    )


def _broke_down(result: CheckResult) -> bool:
    return result.status in ("hung", "died", "error")


def _fate(specimen: Specimen, killers: Sequence[str], strays: Sequence[str], broken_down: Sequence[str]) -> Fate:
    if broken_down and not killers:
        return "failed"
    if not specimen.violates:
        return "accused" if strays else "acquitted"
    if strays:
        return "stray"
    return "killed" if killers else "survived"


def _applicable(check: Check, claimed: frozenset[str], available: frozenset[str]) -> bool:
    return check.needs <= available and any(REQUIREMENTS[cite].conformance_class in claimed for cite in check.cites)


def _concerns(check: Check, specimen: Specimen) -> bool:
    """Whether a check has to find the defect; the others only must not accuse, for which few examples suffice."""
    return not specimen.violates or specimen.violates in check.cites


def first_of_each_requirement(catalogue: Mapping[str, Specimen]) -> frozenset[str]:
    """Return the name of the first broken backend of each requirement."""
    by_requirement: dict[str, str] = {}
    for name, specimen in catalogue.items():
        by_requirement.setdefault(specimen.violates, name)
    return frozenset(by_requirement.values())


def try_specimen(specimen: Specimen, checks: Mapping[str, Check], worker: Worker, settings: CheckSettings) -> Trial:
    """Run those of some checks that apply against a specimen, in a worker that may have run another specimen before."""
    began = time.monotonic()
    thorough = (
        settings if specimen.violates else replace(settings, examples=min(EXAMPLES_ON_CORRECT, settings.examples))
    )
    few = replace(settings, examples=EXAMPLES_UNRELATED, most_cases=EXAMPLES_UNRELATED)
    opened = worker.switch_to(f"broken:{specimen.name}", f"selftest-{specimen.name}")
    claimed = frozenset(specimen.capabilities.classes)
    results = []
    for check in sorted(checks.values(), key=lambda check: not check.first):
        if _applicable(check, claimed, opened.available):
            worker.settings = thorough if _concerns(check, specimen) else few
            results.append(worker.run_check(check))
    return judge(specimen, results, checks, time.monotonic() - began)


def _next(left: deque[Specimen]) -> Specimen | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def selftest(
    only: Sequence[str] = (),
    *,
    examples: int = SELFTEST_EXAMPLES,
    seed: int = 0,
    jobs: int = JOBS,
    brief: bool = False,
    progress: Callable[[Trial], object] = id,
) -> Selftest:
    """Try every specimen of the catalogue, or those named in `only`; `progress` is called with each trial as it ends.

    `brief`: checks that a defect does not concern are tried only on the first broken backend of each requirement.
    Raises KeyError for a name that the catalogue does not have.
    """
    began = time.monotonic()
    specimens = {**VARIATIONS, **CATALOGUE}
    chosen = [specimens[name] for name in only] if only else list(specimens.values())
    checks = all_checks()
    settings = CheckSettings(examples=examples, seed=seed, call_timeout=CALL_TIMEOUT)

    left = deque(chosen)
    trials: dict[str, Trial] = {}

    leading = first_of_each_requirement(CATALOGUE)

    def tries_all_checks(specimen: Specimen) -> bool:
        return not brief or not specimen.violates or specimen.name in leading

    workers = [Worker("", "", settings) for _ in range(jobs)]

    def work(worker: Worker) -> None:
        try:
            while (specimen := _next(left)) is not None:
                tried = {
                    name: one for name, one in checks.items() if tries_all_checks(specimen) or _concerns(one, specimen)
                }
                trials[specimen.name] = try_specimen(specimen, tried, worker, settings)
                progress(trials[specimen.name])
        finally:
            # however this job ended, the others take no more specimens
            left.clear()
            worker.stop()

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for future in [pool.submit(work, worker) for worker in workers]:
                future.result()
        except BaseException:
            # the pool waits for its threads, and each thread for its worker, so end the workers
            left.clear()
            for worker in workers:
                worker.end_for_good()
            raise
    missing = tuple(gaps(REQUIREMENTS, checks, CATALOGUE))
    return Selftest(tuple(trials.values()), missing, time.monotonic() - began)
