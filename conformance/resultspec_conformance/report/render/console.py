"""The report for a terminal: the causes, the classes, then for each cause the failure that shows it best."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from resultspec_conformance.report.document import CauseEntry, Report, is_new, outdated, remarks, scope
from resultspec_conformance.report.plain_text import milliseconds, printable, wrapped
from resultspec_conformance.report.render.causes import (
    apart_from_causes,
    counted,
    listed,
    short_line,
    takes_along,
    title,
    totals,
)
from resultspec_conformance.report.render.excused import excused_lines, no_new_violation
from resultspec_conformance.report.render.failures import failure_lines
from resultspec_conformance.report.render.lines import Line, labelled, painted, paragraph

MOST_SHOWN: Final = 10
"""The number of causes whose failure is shown."""

MOST_REMARKS: Final = 10

_CLASS_STYLES: Mapping[str, str] = {"conformant": "green", "violated": "bold red", "not tested": "yellow"}

_VERDICT_STYLES: Mapping[str, str] = {"conformant": "bold green", "violated": "bold red"}

_VERDICTS: Mapping[str, str] = {
    "conformant": "conformant",
    "violated": "not conformant",
    "failed": "no verdict: the backend, its store or the suite itself failed",
    "inconclusive": "inconclusive: not everything could be tested",
}


def _head(report: Report, width: int) -> Iterator[Line]:
    """Yield the backend, and, if something is violated, the verdict and a line for each cause."""
    origin = f" ({printable(report['origin'])})" if report["origin"] else ""
    implementation = report["capabilities"].get("implementation", {})
    name = printable(" ".join(str(implementation[part]) for part in ("name", "version") if part in implementation))
    head = f"{printable(report['target'])}{origin}: {name}, specification {report['spec_version']}"
    yield from paragraph(head, "bold", width)
    new = list(filter(is_new, report["causes"]))
    if new:
        yield from paragraph(f"{_verdict_in_words(report)}: {totals(new)}", _style(report), width)
    for number, cause in enumerate(new, 1):
        style = "red" if cause["scored"] else "yellow"
        yield from ((line, style) for line in short_line(number, cause, width))


def _classes(report: Report, width: int) -> Iterator[Line]:
    longest = max((len(entry["name"]) for entry in report["classes"]), default=0)
    for entry in report["classes"]:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(entry["counts"].items()))
        line = f"  {entry['name'].ljust(longest)}  {entry['summary']}"
        yield from paragraph(f"{line}  [{counts}]", _CLASS_STYLES[entry["verdict"]], width)


def _violations(report: Report, width: int, *, everything: bool) -> Iterator[Line]:
    """Yield for each cause the failure that shows it best, or all; a method that is missing needs no history.

    What is known or shared is among all only.
    """
    shown = 0
    causes = report["causes"] if everything else list(filter(is_new, report["causes"]))
    for number, cause in enumerate(causes, 1):
        if not everything and (cause["kind"] == "missing method" or shown == MOST_SHOWN):
            continue
        shown += 1
        yield "", ""
        if cause["kind"] != "wrong answer":
            yield from paragraph(f"{number}  {title(cause)}", "bold red", width)
        best, *others = (report["failures"][position] for position in cause["failures"])
        *lines, replay = failure_lines(best, width)
        yield from lines
        for label, ids in takes_along(cause, best, width * 100 if everything else 2 * width - 60):
            yield from labelled(label, ids, width, "dim")
        yield replay
        for failure in others if everything else ():
            yield "", ""
            yield from failure_lines(failure, width)
    if causes:
        yield from _left_out(causes, shown, width, everything=everything)
        yield "", ""


def _left_out(causes: Sequence[CauseEntry], shown: int, width: int, *, everything: bool) -> Iterator[Line]:
    left = sum(len(cause["failures"]) for cause in causes) - shown
    if left > 0 and not everything:
        yield "", ""
        more = counted(left, "more failure")
        yield from paragraph(f"{more} of these causes, shown by --all, --html and --report", "dim", width)


def _gaps(report: Report, width: int) -> Iterator[Line]:
    for reason, ids in apart_from_causes(report).items():
        text = f"not tested: {listed(ids, width)}: {printable(reason)}"
        yield from ((line, "yellow") for line in wrapped(text, width, "  ", "    "))


def _provisional(report: Report, width: int) -> Iterator[Line]:
    """Yield one line with the violated provisional requirements, which do not affect the verdict."""
    new = (entry for entry in report["requirements"] if entry["provisional"])
    violated = [entry["id"] for entry in new if entry["verdict"] == "violated"]
    if violated:
        text = f"provisional, so reported and not scored: {', '.join(violated)} violated"
        yield from paragraph(text, "yellow", width)


def _summary(report: Report, width: int) -> Iterator[Line]:
    inside = report["backend"]
    share = f"{inside['share']:.0%} of the checks' time inside the backend"
    figures = (
        f"{len(report['checks'])} checks, {inside['calls']} calls, {report['duration']:.1f} s, {share}, "
        f"round trip {milliseconds(report['round_trip'])}, seed {report['settings']['seed']}"
    )
    yield from paragraph(figures, "dim", width)
    if report["self_check"] is not None and report["self_check"]["killed"]:
        check = report["self_check"]
        yield from paragraph(
            f"self-check: the broken backend {check['backend']} was found by {check['check']}", "dim", width
        )


def _style(report: Report) -> str:
    return _VERDICT_STYLES.get(report["verdict"], "bold yellow")


def _verdict_in_words(report: Report) -> str:
    if report["verdict"] == "nothing new":
        return no_new_violation(report)
    if report["verdict"] == "inconclusive" and len(outdated(report)) == len(report["reasons"]):
        return "inconclusive: the list of known failures is out of date"
    return _VERDICTS[report["verdict"]]


def _verdict(report: Report, width: int) -> Iterator[Line]:
    selected = scope(report)
    where = f" in what was selected ({selected})" if selected else ""
    text = f"{report['target']}: {_verdict_in_words(report)}{where}"
    yield from paragraph(printable(text), _style(report), width)
    for remark in remarks(report)[:MOST_REMARKS]:
        for part in remark.split("\n"):
            yield from ((line, "yellow") for line in wrapped(printable(part), width, "  ", "    "))


def render(report: Report, width: int = 100, *, color: bool = False, everything: bool = False) -> str:
    """Return the report as text of at most `width` columns, except for lines to be copied.

    `everything`: with all failures, and not only one for each cause.
    """
    return painted(_lines(report, width, everything=everything), width, color=color)


def _lines(report: Report, width: int, *, everything: bool) -> Iterator[Line]:
    yield from _head(report, width)
    yield from _classes(report, width)
    yield from _violations(report, width, everything=everything)
    yield from _gaps(report, width)
    yield from excused_lines(report, width)
    yield from _provisional(report, width)
    yield from _summary(report, width)
    yield from _verdict(report, width)
