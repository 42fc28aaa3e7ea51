"""The places of the suite that can accuse, and a broken backend that each of them was seen to accuse.

A place is a call of `Context.require` in the source, for one of the requirements that it is given. A self-test records
which of them fired. `python -m resultspec_conformance.selftest.places REPORT > conformance/places.md` makes the list
from the report of a whole one; a test compares the list with the source, and tries some of it.
"""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
_ACCUSING: Final = frozenset({"require", "require_refused"})
_PASSING_ON: Final = frozenset({"testkit/context.py"})
"""Where an accusation passes by, and does not begin."""

HEAD = """\
# Every place of the suite that can accuse, and whom it accused

This page is made from the report of a whole self-test:

    resultspec selftest --report REPORT
    python -m resultspec_conformance.selftest.places REPORT > conformance/places.md

A test compares it with the source of the suite, and tries some of it again.
A place is a call of `Context.require` in a function, for one of the requirements that it is given.
The calls of a function are numbered.
Beside a place stands a broken backend that it was seen to accuse, and the check that ran.
A place that never accused anybody may be a comparison that cannot fail, so each of these has a reason.
"""

NEVER: Final = "never"

REASONS: Mapping[str, str] = {}
"""Why a place is not expected to accuse any backend of the catalogue."""


@dataclass(frozen=True)
class AccusingCall:
    """A call in the source that can accuse. `number` counts those of a function, from 1 on, in the order of lines."""

    module: str
    function: str
    number: int
    first_line: int
    last_line: int

    @property
    def name(self) -> str:
        """The module, the function and the number, which other changes of the source leave as they are."""
        return f"{self.module}.{self.function} {self.number}"


def _calls_in(path: Path) -> Iterator[AccusingCall]:
    module = ".".join(path.relative_to(_PACKAGE).with_suffix("").parts)
    for function in ast.parse(path.read_bytes()).body:
        if isinstance(function, ast.ClassDef):
            yield from (call for method in function.body for call in _calls_of(module, f"{function.name}.", method))
        else:
            yield from _calls_of(module, "", function)


def _calls_of(module: str, owner: str, function: ast.stmt) -> Iterator[AccusingCall]:
    if not isinstance(function, ast.FunctionDef):
        return
    calls = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ACCUSING
    ]
    for number, node in enumerate(sorted(calls, key=lambda node: node.lineno), 1):
        yield AccusingCall(module, owner + function.name, number, node.lineno, node.end_lineno or node.lineno)


def accusing_calls() -> list[AccusingCall]:
    """Return the calls in the source of the suite that can accuse, in the order of modules and lines."""
    paths = sorted(path for part in ("suite", "testkit") for path in (_PACKAGE / part).rglob("*.py"))
    return [call for path in paths if str(path.relative_to(_PACKAGE)) not in _PASSING_ON for call in _calls_in(path)]


@dataclass(frozen=True)
class Row:
    """A call in the source, a requirement that it tests, and the broken backend that it accused and by which check."""

    call: str
    requirement: str
    backend: str = NEVER
    check: str = ""

    @property
    def reason(self) -> str:
        """Why it did not accuse, if it did not and that is known."""
        return REASONS.get(f"{self.call} {self.requirement}", "") if self.backend == NEVER else ""


def rows(places: Mapping[str, tuple[str, str] | None]) -> list[Row]:
    """Return the rows for the places of a self-test, and one for each call that tested nothing in it. Raises KeyError.

    `places` are those of `Selftest.places`, by lines of the present source.
    """
    by_line = {
        (call.module, line): call for call in accusing_calls() for line in range(call.first_line, call.last_line + 1)
    }
    found: dict[str, list[Row]] = {call.name: [] for call in accusing_calls()}
    for place, fired in places.items():
        where, requirement = place.split(" ")
        module, _, line = where.partition(":")
        name = by_line[module, int(line)].name
        found[name].append(Row(name, requirement, *(fired or ())))
    return [row for name, some in found.items() for row in sorted(some, key=_by_requirement) or [Row(name, "")]]


def _by_requirement(row: Row) -> str:
    return row.requirement


def markdown(listed: list[Row]) -> str:
    """Return rows as a Markdown page."""
    lines = [HEAD, "| place | requirement | broken backend | check |", "|---|---|---|---|"]
    for row in listed:
        lines.append(f"| {row.call} | {row.requirement} | {row.backend} | {row.check or row.reason} |")
    return "\n".join(lines) + "\n"


def parsed(page: str) -> list[Row]:
    """Return the rows of a page that `markdown` made."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    return [Row(*(cell.strip() for cell in row)) for row in cells]


if __name__ == "__main__":
    sys.stdout.write(markdown(rows(json.loads(Path(sys.argv[1]).read_bytes())["places"])))
