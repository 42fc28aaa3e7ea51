"""The command `resultspec`."""

import json
import random
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from resultspec import SPEC_VERSION
from resultspec_conformance.broken import CATALOGUE, VARIATIONS
from resultspec_conformance.cli import lookup
from resultspec_conformance.cli.terminal import (
    OutputClosedError,
    color,
    require_writable,
    say,
    width,
    with_exit_codes,
    write,
)
from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES, JOBS, LARGEST_SEED, MAX_JOBS
from resultspec_conformance.report.document import Report, dump
from resultspec_conformance.report.recorded_failures import find
from resultspec_conformance.report.render import console
from resultspec_conformance.report.render import html as html_page
from resultspec_conformance.report.render import junit as junit_xml
from resultspec_conformance.report.render import markdown as markdown_summary
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Silent, observer
from resultspec_conformance.runner.replay import ReplayResult, replay_counterexample
from resultspec_conformance.runner.run import run
from resultspec_conformance.selftest import hospital, scores, trials
from resultspec_conformance.selftest.render import (
    diagnosis_lines,
    holds_up,
    summary_lines,
    table_lines,
    trial_lines,
)
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.text.suggestions import did_you_mean
from resultspec_conformance.verdict.known_failures import read
from resultspec_conformance.verdict.selection import Selection

VERBOSE = "Show what the backend prints, on standard error."

app = typer.Typer(
    name="resultspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool) -> None:
    if asked:
        say(f"resultspec {version('resultspec')}, specification {SPEC_VERSION}")
        raise typer.Exit


@app.callback()
def resultspec(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Judge task result backends by the specification of Celery's result-backend protocol."""


@app.command()
@with_exit_codes
def check(
    target: Annotated[
        str, typer.Argument(help="What to judge: memory://, redis, redis://HOST, python:pkg.module:factory")
    ],
    classes: Annotated[list[str] | None, typer.Option("--class", "-c", help="Judge only this class.")] = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", "-k", help="An id, a check, or a glob of them.")
    ] = None,
    deselect: Annotated[
        list[str] | None, typer.Option(help="What is not judged: an id, a check, or a glob of them.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Examples of a property.")] = EXAMPLES,
    seed: Annotated[
        int | None, typer.Option(help="Repeat a run. By default a new one, which the report states.")
    ] = None,
    known_failures: Annotated[Path | None, typer.Option(help="A TOML list of known violations.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as an HTML page.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown.")] = None,
    call_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds after which a call counts as hanging.")
    ] = CALL_SECONDS,
    jobs: Annotated[
        int, typer.Option(min=1, max=MAX_JOBS, help="Processes that share the checks; they do not affect the verdict.")
    ] = JOBS,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=VERBOSE)] = False,
) -> None:
    """Judge a backend.

    Exit codes: 0 conformant, 1 violation, 2 usage, 3 the harness or the environment failed, 4 inconclusive.
    """
    require_writable(report, junit, html, markdown)
    options = Options(
        selection=Selection(tuple(classes or ()), tuple(select or ()), tuple(deselect or ())),
        examples=examples,
        seed=random.randrange(LARGEST_SEED) if seed is None else seed,
        call_timeout=call_timeout,
        known=read(known_failures, all_checks()) if known_failures else (),
        jobs=jobs,
    )
    found = run(target, options, observer(quiet=quiet, verbose=verbose))
    # the verdict counts even if nobody reads the output
    with suppress(OutputClosedError):
        say(console.render(found, width(), color=color()).rstrip("\n"))
    _write_all(found, report, junit, html, markdown)
    raise typer.Exit(found["exit_code"])


def _write_all(
    found: Report, report: Path | None, junit: Path | None, html: Path | None, markdown: Path | None
) -> None:

    renderers = {report: dump, junit: junit_xml.render, html: html_page.render, markdown: markdown_summary.render}
    for path, render in renderers.items():
        if path is not None:
            write(path, render(found))


