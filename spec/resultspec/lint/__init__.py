"""The linter that holds the prose of the specification and its data together.

`lint(root)` reads the directory `spec/` and returns what is wrong with it: a sentence that the register
does not have, an id that nobody knows, a cell of a table that differs from `states.json`, an example that
is not valid. `python -m resultspec.lint [spec-dir]` prints it and exits with 1 if there is anything, with
2 if no specification was found.
"""

from collections.abc import Sequence
from pathlib import Path

from resultspec.lint import data, prose, undertakings
from resultspec.lint.tree import Finding, Tree

__all__ = ["Finding", "NoSpecError", "default_root", "lint", "main"]

CHECKS = (*prose.CHECKS, *data.CHECKS, *undertakings.CHECKS)


class NoSpecError(Exception):
    """No specification was found in the given place. The text is one line and names the cure."""


def lint(root: Path) -> list[Finding]:
    """Return what is wrong with the specification in a directory, in the order of files and lines.

    Where a file cannot be read as what it is (TOML, JSON, UTF-8), only that is returned.
    Raises NoSpecError if the directory holds no specification.
    """
    if not (root / "3-states.md").is_file() or not (root / "resultspec" / "requirements.toml").is_file():
        raise NoSpecError(f"{root}: no specification here; give the directory that holds README.md and 3-states.md")
    tree = Tree.load(root)
    if tree.broken:
        return sorted(tree.broken)
    return sorted({finding for check in CHECKS for finding in check(tree)})


def default_root() -> Path:
    """Return the directory above the package if it holds the chapters, as it does in a checkout.

    Raises NoSpecError in an installed package, which carries the data but no prose.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "3-states.md").is_file():
        raise NoSpecError("the installed package has no chapters; give the spec/ directory of a checkout as argument")
    return root


def main(arguments: Sequence[str]) -> int:
    """Print the findings, one a line. Returns the exit code: 0 clean, 1 findings, 2 nothing to read."""
    try:
        if len(arguments) > 1:
            raise NoSpecError("usage: python -m resultspec.lint [spec-dir]")
        root = Path(arguments[0]) if arguments else default_root()
        findings = lint(root)
    except NoSpecError as error:
        print(error)
        return 2
    for finding in findings:
        print(finding)
    return 1 if findings else 0
