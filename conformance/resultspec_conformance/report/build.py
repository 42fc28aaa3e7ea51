"""Building a report from the findings of a run. A pure function."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from kombu.utils.url import maybe_sanitize_url

from resultspec import DOMAINS, REQUIREMENTS, SPEC_VERSION
from resultspec.domains import ranges
from resultspec.requirements import SEVERITIES
from resultspec_conformance.report.baseline import Baseline
from resultspec_conformance.report.causes import causes_of
from resultspec_conformance.report.document import (
    FORMAT,
    BackendTime,
    CheckEntry,
    ClassEntry,
    Domain,
    FailureEntry,
    Replay,
    Report,
    RequirementEntry,
    SelfCheck,
    validated,
    worst_first,
)
from resultspec_conformance.report.reproducer_script import script
from resultspec_conformance.subject.call_failures import CallFailure
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.redaction import has_password
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.conclusion import Conclusion
from resultspec_conformance.verdict.excuses import Excuse
from resultspec_conformance.verdict.replay_token import Counterexample, encode_token
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.verdict.self_check import SelfCheckResult
from resultspec_conformance.verdict.settings import CheckSettings
from resultspec_conformance.verdict.target_description import TargetDescription
from resultspec_conformance.verdict.verdicts import ClassVerdict, RequirementVerdict

PORTABLE_IDS = (
    f"1 to {DOMAINS.id_max_length} characters of {ranges(DOMAINS.id_alphabet)}, "
    "and others that must be kept faithfully or refused"
)


@dataclass(frozen=True)
class RunFindings:
    """Everything that a run knows at its end.

    `target` is the given one; `checks` are those of the suite, by name; `secrets` must not get into the
    report; `construct` is that of the adapter.
    """

    target: str
    origin: str
    opened: TargetDescription
    selection: Selection
    settings: CheckSettings
    started: datetime
    duration: float
    self_check: SelfCheckResult | None
    conclusion: Conclusion
    baseline: Baseline | None
    checks: Mapping[str, Check]
    secrets: frozenset[str]
    construct: str = ""


def _domain(capabilities: Mapping[str, Any]) -> Domain:
    values = {"json": "plain JSON and exceptions", "tagged": "everything that a serializer carries"}
    return Domain(
        ids=PORTABLE_IDS, values=values[capabilities["values"]], serializers=list(capabilities["serializers"])
    )


def _backend_time(results: Mapping[str, CheckResult]) -> BackendTime:
    inside = sum(result.backend_seconds for result in results.values())
    whole = sum(result.seconds for result in results.values())
    return BackendTime(
        seconds=round(inside, 3),
        share=round(min(1.0, inside / whole), 3) if whole else 0.0,
        calls=sum(result.calls for result in results.values()),
    )


def _self_check(self_check: SelfCheckResult | None) -> SelfCheck | None:
    if self_check is None:
        return None
    return SelfCheck(
        backend=self_check.backend,
        requirement=self_check.requirement,
        killed=self_check.killed,
        check=self_check.check,
        seconds=round(self_check.seconds, 3),
    )


def _class_entry(verdict: ClassVerdict) -> ClassEntry:
    return ClassEntry(
        name=verdict.name,
        verdict=verdict.verdict,
        summary=verdict.summary,
        counts=dict(verdict.counts),
        known=verdict.known,
        shared=verdict.shared,
        masked=verdict.masked,
        total=verdict.total,
    )


def _requirement_entry(found: RequirementVerdict) -> RequirementEntry:
    requirement = found.requirement
    return RequirementEntry(
        {
            "id": requirement.id,
            "chapter": requirement.chapter,
            "class": requirement.conformance_class,
            "level": requirement.level,
            "provisional": requirement.provisional,
            "severity": requirement.severity,
            "statement": requirement.statement,
            "verdict": found.verdict,
            "reason": found.reason,
            "known": found.excuse == "known",
            "shared": found.excuse == "shared",
            "consequence": found.consequence,
            "checks": list(found.checks),
        }
    )


def _check_entries(findings: RunFindings) -> list[CheckEntry]:
    results, skipped = findings.conclusion.evidence.results, findings.conclusion.evidence.skipped
    return [
        _check_entry(findings.checks[name], results.get(name), skipped.get(name, "")) for name in [*results, *skipped]
    ]


def _check_entry(check: Check, result: CheckResult | None, why_skipped: str) -> CheckEntry:
    ran = result or CheckResult(check.name, "passed", message=why_skipped)
    return CheckEntry(
        name=check.name,
        status=ran.status if result else "skipped",
        cites=list(check.cites),
        exercised=list(ran.exercised),
        seconds=round(ran.seconds, 4),
        backend_seconds=round(ran.backend_seconds, 4),
        calls=ran.calls,
        examples=ran.examples,
        message=ran.message,
        blocked=[call.reason for call in ran.blocked],
    )


def failure_entry(
    check: str,
    failure: Failure,
    target: str,
    settings: CheckSettings,
    secrets: frozenset[str],
    *,
    excuse: Excuse = "",
    construct: str = "",
) -> FailureEntry:
    """Return the entry of a failure, with its requirement, the command that replays it, and its script."""
    requirement = REQUIREMENTS[failure.requirement]
    counterexample = Counterexample(
        target=target,
        check=check,
        requirement=requirement.id,
        example=failure.example,
        seed=settings.seed,
        examples=settings.examples,
        call_timeout=settings.call_timeout,
    )
    call = None if failure.call is None else CallFailure.from_json(failure.call)
    token, exact = encode_token(counterexample, secrets)
    entry = FailureEntry(
        {
            "check": check,
            "requirement": requirement.id,
            "class": requirement.conformance_class,
            "level": requirement.level,
            "provisional": requirement.provisional,
            "severity": requirement.severity,
            "statement": requirement.statement,
            "intent": requirement.intent,
            "known": excuse == "known",
            "shared": excuse == "shared",
            "kind": failure.kind,
            "cause": "" if call is None else call.cause,
            "blocks": "" if call is None else call.reason,
            "got": failure.got,
            "allowed": failure.allowed,
            "step": failure.step,
            "also": [dict(example) for example in failure.also],
            "alike": failure.alike,
            "example": dict(failure.example),
            "history": list(failure.history),
            "clients": dict(failure.clients),
            "stored": dict(failure.stored),
            "seed": settings.seed,
            "examples": settings.examples,
            "replay": Replay(token=token, line=f"resultspec replay {token}", exact=exact),
            "script": "",
        }
    )
    entry["script"] = script(entry, target, construct)
    return entry


def _failures(findings: RunFindings) -> list[FailureEntry]:
    judged = {verdict.requirement.id for verdict in findings.conclusion.judgement.requirements}
    found = [
        failure_entry(
            name,
            failure,
            findings.target,
            findings.settings,
            findings.secrets,
            excuse=findings.conclusion.evidence.excused.of_failure(name, failure),
            construct=findings.construct,
        )
        for name, result in findings.conclusion.evidence.results.items()
        for failure in result.failures
        if failure.requirement in judged
    ]
    order = {one: position for position, one in enumerate(REQUIREMENTS)}
    return worst_first(found, order, SEVERITIES)


def assemble(findings: RunFindings) -> Report:
    """Return the report of a run, without passwords and valid by its schema."""
    judgement, settings = findings.conclusion.judgement, findings.settings
    requirements = [_requirement_entry(verdict) for verdict in judgement.requirements]
    checks, failures = _check_entries(findings), _failures(findings)
    report = Report(
        format=FORMAT,
        tool={"name": "resultspec", "version": version("resultspec")},
        spec_version=SPEC_VERSION,
        target=maybe_sanitize_url(findings.target) if has_password(findings.target) else findings.target,
        origin=findings.origin,
        capabilities=dict(findings.opened.capabilities),
        available=sorted(findings.opened.available),
        domain=_domain(findings.opened.capabilities),
        settings={
            "examples": settings.examples,
            "seed": settings.seed,
            "call_timeout": settings.call_timeout,
            "classes": list(findings.selection.classes),
            "select": list(findings.selection.patterns),
            "deselect": list(findings.selection.deselected),
        },
        started=findings.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration=round(findings.duration, 3),
        backend=_backend_time(findings.conclusion.evidence.results),
        round_trip=findings.opened.round_trip,
        self_check=_self_check(findings.self_check),
        classes=[_class_entry(verdict) for verdict in judgement.classes],
        requirements=requirements,
        checks=checks,
        failures=failures,
        causes=causes_of(failures, requirements, checks),
        known_failures=[
            {
                "requirement": entry.requirement,
                "kind": entry.kind,
                "check": entry.check,
                "reason": entry.reason,
                "outcome": said,
            }
            for entry, said in findings.conclusion.known
        ],
        baseline=findings.baseline.compared(judgement.requirements) if findings.baseline else None,
        verdict=judgement.verdict,
        exit_code=judgement.exit_code,
        reasons=list(judgement.reasons),
    )
    return validated(report, findings.secrets)
