"""From the results of checks to verdicts: per requirement, per conformance class, and for the run. Pure functions.

The verdict on a requirement follows from the register, the checks that cite it, and their results. It is *passed* only
if every check that cites it and could run has exercised it, in an example that ran to its end: a check that was
stopped, or that did not look, leaves it *not tested*, and a class with such a requirement is not conformant.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from resultspec import Requirement
from resultspec_conformance.subject.capabilities import ONLY_WAITS
from resultspec_conformance.testkit.registry import WRITER, Check
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.excuses import Excuse, Excused

Verdict = Literal["passed", "violated", "not applicable", "not observable", "not tested", "untestable"]
ClassVerdictName = Literal["conformant", "violated", "not tested"]
RunVerdict = Literal["conformant", "nothing new", "violated", "failed", "inconclusive"]

VIEWS = frozenset(
    {
        *("probe", "payload", "keys", "wire", "rows", "cut", "bookkeeping", "traffic"),
        *("in-process", "broker", "overlap", "time"),
    }
)
"""The means by which the suite may observe a subject, besides the subject's own operations."""

EXIT_CODES: Mapping[RunVerdict, int] = {
    "conformant": 0,
    "nothing new": 0,
    "violated": 1,
    "failed": 3,
    "inconclusive": 4,
}
"""The exit code of each verdict of a run; 2 is wrong usage, without a verdict. With nothing new, every failure is
excused, and at least one class is not conformant."""

FAILED_STATUSES = frozenset({"hung", "died", "error"})
"""The statuses of checks that failed because of the harness or the environment, and not by a violation."""


@dataclass(frozen=True)
class Evidence:
    """What a run observed.

    `results`: by the names of the checks. `skipped`: why a selected check did not run. `available`: what the subject
    provides and the suite can see. `ids`: the selected requirements, of claimed classes only. `deselected`: those that
    are not judged even if a check breaks them. `excused`: the failures that do not count. `harness`: errors that are
    not violations. `stale`: complaints about the list of known failures.
    """

    results: Mapping[str, CheckResult]
    ids: frozenset[str]
    available: frozenset[str] = frozenset()
    deselected: frozenset[str] = frozenset()
    skipped: Mapping[str, str] = field(default_factory=dict)
    excused: Excused = field(default_factory=Excused)
    harness: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequirementVerdict:
    """The verdict on one requirement. `checks` are those that cite it.

    `excuse`: why its violation, or that it was not tested, does not count in the verdict of the run. `consequence`: it
    was not tested only because of failures that the run has found.
    """

    requirement: Requirement
    verdict: Verdict
    reason: str
    checks: tuple[str, ...]
    excuse: Excuse = ""
    consequence: bool = False


@dataclass(frozen=True)
class ClassVerdict:
    """The verdict on a conformance class, by its selected requirements.

    `counts` has the number of its requirements by verdict, and `total` that of its requirements in the register.
    `violated` is the number of violated ones that are scored, `known` and `shared` that of those which are excused,
    and `masked` that of those which were not tested because of excused failures.
    """

    name: str
    verdict: ClassVerdictName
    counts: Mapping[str, int]
    total: int
    violated: int = 0
    known: int = 0
    shared: int = 0
    masked: int = 0

    @property
    def summary(self) -> str:
        """The verdict in short."""
        parts: list[str] = [self.verdict]
        unseen = self.counts.get("not observable", 0)
        if self.verdict == "conformant" and unseen:
            parts = [f"conformant as observed, {unseen} not observable"]
        if self.known or self.shared or self.masked:
            parts = [f"not conformant: {self._excused()}"]
        judged = sum(self.counts.values())
        if judged < self.total:
            parts.append(f"({judged} of {self.total} requirements selected)")
        return " ".join(parts)

    def _excused(self) -> str:
        """Return the numbers of violated requirements, and of those that are excused."""
        known = f", {self.known} of them known" if self.known else ""
        shared = f", {self.shared} of them shared with the baseline" if self.shared else ""
        violated = f"{self.violated} violated{known}{shared}" if self.violated else ""
        masked = f"{self.masked} not tested, which is excused" if self.masked else ""
        return "; ".join(filter(None, [violated, masked]))