@app.command()
@with_exit_codes
def replay(
    what: Annotated[str, typer.Argument(metavar="FILE|TOKEN", help="A report, a failure from a report, or a token.")],
    target: Annotated[str, typer.Option(help="Use this target instead of the one that failed.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=VERBOSE)] = False,
) -> None:
    """Show a recorded failure again.

    Exit codes: 0 it did not fail this time, 1 it failed, 2 usage, 3 the harness or the
    environment failed, 4 nothing seen.
    """
    heard = Silent(verbose=verbose).heard
    codes = [
        _show(replay_counterexample(counterexample, target, heard), counterexample.requirement)
        for counterexample in find(what)
    ]
    raise typer.Exit(next((code for code in (1, 3, 4) if code in codes), 0))


def _show(seen: ReplayResult, expected: str) -> int:
    """Print the result of a replay; return its exit code."""
    name = seen.result.name
    if seen.failure is not None:
        say(console.failure_text(seen.failure, width(), color=color()).rstrip("\n"))
        broke = seen.failure["requirement"]
        say(f"{name} failed again" if broke == expected else f"{name} failed differently: {broke}, not {expected}")
        return 1
    if seen.result.status == "passed":
        say(f"{name} did not fail this time, in {seen.attempts} attempts")
        return 0
    say(f"{name} {seen.result.status}: {seen.result.message}")
    return 4 if seen.result.status == "unobserved" else 3


@app.command()
@with_exit_codes
def selftest(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Try only this backend of the catalogue.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Examples of a property.")] = trials.EXAMPLES,
    seed: Annotated[int, typer.Option(help="Another run.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Backends to try at the same time. Default: four per processor.")
    ] = None,
    brief: Annotated[
        bool, typer.Option(help="Look for stray accusations only on one broken backend per requirement.")
    ] = False,
    combine: Annotated[
        int, typer.Option("--combined", min=0, metavar="N", help="Judge instead so many backends with many defects.")
    ] = 0,
    report: Annotated[Path | None, typer.Option(help="Write the outcome as JSON.")] = None,
) -> None:
    """Judge the suite: every broken backend must be killed by a check that cites what
    it breaks, no correct one accused.

    Exit codes: 0 the suite holds, 1 it does not, 2 usage.
    """

    require_writable(report)
    if combine:
        if only or brief:
            raise UsageError("--combined draws its own backends: it goes neither with --only nor with --brief.")
        raise typer.Exit(_judge_patients(combine, examples, seed, jobs or trials.JOBS, report))
    for name in only or ():
        if name not in CATALOGUE and name not in VARIATIONS:
            hint = did_you_mean(name, [*CATALOGUE, *VARIATIONS])
            raise UsageError(f"no backend of the catalogue is named {name!r}.{hint}")
    outcome = trials.selftest(
        tuple(only or ()),
        examples=examples,
        seed=seed,
        jobs=jobs or trials.JOBS,
        brief=brief,
        progress=lambda trial: say("\n".join(trial_lines(trial, width()))),
    )
    say("\n".join(summary_lines(outcome, width(), partial=bool(only))))
    write(report, json.dumps(outcome.to_json(), indent=1) + "\n")
    raise typer.Exit(0 if holds_up(outcome, partial=bool(only)) else 1)


def _judge_patients(count: int, examples: int, seed: int, jobs: int, report: Path | None) -> int:
    """Judge backends with many defects, and print and write the scores; return the exit code."""
    diagnoses = hospital.judge_patients(
        count,
        examples=examples,
        seed=seed,
        jobs=jobs,
        progress=lambda found: say("\n".join(diagnosis_lines(found, width()))),
    )
    say("\n".join(table_lines(diagnoses)))
    write(report, json.dumps(scores.to_json(diagnoses), indent=1) + "\n")
    return 0 if scores.score(diagnoses).holds else 1


for command in (lookup.explain, lookup.requirements, lookup.validate, lookup.targets):
    app.command()(command)


def main() -> None:
    """Run the command."""
    app()
