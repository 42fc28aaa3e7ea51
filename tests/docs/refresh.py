"""``python -m tests.docs.refresh PAGE…``: put on pages what their commands print today.

Only what differs is replaced, so ids and times stay as they are. Output with a line `…` is left to its author.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.docs.walkthrough import Command, shows, steps_of, walk


def refreshed(page: str, printed: Mapping[int, tuple[int, str]]) -> str:
    """Return a page with other output behind some commands: by their lines, how many lines it had, and its text."""
    lines = page.splitlines()
    for line, (length, text) in sorted(printed.items(), reverse=True):
        lines[line : line + length] = [one.rstrip() for one in text.rstrip("\n").splitlines()]
    return "\n".join(lines) + "\n"


def outdated(page: str) -> dict[int, tuple[int, str]]:
    """Return what the commands of a page print, where the page shows something else. Runs them."""
    found: dict[int, tuple[int, str]] = {}

    def note(command: Command, printed: str, _: str) -> None:
        if not shows(command.output, printed) and "…" not in [line.strip() for line in command.output]:
            found[command.line] = (len(command.output), printed)

    with tempfile.TemporaryDirectory() as folder:
        walk(steps_of(page), Path(folder), judge=note)
    return found


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        text = path.read_text(encoding="utf-8")
        changes = outdated(text)
        path.write_text(refreshed(text, changes), encoding="utf-8")
        print(f"{path}: {len(changes)} changed")