@dataclass(frozen=True)
class Judgement:
    """All verdicts of a run. `reasons` says why it is not conformant."""

    requirements: tuple[RequirementVerdict, ...]
    classes: tuple[ClassVerdict, ...]
    verdict: RunVerdict
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """The exit code of the run."""
        return EXIT_CODES[self.verdict]


# -- requirements ------------------------------------------------------------------------------


def _why_not(requirement: str, check: Check, evidence: Evidence) -> str:
    """Return why a check that cites a requirement is not evidence for it."""
    result = evidence.results.get(check.name)
    if result is None:
        return f"{check.name} {evidence.skipped.get(check.name, 'was not selected')}"
    if result.status in FAILED_STATUSES:
        verb = {"hung": "hung", "died": "died", "error": "ended in an error"}[result.status]
        message = result.message.strip().partition("\n")[0]
        return f"{check.name} {verb}: {message}" if message else f"{check.name} {verb}"
    if result.blocked:
        return f"{check.name} could not test it: {result.reasons}"
    if result.failures:
        return f"{check.name} was stopped by a violation of {', '.join(result.accused)}"
    if result.message:
        return f"{check.name} observed nothing: {result.message.partition(chr(10))[0]}"
    return f"{check.name} passed, but did not exercise {requirement}"


def _lacks_only_views(checks: Iterable[Check], available: frozenset[str]) -> bool:
    missing = [check.lacks(available) for check in checks]
    return bool(missing) and all(lacking and lacking <= VIEWS for lacking in missing)


def _without_evidence(requirement: Requirement, citing: list[Check], evidence: Evidence) -> tuple[Verdict, str]:
    """Return verdict and reason for a requirement that is neither violated nor passed."""
    if requirement.untestable:
        return "untestable", requirement.untestable
    if requirement.applies and requirement.applies not in evidence.available:
        return "not applicable", f"the subject does not declare {requirement.applies}"
    if requirement.observe and requirement.observe not in evidence.available:
        return "not observable", f"observable only with {requirement.observe}"
    if _lacks_only_views(citing, evidence.available):
        views = sorted(frozenset[str]().union(*(check.lacks(evidence.available) for check in citing)))
        return "not observable", f"observable only with {', '.join(views)}"
    if not citing:
        return "not tested", "no check cites it"
    if all(WRITER in check.lacks(evidence.available) for check in citing):
        return "not applicable", "the subject only waits, and its checks need a writer of its own"
    lacking = [check.lacks(evidence.available) for check in citing]
    declarable = [needs for needs in lacking if not needs & VIEWS]
    if all(lacking) and declarable:
        needed = ", ".join(sorted(declarable[0]))
        claim = requirement.applies or f"the class {requirement.conformance_class}"
        return "not tested", f"its checks need {needed}: declare that, or do not claim {claim}"
    reasons = {
        check.name: _why_not(requirement.id, check, evidence)
        for check in _able(citing, evidence) or citing
        if not _is_evidence(requirement.id, check, evidence)
    }
    whys = {reason.removeprefix(f"{name} was not run: ") for name, reason in reasons.items()}
    if len(whys) == 1 and whys.isdisjoint(reasons.values()):
        return "not tested", f"none of its checks was run: {whys.pop()}"
    return "not tested", "; ".join(reasons.values())


def _able(citing: Iterable[Check], evidence: Evidence) -> list[Check]:
    """Return the selected checks that could run."""
    selected = evidence.results.keys() | evidence.skipped.keys()
    return [check for check in citing if check.name in selected and not check.lacks(evidence.available)]


