"""The report as Markdown, for the summary of a CI job."""

import re
from collections.abc import Iterator

from resultspec_conformance.report.document import FailureEntry, Report, RequirementEntry, level_of, scope
from resultspec_conformance.report.plain_text import printable
from resultspec_conformance.report.render.failures import failure_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")


def escaped(text: str) -> str:
    """Return a text as one line, with Markdown's special characters escaped."""
    return _SPECIAL.sub(r"\\\1", printable(text.replace("\n", " ")))


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _failure(failure: FailureEntry) -> Iterator[str]:
    known = ", known" if failure["known"] else ""
    yield f"### {failure['requirement']} ({level_of(failure)}, {failure['severity']}{known})"
    yield escaped(failure["statement"])
    yield _fenced(failure_text(failure))


def _remark(entry: RequirementEntry) -> str:
    remarks = [word for word in ("known", "provisional") if entry[word]]
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
    if report["reasons"] and report["verdict"] != "violated":
        yield "\n".join(f"- {escaped(reason)}" for reason in report["reasons"])
    if report["failures"]:
        yield "## Violations"
    for failure in report["failures"]:
        yield from _failure(failure)
    yield "## Requirements"
    rows = [
        f"| {entry['id']} | {entry['class']} | {entry['verdict']}{_remark(entry)} | {escaped(entry['reason'])} |"
        for entry in report["requirements"]
    ]
    yield "\n".join(["| id | class | verdict | reason |", "|---|---|---|---|", *rows])


def render(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n\n".join(_parts(report)) + "\n"
