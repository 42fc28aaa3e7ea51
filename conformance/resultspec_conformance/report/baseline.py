"""The baseline of a run: the report on another backend, whose failures are not counted against the target."""

import os
from dataclasses import dataclass
from pathlib import Path

from resultspec import SPEC_VERSION
from resultspec.schemas import complaint
from resultspec_conformance.report.document import BaselineEntry, Report, ReportError, load
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.verdict.excuses import Shared
from resultspec_conformance.verdict.verdicts import RequirementVerdict


@dataclass(frozen=True)
class Baseline:
    """The baseline, and where it comes from: a target or a file, as given."""

    source: str
    report: Report

    @property
    def shared(self) -> Shared:
        """What the baseline fails."""
        return Shared(
            kinds=frozenset((failure["requirement"], failure["kind"]) for failure in self.report["failures"]),
            gaps=frozenset(entry["id"] for entry in self.report["requirements"] if entry["verdict"] == "not tested"),
        )

    def compared(self, verdicts: tuple[RequirementVerdict, ...]) -> BaselineEntry:
        """Return what a report says of the baseline, given the verdicts on the target."""
        violated = [one for one in verdicts if one.verdict == "violated"]
        passed = {one.requirement.id for one in verdicts if one.verdict == "passed"}
        broken = {entry["id"] for entry in self.report["requirements"] if entry["verdict"] == "violated"}
        return BaselineEntry(
            source=self.source,
            target=self.report["target"],
            started=self.report["started"],
            verdict=self.report["verdict"],
            violated=len(broken),
            shared=[one.requirement.id for one in violated if one.excuse == "shared"],
            own=[one.requirement.id for one in violated if not one.excuse],
            mended=[one.requirement.id for one in verdicts if one.requirement.id in broken & passed],
        )


def is_report_file(source: str) -> bool:
    """Whether a baseline is given as a file, and not as a target."""
    return source.endswith(".json") or os.path.isfile(source)


def load_baseline(source: str) -> Baseline:
    """Return the baseline in a report file. Raises UsageError."""
    try:
        document = load(Path(source))
    except ReportError as error:
        raise UsageError(f"--baseline: {error}") from error
    found = complaint(document, "report")
    if found is not None:
        raise UsageError(f"--baseline: {source} is not a report of this version of resultspec: {found}")
    if document["spec_version"] != SPEC_VERSION:
        raise UsageError(
            f"--baseline: {source} was judged by the specification {document['spec_version']}, not {SPEC_VERSION}: "
            "judge that backend again."
        )
    return Baseline(source, document)