def _has_passed(requirement: str, able: Iterable[Check], evidence: Evidence) -> bool:
    """Whether every check that has to look on a requirement did; where all look by chance, whether one did."""
    looked = [(requirement in check.by_chance, _is_evidence(requirement, check, evidence)) for check in able]
    certain = [has_looked for by_chance, has_looked in looked if not by_chance]
    return all(certain) if certain else any(has_looked for _, has_looked in looked)


def _is_evidence(requirement: str, check: Check, evidence: Evidence) -> bool:
    """Whether a check has exercised a requirement in an example that ran to its end."""
    result = evidence.results.get(check.name)
    return result is not None and result.status not in FAILED_STATUSES and requirement in result.exercised


_EXCUSE_WORDS: Mapping[Excuse, str] = {"": "", "known": "known: ", "shared": "shared with the baseline: "}


def judge_requirement(requirement: Requirement, checks: Mapping[str, Check], evidence: Evidence) -> RequirementVerdict:
    """Return the verdict on one requirement."""
    citing = [check for check in checks.values() if requirement.id in check.cites]
    names = tuple(check.name for check in citing)
    breakers = [name for name, result in evidence.results.items() if requirement.id in result.accused]
    if breakers:
        excuse = evidence.excused.of_violation(requirement.id, evidence.results.values())
        reason = f"{_EXCUSE_WORDS[excuse]}shown by {', '.join(breakers)}"
        return RequirementVerdict(requirement, "violated", reason, names, excuse)
    if ONLY_WAITS in evidence.available and not requirement.concerns_readers:
        # its checks may have run for another requirement, with what the suite has stored
        reason = "the subject only waits: the suite stores what it reads"
        return RequirementVerdict(requirement, "not applicable", reason, names)
    if _has_passed(requirement.id, _able(citing, evidence), evidence):
        return RequirementVerdict(requirement, "passed", "", names)
    verdict, reason = _without_evidence(requirement, citing, evidence)
    if verdict != "not tested":
        return RequirementVerdict(requirement, verdict, reason, names)
    blind = _blind(requirement.id, citing, evidence)
    consequence = bool(blind) and all(result is not None and result.found for result in blind)
    excuse = evidence.excused.of_gap(requirement.id, blind)
    return RequirementVerdict(requirement, verdict, reason, names, excuse, consequence)


def _blind(requirement: str, citing: Iterable[Check], evidence: Evidence) -> list[CheckResult | None]:
    """Return the results of the checks that were to test a requirement, and are not evidence for it."""
    able = [check for check in _able(citing, evidence) if not _is_evidence(requirement, check, evidence)]
    results = [evidence.results.get(check.name) for check in able]
    return [None if result is None or result.status in FAILED_STATUSES else result for result in results]


# -- classes and the run -----------------------------------------------------------------------


def judge_class(name: str, verdicts: Iterable[RequirementVerdict], total: int) -> ClassVerdict:
    """Return the verdict on a class. A violated SHOULD, or a provisional requirement, is reported and not scored."""
    mine = [verdict for verdict in verdicts if verdict.requirement.conformance_class == name]
    counts: dict[str, int] = {}
    for verdict in mine:
        counts[verdict.verdict] = counts.get(verdict.verdict, 0) + 1
    scored = [verdict for verdict in mine if verdict.verdict == "violated" and verdict.requirement.scored]
    excuses = Counter(verdict.excuse for verdict in scored)
    masked = sum(1 for verdict in mine if is_untested(verdict) and verdict.excuse)
    outcome: ClassVerdictName = "conformant"
    if scored:
        outcome = "violated"
    elif not counts.get("passed") or any(is_untested(verdict) for verdict in mine):
        outcome = "not tested"
    return ClassVerdict(name, outcome, counts, total, len(scored), excuses["known"], excuses["shared"], masked)


def is_untested(verdict: RequirementVerdict) -> bool:
    """Whether a requirement was not tested, although it is neither a MAY nor provisional."""
    return verdict.verdict == "not tested" and verdict.requirement.expected


