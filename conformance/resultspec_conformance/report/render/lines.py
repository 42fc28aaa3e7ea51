"""Lines of a rendering: a text and its style, wrapped to a width."""

import io
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from resultspec_conformance.report.plain_text import wrapped

Line = tuple[str, str]
"""A line and its style."""


def painted(lines: Iterable[Line], width: int, *, color: bool) -> str:
    """Return lines as one text, with or without colour."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as capture:
        for text, style in lines:
            console.print(Text(text, style=style), soft_wrap=True)
    return capture.get()


def labelled(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    """Yield a text behind a label."""
    for line in wrapped(text, width, f"    {label:<9}", " " * 13):
        yield line, style


def paragraph(text: str, style: str, width: int) -> Iterator[Line]:
    """Yield a text whose further lines are indented more than its first one."""
    indent = " " * (len(text) - len(text.lstrip()))
    for line in wrapped(text.lstrip(), width, indent, indent + "  "):
        yield line, style
