"""The command `resultspec`: its commands and their options. What a command needs is loaded when it runs."""

import random
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from resultspec_conformance.cli.terminal import require_writable, say, with_exit_codes, written
from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES, JOBS, LARGEST_SEED, MAX_JOBS, SELFTEST_EXAMPLES

VERBOSE = "Show what the backend prints, on standard error."

app = typer.Typer(
    name="resultspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@with_exit_codes
def _say_version(asked: bool) -> None:
    if asked:
        from resultspec import SPEC_VERSION

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
    known_failures: Annotated[
        Path | None, typer.Option(help="A TOML list of known violations, which do not count.")
    ] = None,
    write_known_failures: Annotated[
        Path | None, typer.Option(help="Write that list: what is still known, and every new violation.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(metavar="TARGET|FILE", help="Do not count what this backend, or its JSON report, fails too.")
    ] = "",
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
    everything: Annotated[
        bool, typer.Option("--all", help="Show every failure, and not only one for each cause.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=VERBOSE)] = False,
) -> None:
    """Judge a backend.

    Exit codes: 0 conformant, 1 violation, 2 usage, 3 the harness or the environment failed, 4 inconclusive.
    """
    from resultspec_conformance.cli import judging
    from resultspec_conformance.runner.options import Options
    from resultspec_conformance.suite import all_checks
    from resultspec_conformance.verdict.known_failures import read
    from resultspec_conformance.verdict.selection import Selection

    files = {"report": report, "junit": junit, "html": html, "markdown": markdown}
    require_writable(*files.values(), write_known_failures)
    judging.require_same_list(known_failures, write_known_failures)
    options = Options(
        selection=Selection(tuple(classes or ()), tuple(select or ()), tuple(deselect or ())),
        examples=examples,
        seed=random.randrange(LARGEST_SEED) if seed is None else seed,
        call_timeout=call_timeout,
        known=read(known_failures, all_checks()) if known_failures else (),
        jobs=jobs,
        baseline=baseline,
    )
    found = judging.judge(target, options, quiet=quiet, verbose=verbose, everything=everything)
    judging.write_reports(found, files)
    judging.write_known_failures(found, write_known_failures, known_failures)
    raise typer.Exit(found["exit_code"])


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
    from resultspec_conformance.cli import judging

    raise typer.Exit(judging.replay(what, target, verbose=verbose))


@app.command()
@with_exit_codes
def selftest(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Try only this backend of the catalogue.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Examples of a property.")] = SELFTEST_EXAMPLES,
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

    from resultspec_conformance.cli import selftesting
    from resultspec_conformance.subject.errors import UsageError

    require_writable(report)
    if not combine:
        raise typer.Exit(selftesting.selftest(only or (), examples, seed, jobs, report, brief=brief))
    if only or brief:
        raise UsageError("--combined draws its own backends: it goes neither with --only nor with --brief.")
    raise typer.Exit(selftesting.judge_patients(combine, examples, seed, jobs, report))


@app.command()
@with_exit_codes
def explain(ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of requirements.")]) -> None:
    """Explain a requirement: its text, its reason, the checks that test it, and the broken backends that violate it."""
    from resultspec_conformance.cli import lookup

    lookup.explain(ids)


@app.command()
@with_exit_codes
def requirements(
    classes: Annotated[list[str] | None, typer.Option("--class", "-c", help="Only those of this class.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the requirements of the specification."""
    from resultspec_conformance.cli import lookup

    lookup.requirements(classes or (), as_json=as_json)


@app.command()
@with_exit_codes
def validate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A stored payload, as it is; - is standard input.")],
) -> None:
    """Check a stored payload: whether a reader accepts it, and whether a writer may have written it.

    The payload is that of the json serializer, compressed or not. Exit codes: 0 valid, 1 not valid.
    """
    from resultspec_conformance.cli import lookup

    raise typer.Exit(lookup.validate(file))


@app.command()
@with_exit_codes
def targets() -> None:
    """List what can be tested on this machine, and how to install the rest."""
    from resultspec_conformance.cli import lookup

    lookup.targets()


def main() -> None:
    """Run the command."""
    with written():
        app()