def is_gap(verdict: RequirementVerdict) -> bool:
    """Whether a requirement is a gap in the run: it was not tested, and no excused failure is the reason."""
    return is_untested(verdict) and not verdict.excuse


def _harness_trouble(evidence: Evidence) -> list[str]:
    trouble = list(evidence.harness)
    for result in evidence.results.values():
        if result.status in FAILED_STATUSES:
            message = result.message.strip().partition("\n")[0]
            trouble.append(f"{result.name} {result.status}: {message}")
    return trouble


def _run_verdict(
    requirements: Iterable[RequirementVerdict], classes: Iterable[ClassVerdict], evidence: Evidence
) -> tuple[RunVerdict, list[str]]:
    """Return verdict and reasons for a run: a violation has precedence over errors of the harness, those over gaps."""
    found = list(requirements)
    excused = [v for v in found if v.excuse and (v.requirement.scored if v.verdict == "violated" else is_untested(v))]
    violated = [v for v in found if v.verdict == "violated" and v.requirement.scored and not v.excuse]
    trouble = _harness_trouble(evidence)
    gaps = [f"{v.requirement.id} was not tested: {v.reason}" for v in found if is_gap(v)]
    untested = [one for one in classes if not set(one.counts) & {"passed", "violated"} and not one.masked]
    gaps += [f"nothing of the class {one.name} was tested" for one in untested]
    gaps += evidence.stale
    reasons = [f"{v.requirement.id} is violated" for v in violated] + trouble + gaps
    if violated:
        return "violated", reasons
    if trouble:
        return "failed", reasons
    if gaps or not found:
        return "inconclusive", reasons or ["no requirement was judged"]
    return ("nothing new" if excused else "conformant"), []


def judge(
    requirements: Mapping[str, Requirement],
    checks: Mapping[str, Check],
    classes: Iterable[str],
    evidence: Evidence,
) -> Judgement:
    """Return all verdicts of a run. `classes`: those that are claimed and selected; only their ids are judged."""
    judged_classes = tuple(classes)
    broken = {accused for result in evidence.results.values() for accused in result.accused}
    found = tuple(
        judge_requirement(requirement, checks, evidence)
        for requirement in requirements.values()
        if requirement.conformance_class in judged_classes
        and requirement.id in (evidence.ids | broken) - evidence.deselected
    )
    totals = {
        name: sum(1 for requirement in requirements.values() if requirement.conformance_class == name)
        for name in judged_classes
    }
    per_class = tuple(
        judge_class(name, found, totals[name])
        for name in judged_classes
        if any(verdict.requirement.conformance_class == name for verdict in found)
    )
    verdict, reasons = _run_verdict(found, per_class, evidence)
    return Judgement(found, per_class, verdict, tuple(reasons))


# -- what a run exercised ----------------------------------------------------------------------


@dataclass(frozen=True)
class Leftovers:
    """Ids on which the checks of a run and the register disagree; `traceability` reports what no check cites.

    `unexercised`: cited by a check that ran, but exercised by none that cites it. `undeclared`: exercised, but
    not in the register. `unclaimed`: exercised by a check that does not cite it, as pairs of check and id.
    """

    unexercised: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    unclaimed: tuple[tuple[str, str], ...] = ()


def trace(
    requirements: Mapping[str, Requirement], cites: Mapping[str, Iterable[str]], exercised: Mapping[str, Iterable[str]]
) -> Leftovers:
    """Compare the ids in the register, those that each check cites, and those that each check exercised in a run."""
    emitted = {(name, one) for name, ids in exercised.items() for one in ids}
    cited = {(name, one) for name in exercised for one in cites.get(name, ())}
    proper = {one for _, one in emitted & cited}
    return Leftovers(
        unexercised=tuple(one for one in requirements if one in {cite for _, cite in cited} - proper),
        undeclared=tuple(sorted({one for _, one in emitted} - set(requirements))),
        unclaimed=tuple(sorted(emitted - cited)),
    )
