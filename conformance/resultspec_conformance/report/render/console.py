"""The report for a terminal: the classes, then the violations, the worst first."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from resultspec_conformance.report.document import FailureEntry, Report, level_of, outdated, scope
from resultspec_conformance.report.plain_text import (
    arguments,
    lanes,
    milliseconds,
    outcome,
    printable,
    shown,
    wrapped,
)
from resultspec_conformance.subject.history import MISSING_METHOD

Line = tuple[str, str]
"""A line and its style."""

LONGEST_TIMELINE = 24
"""The number of operations of a history that are shown; a longer one is cut in the middle."""

_CLASS_STYLES: Mapping[str, str] = {"conformant": "green", "violated": "bold red", "not tested": "yellow"}


def _painted(lines: Iterator[Line], width: int, *, color: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as capture:
        for text, style in lines:
            console.print(Text(text, style=style), soft_wrap=True)
    return capture.get()


def _steps(history: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str, str, int]]:
    """Return the operations, each with its lanes, its text, and how often it was repeated with this outcome."""
    steps: list[tuple[Mapping[str, Any], str, str, int]] = []
    for operation, picture in zip(history, lanes(history), strict=True):
        text = f"{printable(operation['op'])}({arguments(operation['args'])}) -> {outcome(operation)}"
        if steps and steps[-1][1:3] == (picture, text):
            steps[-1] = (*steps[-1][:3], steps[-1][3] + 1)
        else:
            steps.append((operation, picture, text, 1))
    return steps


def _timeline(history: Sequence[Mapping[str, Any]], width: int) -> Iterator[Line]:
    steps = _steps(history)
    longest = max((len(operation["client"]) for operation in history), default=0)
    half = LONGEST_TIMELINE // 2
    left_out = range(half, len(steps) - half) if len(steps) > LONGEST_TIMELINE else range(0)
    for number, (operation, picture, text, times) in enumerate(steps):
        if number in left_out:
            if number == half:
                yield f"    ... {len(left_out)} more steps, which are in the report ...", "dim"
            continue
        client = printable(operation["client"]).ljust(longest)
        head = f"    {milliseconds(operation['start']):>9}  {picture}  {client}  "
        repeated = f" ({times} times)" if times > 1 else ""
        for line in wrapped(text + repeated, width, head, " " * len(head)):
            yield line, ""


def _labelled(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    for line in wrapped(text, width, f"    {label:<9}", " " * 13):
        yield line, style


def _wrapped(text: str, style: str, width: int) -> Iterator[Line]:
    indent = " " * (len(text) - len(text.lstrip()))
    for line in wrapped(text.lstrip(), width, indent, indent + "  "):
        yield line, style


def failure_lines(failure: FailureEntry, width: int) -> Iterator[Line]:
    """Yield a failure: the requirement, the history, the stored bytes, what was allowed, and how to replay it."""
    known = "  (known)" if failure["known"] else ""
    head = (
        f"{failure['requirement']}  {level_of(failure)}, class {failure['class']}, "
        f"{failure['severity']}  found by {failure['check']}{known}"
    )
    yield from _wrapped(head, "bold" if failure["known"] else "bold red", width)
    for line in wrapped(failure["statement"], width, "  "):
        yield line, ""
    yield from _timeline(failure["history"], width)
    for task_id, stored in failure["stored"].items():
        yield from _labelled("stored", f"{printable(task_id)}: {printable(stored)}", width, "dim")
    yield from _labelled("got", printable(failure["got"]), width, "red")
    yield from _labelled("allowed", printable(failure["allowed"]), width, "green")
    if not failure["history"]:
        yield from _labelled("example", ", ".join(f"{k}={shown(v)}" for k, v in failure["example"].items()), width)
    # on its own line and never wrapped, so that it can be copied
    yield failure["replay"]["line"], "cyan"


def failure_text(failure: FailureEntry, width: int = 100, *, color: bool = False) -> str:
    """Return a failure as text."""
    return _painted(failure_lines(failure, width), width, color=color)


def _classes(report: Report, width: int) -> Iterator[Line]:
    longest = max((len(entry["name"]) for entry in report["classes"]), default=0)
    for entry in report["classes"]:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(entry["counts"].items()))
        line = f"  {entry['name'].ljust(longest)}  {entry['summary']}"
        yield from _wrapped(f"{line}  [{counts}]", _CLASS_STYLES[entry["verdict"]], width)


def _gaps(report: Report, width: int) -> Iterator[Line]:
    by_reason: dict[str, list[str]] = {}
    for entry in report["requirements"]:
        if entry["verdict"] == "not tested":
            by_reason.setdefault(entry["reason"], []).append(entry["id"])
    for reason, ids in by_reason.items():
        text = f"not tested: {', '.join(ids)}: {printable(reason)}"
        yield from ((line, "yellow") for line in wrapped(text, width, "  ", "    "))


def _one_each(failures: Sequence[FailureEntry]) -> Iterator[tuple[FailureEntry, list[FailureEntry]]]:
    """Yield for each requirement its shortest failure, and its other failures."""
    by_requirement: dict[tuple[str, bool], list[FailureEntry]] = {}
    for failure in failures:
        by_requirement.setdefault((failure["requirement"], failure["known"]), []).append(failure)
    for group in by_requirement.values():
        first, *others = sorted(group, key=lambda failure: len(failure["history"]))
        yield first, others


def _violations(report: Report, width: int) -> Iterator[Line]:
    for failure, others in _one_each(report["failures"]):
        yield "", ""
        yield from failure_lines(failure, width)
        if others:
            names = ", ".join(other["check"] for other in others)
            yield from _labelled("also", f"shown by {names}", width, "dim")
    if report["failures"]:
        yield "", ""


def _provisional(report: Report, width: int) -> Iterator[Line]:
    """Yield one line with the violated provisional requirements, which do not affect the verdict."""
    new = (entry for entry in report["requirements"] if entry["provisional"])
    violated = [entry["id"] for entry in new if entry["verdict"] == "violated"]
    if violated:
        text = f"provisional, so reported and not scored: {', '.join(violated)} violated"
        yield from _wrapped(text, "yellow", width)


def _lacking(report: Report, width: int) -> Iterator[Line]:
    """Yield one line with the methods that a Python object lacks: each causes many violations."""
    outcomes = (step["outcome"] or {} for failure in report["failures"] for step in failure["history"])
    messages = {outcome.get("message") or "" for outcome in outcomes}
    names = sorted(message.removeprefix(MISSING_METHOD) for message in messages if message.startswith(MISSING_METHOD))
    if names:
        yield from _wrapped(
            printable(f"{MISSING_METHOD}{', '.join(names)}: the checks that need them fail"), "yellow", width
        )


def _summary(report: Report, width: int) -> Iterator[Line]:
    inside = report["backend"]
    share = f"{inside['share']:.0%} of the checks' time inside the backend"
    figures = (
        f"{len(report['checks'])} checks, {inside['calls']} calls, {report['duration']:.1f} s, {share}, "
        f"round trip {milliseconds(report['round_trip'])}, seed {report['settings']['seed']}"
    )
    yield from _wrapped(figures, "dim", width)
    if report["self_check"] is not None and report["self_check"]["killed"]:
        check = report["self_check"]
        yield from _wrapped(
            f"self-check: the broken backend {check['backend']} was found by {check['check']}", "dim", width
        )


def _verdict(report: Report, width: int) -> Iterator[Line]:
    style = {"conformant": "bold green", "violated": "bold red"}.get(report["verdict"], "bold yellow")
    selected = scope(report)
    where = f" in what was selected ({selected})" if selected else ""
    words = {
        "conformant": "conformant",
        "violated": "not conformant",
        "failed": "no verdict: the backend, its store or the suite itself failed",
        "inconclusive": "inconclusive: not everything could be tested",
    }
    verdict = words[report["verdict"]]
    if report["verdict"] == "conformant" and any(entry["known"] for entry in report["classes"]):
        verdict = "no new violation; the known ones prevent conformance"
    if report["verdict"] == "inconclusive" and len(outdated(report)) == len(report["reasons"]):
        verdict = "inconclusive: the list of known failures is out of date"
    yield from _wrapped(printable(f"{report['target']}: {verdict}{where}"), style, width)
    if report["verdict"] in ("failed", "inconclusive"):
        # what was not tested is shown above
        reasons = [reason for reason in report["reasons"] if " was not tested: " not in reason.partition("\n")[0]]
        for reason in reasons[:10]:
            for part in reason.split("\n"):
                yield from ((line, "yellow") for line in wrapped(printable(part), width, "  ", "    "))


def render(report: Report, width: int = 100, *, color: bool = False) -> str:
    """Return the report as text of at most `width` columns, except for lines to be copied."""
    return _painted(_lines(report, width), width, color=color)


def _lines(report: Report, width: int) -> Iterator[Line]:
    origin = f" ({printable(report['origin'])})" if report["origin"] else ""
    implementation = report["capabilities"].get("implementation", {})
    name = printable(" ".join(str(implementation[part]) for part in ("name", "version") if part in implementation))
    head = f"{printable(report['target'])}{origin}: {name}, specification {report['spec_version']}"
    yield from _wrapped(head, "bold", width)
    yield from _classes(report, width)
    yield from _violations(report, width)
    yield from _gaps(report, width)
    yield from _lacking(report, width)
    yield from _provisional(report, width)
    yield from _summary(report, width)
    yield from _verdict(report, width)
