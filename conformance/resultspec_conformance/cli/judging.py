"""Judging a backend and replaying a failure: what the commands `check` and `replay` do."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from resultspec_conformance.cli.terminal import OutputClosedError, color, say, width, write
from resultspec_conformance.report.document import Report, dump
from resultspec_conformance.report.known_list import known_list, new_failures, new_gaps
from resultspec_conformance.report.recorded_failures import find
from resultspec_conformance.report.render import console
from resultspec_conformance.report.render import html as html_page
from resultspec_conformance.report.render import junit as junit_xml
from resultspec_conformance.report.render import markdown as markdown_summary
from resultspec_conformance.report.render.failures import failure_text
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Silent, observer
from resultspec_conformance.runner.replay import ReplayResult, replay_counterexample
from resultspec_conformance.runner.run import run
from resultspec_conformance.subject.errors import UsageError

RENDERERS = {"report": dump, "junit": junit_xml.render, "html": html_page.render, "markdown": markdown_summary.render}


def judge(target: str, options: Options, *, quiet: bool, verbose: bool, everything: bool) -> Report:
    """Judge a target, print the report, and return it. `everything`: print all failures, not one for each cause."""
    found = run(target, options, observer(quiet=quiet, verbose=verbose))
    # the verdict counts even if nobody reads the output
    with suppress(OutputClosedError):
        say(console.render(found, width(), color=color(), everything=everything).rstrip("\n"))
    return found


def write_reports(found: Report, files: Mapping[str, Path | None]) -> None:
    """Write a report to files, given by the names of their options. Raises SubjectError."""
    for name, path in files.items():
        if path is not None:
            write(path, RENDERERS[name](found))


def require_same_list(known: Path | None, written: Path | None) -> None:
    """Raise UsageError if a list of known failures would be replaced that the run does not read."""
    if written is not None and written.exists() and (known is None or not written.samefile(known)):
        raise UsageError(
            f"{written} exists, and its reasons would be lost: give it as --known-failures too, or write another file."
        )


def write_known_failures(found: Report, path: Path | None, known: Path | None) -> None:
    """Write the list of known failures after a run that read the list `known`. Raises SubjectError."""
    if path is None:
        return
    write(path, known_list(found, known.read_text(encoding="utf-8") if known else ""))
    number = len(new_failures(found)) + len(new_gaps(found))
    entries = "1 new entry: replace its reason" if number == 1 else f"{number} new entries: replace each reason"
    with suppress(OutputClosedError):
        say(f"{path}: {entries} by your own" if number else f"{path}: no new entry")


def replay(what: str, target: str, *, verbose: bool) -> int:
    """Replay the failures of a file or a token and print what was seen; return the exit code."""
    heard = Silent(verbose=verbose).heard
    codes = [
        _show(replay_counterexample(counterexample, target, heard), counterexample.requirement)
        for counterexample in find(what)
    ]
    return next((code for code in (1, 3, 4) if code in codes), 0)


def _show(seen: ReplayResult, expected: str) -> int:
    """Print the result of a replay; return its exit code."""
    name = seen.result.name
    if seen.failure is not None:
        say(failure_text(seen.failure, width(), color=color()).rstrip("\n"))
        broke = seen.failure["requirement"]
        say(f"{name} failed again" if broke == expected else f"{name} failed differently: {broke}, not {expected}")
        return 1
    if seen.result.status == "passed":
        say(f"{name} did not fail this time, in {seen.attempts} attempts")
        return 0
    say(f"{name} {seen.result.status}: {seen.result.message}")
    return 4 if seen.result.status == "unobserved" else 3
