"""Pages of the documentation as tests: their files are written, their commands are run, their output is compared.

What a page shows is taken from its fenced blocks, in their order:

* a block with a title is a file: ```` ```python title="backend.py" ````;
* a block `diff` with a title is a change of that file: its lines without a sign and with `-` have to stand in the file
  exactly once, and are replaced by its lines without a sign and with `+`;
* a block `console` holds commands behind `$ ` and what they print; a line `…` stands for any number of lines;
* every other block is for the reader alone.

A page shows standard output, or standard error where there is nothing else. What differs from run to run is not
compared: dates and times, ids, counts of calls, tokens.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = 88
"""How wide the output on the pages is."""

COMMAND_SECONDS = 120.0

_OPENING = re.compile(r'^```(?P<language>[\w-]+)(?: title="(?P<title>[^"]+)")?$')
_ANY_LINES = "…"

_VARYING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "MOMENT"),
    (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b\d+(\.\d+)? ?m?s\b", "TIME"),
    (r"\b[0-9a-f]{8,9}(-\d+)+", "ID"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"(?<=resultspec replay )\S+", "TOKEN"),
    (r"\b\d+ calls\b", "CALLS"),
    (r"\b\d+%", "SHARE"),
    (r"\bseed \d+", "SEED"),
    (r"/tmp/\w+", "FOLDER"),
    (r"self-check: the broken backend \S+ was found by \S+", "SELF-CHECK"),
)


class PageError(Exception):
    """A page that is not written by the rules above, or that does not say what happens."""


@dataclass(frozen=True)
class File:
    """A file that the reader writes."""

    line: int
    name: str
    text: str


@dataclass(frozen=True)
class Change:
    """A change of a file: lines, each behind a blank, a minus or a plus."""

    line: int
    name: str
    lines: tuple[str, ...]

    def applied_to(self, text: str) -> str:
        """Return a file with the change made. Raises PageError where its place is not found exactly once."""
        before = "".join(f"{line[1:]}\n" for line in self.lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in self.lines if not line.startswith("-"))
        found = len(re.findall(rf"^{re.escape(before)}", text, re.MULTILINE))
        if found != 1:
            raise PageError(f"line {self.line}: what is changed stands {found} times in {self.name}")
        start = text.index(f"\n{before}") + 1 if not text.startswith(before) else 0
        return text[:start] + after + text[start + len(before) :]


@dataclass(frozen=True)
class Command:
    """A command that the reader runs, and the lines that the page shows of its output."""

    line: int
    text: str
    output: tuple[str, ...]


Step = File | Change | Command


def steps_of(page: str) -> list[Step]:
    """Return what a page has its reader do. Raises PageError."""
    found: list[Step] = []
    lines = iter(enumerate(page.splitlines(), 1))
    for number, line in lines:
        opening = _OPENING.match(line)
        if line.startswith("```"):
            block = _block(lines, number)
            if opening is not None:
                found += _steps(number, opening["language"], opening["title"], block)
    return found


def _block(lines: Iterator[tuple[int, str]], opened: int) -> list[str]:
    block: list[str] = []
    for _, line in lines:
        if line == "```":
            return block
        block.append(line)
    raise PageError(f"line {opened}: the block is not closed")


def _steps(number: int, language: str, title: str | None, block: Sequence[str]) -> Iterator[Step]:
    if language == "console":
        yield from _commands(number, block)
    elif title is not None and language == "diff":
        yield Change(number, title, tuple(line or " " for line in block))
    elif title is not None:
        yield File(number, title, "".join(f"{line}\n" for line in block))


def _commands(number: int, block: Sequence[str]) -> Iterator[Command]:
    starts = [place for place, line in enumerate(block) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise PageError(f"line {number}: a console block begins with a command")
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        yield Command(number + 1 + start, block[start][2:], tuple(block[start + 1 : end]))


def lasting(output: str) -> str:
    """Return an output without what differs from run to run; where its lines are broken differs with it."""
    text = " ".join(output.split())
    for varying, name in _VARYING:
        text = re.sub(varying, name, text)
    return text


def shows(shown: Sequence[str], printed: str) -> bool:
    """Whether the lines of a page are what was printed, but for what differs from run to run."""
    parts: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == _ANY_LINES:
            parts.append([])
        else:
            parts[-1].append(line)
    texts = [lasting("\n".join(part)) for part in parts]
    pattern = r"(?:.*\s)?".join(re.escape(f"{text} ") if text else "" for text in texts)
    return re.fullmatch(pattern, f"{lasting(printed)} " if printed.strip() else "", re.DOTALL) is not None


def require_shown(command: Command, printed: str, errors: str) -> None:
    """Raise PageError if a page shows something else than what a command has printed."""
    if not shows(command.output, printed):
        shown = "\n".join(command.output)
        raise PageError(
            f"line {command.line}: $ {command.text}\n"
            f"--- the page shows\n{shown}\n--- it printed\n{printed}\n--- standard error\n{errors}\n"
            "If what it printed is right: python -m tests.docs.refresh PAGE"
        )


def walk(
    steps: Sequence[Step],
    folder: Path,
    programs: Path = Path(sys.executable).parent,
    judge: Callable[[Command, str, str], None] = require_shown,
) -> None:
    """Do in a folder what a page has its reader do. Raises PageError where something else happens than the page says.

    `programs` is put in front of PATH. `judge` is given each command, what a page shows of it, and standard error.
    """
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    # a page is about what comes with the tool, and not about what else this session has
    for name in ("RESULTSPEC_REDIS_URL", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "FORCE_COLOR", "CI"):
        environment.pop(name, None)
    status = 0
    for step in steps:
        if isinstance(step, Command):
            done = _run(step, folder, environment, status)
            judge(step, done.stdout or done.stderr, done.stderr)
            status = done.returncode
            continue
        path = folder / step.name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = step.text if isinstance(step, File) else step.applied_to(path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")


def _run(
    command: Command, folder: Path, environment: Mapping[str, str], status: int
) -> "subprocess.CompletedProcess[str]":
    """Run a command behind one that ended with a status."""
    return subprocess.run(
        ["bash", "-c", f"(exit {status})\n{command.text}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
