"""The reference of the command `resultspec`: what `--help` says of each subcommand, and the exit codes."""

import re
from collections.abc import Iterator

import typer
from typer.testing import CliRunner

from docs.generate import markdown
from docs.generate.page import Page, front_matter

PATH = "reference/command.md"
COLUMNS = 88
"""Narrow enough for the column of text of a page."""

_EXIT_CODES = re.compile(r"\s*Exit codes: (?P<codes>.+?)\.\s*(?=\n\n|$)", re.DOTALL)
_CODE = re.compile(r"(\d+) (.+)")


def command_reference(app: typer.Typer) -> Page:
    """Return the page for an application, which is asked for its help as a user asks."""
    text = [
        front_matter({"title": "The command resultspec"}) + "# The command `resultspec`",
        "",
        "Each section shows the output of `resultspec COMMAND --help`.",
        "",
        markdown.fenced(_help(app), "text"),
    ]
    for name in subcommands(app):
        text += ["", *_section(name, _help(app, name))]
    return Page(PATH, "\n".join(text) + "\n")


def subcommands(app: typer.Typer) -> list[str]:
    """Return the names of the subcommands, in the order of the help."""
    group = typer.main.get_command(app)
    found: dict[str, object] = getattr(group, "commands", {})
    return list(found)


def exit_codes(text: str) -> dict[int, str]:
    """Return the exit codes that a help text lists behind `Exit codes:`, empty if it lists none."""
    listed = _EXIT_CODES.search(text)
    parts = re.split(r", (?=\d)", " ".join(listed["codes"].split())) if listed else []
    return {int(match[1]): match[2] for part in parts if (match := _CODE.fullmatch(part))}


def _section(name: str, text: str) -> Iterator[str]:
    yield from [f"## resultspec {name}", "", markdown.fenced(text, "text")]
    codes = exit_codes(text)
    if codes:
        yield from ["", "| exit code | meaning |", "|---|---|"]
        yield from (f"| {code} | {markdown.cell(meaning)} |" for code, meaning in codes.items())


def _help(app: typer.Typer, *command: str) -> str:
    # whatever terminal the site is built in, the pages are the same
    environment = {"COLUMNS": str(COLUMNS), "TERMINAL_WIDTH": str(COLUMNS), "NO_COLOR": "1", "TERM": "dumb"}
    answer = CliRunner().invoke(app, [*command, "--help"], env=environment, prog_name="resultspec")
    if answer.exit_code:
        raise RuntimeError(f"resultspec {' '.join(command)} --help ended with {answer.exit_code}: {answer.output}")
    return answer.output.strip()
