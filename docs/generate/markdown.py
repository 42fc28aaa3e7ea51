"""Markdown as text: which of it is prose, and changing prose without touching code."""

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_HEADING = re.compile(r"^(#{1,6}) +(.+?)(?: *\{[^}]*\})? *$")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it belongs to a block of code; the fences belong to it."""
    fence = ""
    for line in text.splitlines():
        match = _FENCE.match(line)
        if match and not fence:
            fence = match[1]
            yield line, True
        elif match and match[1].startswith(fence):
            fence = ""
            yield line, True
        else:
            yield line, bool(fence)


def change_prose(text: str, change: Callable[[str], str]) -> str:
    """Return the text with every line outside of front matter and blocks of code changed."""
    head = _FRONT_MATTER.match(text)
    start = head.end() if head else 0
    changed = [line if is_code else change(line) for line, is_code in lines(text[start:])]
    return text[:start] + "\n".join(changed) + "\n"


def heading(line: str) -> str:
    """Return the text of a heading, or the empty text for any other line."""
    match = _HEADING.match(line)
    return match[2] if match else ""


def title(text: str) -> str:
    """Return the text of the first heading. Raises ValueError if there is none."""
    for line, is_code in lines(text):
        if not is_code and heading(line):
            return heading(line)
    raise ValueError("the page has no heading")


def cell(text: str) -> str:
    """Return text as a cell of a table: on one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def fenced(text: str, language: str, attributes: str = "") -> str:
    """Return text as a block of code, with a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    info = " ".join(filter(None, [language, attributes]))
    return f"{'`' * (longest + 1)} {info}\n{text.rstrip()}\n{'`' * (longest + 1)}"
