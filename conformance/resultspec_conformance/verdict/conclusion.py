"""The conclusion of a run: its verdicts, with the failures that are excused, and what became of the known ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from resultspec import REQUIREMENTS
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.excuses import Excused, Shared
from resultspec_conformance.verdict.known_failures import (
    UNTESTED,
    KnownFailure,
    Seen,
    known_gaps,
    known_keys,
    outcomes,
    stale,
    with_replayed,
)
from resultspec_conformance.verdict.selection import Plan
from resultspec_conformance.verdict.verdicts import Evidence, Judgement, judge


@dataclass(frozen=True)
class Observed:
    """What a run observed of its target.

    `results`: by the names of the checks. `skipped`: why others did not run. `harness`: errors that are not violations.
    `available`: what the target provides and the suite can see. `replayed`: the results of the counterexamples of known
    failures, by their positions in the list.
    """

    results: Mapping[str, CheckResult]
    skipped: Mapping[str, str]
    harness: Sequence[str]
    available: frozenset[str]
    replayed: Mapping[int, CheckResult] = field(default_factory=dict)


@dataclass(frozen=True)
class Conclusion:
    """The verdicts, the evidence for them, and each entry of the list of known failures with its outcome."""

    judgement: Judgement
    evidence: Evidence
    known: tuple[tuple[KnownFailure, str], ...]


def concluded(
    plan: Plan,
    checks: Mapping[str, Check],
    observed: Observed,
    entries: Sequence[KnownFailure] = (),
    shared: Shared | None = None,
) -> Conclusion:
    """Return the conclusion of a run. `entries`: the known failures; `shared`: what a baseline fails too."""
    results = with_replayed(observed.results, observed.replayed.values())
    evidence = Evidence(
        results={check.name: results[check.name] for check in plan.checks if check.name in results},
        ids=plan.ids,
        available=observed.available,
        deselected=plan.deselected,
        skipped=observed.skipped,
        excused=Excused(
            known=known_keys(entries, results),
            listed=frozenset((entry.requirement, entry.kind) for entry in entries),
            gaps=known_gaps(entries),
            shared=shared or Shared(),
        ),
        harness=tuple(observed.harness),
    )
    # an entry is not stale if its requirement could not be tested because of another one
    verdicts = judge(REQUIREMENTS, checks, plan.classes, evidence).requirements
    seen = Seen(
        results,
        observed.replayed,
        verdicts={one.requirement.id: one.verdict for one in verdicts},
        masked=frozenset(one.requirement.id for one in verdicts if one.verdict == UNTESTED and one.excuse),
    )
    known = outcomes(entries, seen)
    evidence = replace(evidence, stale=stale(known))
    return Conclusion(judge(REQUIREMENTS, checks, plan.classes, evidence), evidence, known)
