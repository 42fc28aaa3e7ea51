"""The command ``resultspec``."""

import random
from pathlib import Path
from typing import Annotated

import typer

from resultspec_conformance.command import answered, color, require_writable, width, write

app = typer.Typer(
    name="resultspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

LARGEST_SEED = 2**31


@app.callback()
def resultspec() -> None:
    """Judge task result backends by the specification of Celery's result-backend protocol."""


@app.command()
@answered
def check(
    target: Annotated[
        str, typer.Argument(help="What to judge: memory://, redis, redis://HOST, python:pkg.module:factory")
    ],
    classes: Annotated[list[str] | None, typer.Option("--class", "-c", help="Judge this class only.")] = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", "-k", help="An id, a check, or a glob of them.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Examples of a property.")] = 100,
    seed: Annotated[
        int | None, typer.Option(help="Repeat a run. By default a new one, which the report tells.")
    ] = None,
    known_failures: Annotated[Path | None, typer.Option(help="A TOML list of violations that are known.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    call_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a call counts as hung.")] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Judge a backend.

    Exit codes: 0 conformant, 1 violation, 2 usage, 3 the harness or the environment failed, 4 inconclusive.
    """
    from resultspec_conformance.checks import all_checks
    from resultspec_conformance.known_failures import read
    from resultspec_conformance.progress import observer
    from resultspec_conformance.render.console import render
    from resultspec_conformance.report import dump
    from resultspec_conformance.run import Options, run
    from resultspec_conformance.selection import Selection

    require_writable(report)
    options = Options(
        selection=Selection(tuple(classes or ()), tuple(select or ())),
        examples=examples,
        seed=random.randrange(LARGEST_SEED) if seed is None else seed,  # noqa: S311 - no secret
        call_timeout=call_timeout,
        known=read(known_failures, all_checks()) if known_failures else (),
    )
    found = run(target, options, observer(quiet=quiet))
    write(report, dump(found))
    typer.echo(render(found, width(), color=color()), nl=False)
    raise typer.Exit(found["exit_code"])


def main() -> None:
    """Run the command."""
    app()
