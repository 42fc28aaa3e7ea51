"""What the prose of the specification says about names that the data only lists: classes, roles, capabilities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from resultspec.lint.markdown import Chapter, parse

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_README = "README.md"
_CHOICES = "appendix-choices.md"


@dataclass(frozen=True, slots=True)
class Glossary:
    """The meanings that tables of the specification give to names. A name is without its backquotes."""

    classes: Mapping[str, str]
    roles: Mapping[str, str]
    severities: Mapping[str, str]
    capabilities: Mapping[str, tuple[str, str]]
    """What a requirement can name in `applies`: by what it is declared, and what it means."""
    members: Mapping[str, str]
    """The other members of the capabilities document."""
    choices: Mapping[str, str]
    """The declared choices: what each decides."""


OBSERVED_WITH = {
    "probe": "a way to read and write the stored bytes that is not the backend's own",
    "in-process": "a backend that is an object in the process of the suite",
    "broker": (
        "a backend for whose broker the suite stands in: an object in its process, or a driver that declares `awaits`"
    ),
}
"""What a requirement can name in `observe`, as the appendix on choices says it."""


@cache
def glossary(spec: Path) -> Glossary:
    """Read the tables out of the folder of the specification."""
    readme = parse(_README, (spec / _README).read_text(encoding="utf-8"))
    choices = parse(_CHOICES, (spec / _CHOICES).read_text(encoding="utf-8"))
    return Glossary(
        classes=_column(readme, "class"),
        roles=_column(readme, "role"),
        severities=_column(readme, "severity"),
        capabilities={row[0].strip("`"): (row[1], row[2]) for row in _rows(choices, "capability")},
        members=_column(choices, "member"),
        choices=_column(choices, "choice", 3),
    )


def _column(chapter: Chapter, head: str, column: int = 1) -> dict[str, str]:
    return {row[0].strip("`"): row[column] for row in _rows(chapter, head)}


def _rows(chapter: Chapter, head: str) -> list[tuple[str, ...]]:
    """Return the rows of the table whose first column has this head, without links, which lead from that file only.

    Raises LookupError unless there is such a table.
    """
    for table in chapter.tables:
        if table.head[0] == head:
            return [tuple(_LINK.sub(r"\1", cell) for cell in row) for _, row in table.rows]
    raise LookupError(f"{chapter.name} has no table with the head {head!r}")
