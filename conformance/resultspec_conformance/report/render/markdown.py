"""The report as Markdown, for the summary of a CI job."""

import re
from collections.abc import Iterator

from resultspec_conformance.report.document import (
    CauseEntry,
    Report,
    RequirementEntry,
    is_new,
    level_of,
    remarks,
    scope,
)
from resultspec_conformance.report.plain_text import printable
from resultspec_conformance.report.render.causes import because, causes_by_requirement, counted, ranges, totals
from resultspec_conformance.report.render.excused import HEADS, baseline_text, excused_kinds
from resultspec_conformance.report.render.failures import failure_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")


def escaped(text: str) -> str:
    """Return a text as one line, with Markdown's special characters escaped."""
    return _SPECIAL.sub(r"\\\1", printable(text.replace("\n", " ")))


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _cause(report: Report, number: int, cause: CauseEntry) -> Iterator[str]:
    yield f"### {number}. {escaped(cause['text'])} ({cause['severity']})"
    best, *others = (report["failures"][position] for position in cause["failures"])
    lists = {"violated": cause["violated"], "follows": cause["follows"], "not tested": cause["not_tested"]}
    yield "\n".join(f"- {label}: {', '.join(ranges(ids))}" for label, ids in lists.items() if ids)
    yield f"{best['requirement']} ({level_of(best)}): {escaped(best['statement'])}"
    yield _fenced(failure_text(best))
    if others:
        yield f"{counted(len(others), 'more failure')} of this cause: in the reports as HTML and JSON."


def _excused(report: Report) -> Iterator[str]:
    """Yield a table of the violations that are known, and one of those that are shared with the baseline."""
    for excuse, head in HEADS.items():
        rows = [
            f"| {failure['requirement']} | {failure['severity']} | {escaped(text)} |"
            for failure, text in excused_kinds(report, excuse)
        ]
        if rows:
            yield f"## Violations that are {head}, so not counted"
            yield "\n".join(["| id | severity | reason |", "|---|---|---|", *rows])


def _remark(entry: RequirementEntry) -> str:
    remarks = [word for word in ("known", "shared", "provisional") if entry[word]]
    return f" ({', '.join(remarks)})" if remarks else ""


def _parts(report: Report) -> Iterator[str]:
    yield f"# resultspec: {escaped(report['target'])}"
    yield f"**{report['verdict']}** (exit code {report['exit_code']}), specification {report['spec_version']}, " + (
        f"seed {report['settings']['seed']}, {report['duration']:.1f} s"
    )
    if selected := scope(report):
        yield f"Selected: {escaped(selected)}."
    rows = [f"| {entry['name']} | {escaped(entry['summary'])} |" for entry in report["classes"]]
    yield "\n".join(["| class | verdict |", "|---|---|", *rows])
    if said := remarks(report):
        yield "\n".join(f"- {escaped(remark)}" for remark in said)
    if baseline := baseline_text(report):
        yield escaped(baseline)
    new = list(filter(is_new, report["causes"]))
    if new:
        yield f"## Causes\n\n{totals(new)}."
    for number, cause in enumerate(new, 1):
        yield from _cause(report, number, cause)
    yield from _excused(report)
    yield "## Requirements"
    causes = causes_by_requirement(report)
    rows = [
        f"| {entry['id']} | {entry['class']} | {entry['verdict']}{_remark(entry)} | "
        f"{escaped(because(causes.get(entry['id'], [])) or entry['reason'])} |"
        for entry in report["requirements"]
    ]
    yield "\n".join(["| id | class | verdict | reason |", "|---|---|---|---|", *rows])


def render(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n\n".join(_parts(report)) + "\n"
