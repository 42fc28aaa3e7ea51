"""A chapter as the linter sees it: sentences, lines of prose, tables, examples, links, anchors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SENTENCE = re.compile(r"^\*\*([A-Z]+-[0-9]+)\*\* (.+)$")
"""The form of a normative sentence: its id, and the statement."""

INTENT = re.compile(r"^\*Intent:\* (.+)$")
_FENCE = re.compile(r"^\s*```(.*)$")
_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_RULE_OF_TABLE = re.compile(r"^\|[\s:|-]+\|$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A normative sentence of the prose, with its intent (empty where the next line holds none)."""

    id: str
    statement: str
    intent: str
    line: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code: what stands behind the opening fence, the text, and the line of its first line."""

    info: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the cells of its head and of its rows, stripped; each row with its line."""

    head: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    line: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """One Markdown file. `lines` are numbered from 1 and leave out the blocks of code."""

    name: str
    lines: tuple[tuple[int, str], ...]
    sentences: tuple[Sentence, ...]
    fences: tuple[Fence, ...]
    tables: tuple[Table, ...]
    headings: tuple[tuple[int, str], ...]

    @property
    def anchors(self) -> frozenset[str]:
        """The fragments that a link into this file may have."""
        return frozenset(anchor(heading) for _, heading in self.headings)

    def prose(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that are neither table, heading nor normative sentence, with inline code masked."""
        normative = {sentence.line for sentence in self.sentences}
        for number, line in self.lines:
            if number not in normative and not line.startswith(("|", "#")):
                yield number, mask(line)

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield the targets of the links, with their lines."""
        for number, line in self.lines:
            for match in _LINK.finditer(mask(line)):
                yield number, match[1]

    def heading_of(self, line: int) -> str:
        """Return the heading under which a line stands, or the empty text."""
        above = [heading for number, heading in self.headings if number < line]
        return above[-1] if above else ""


def mask(line: str) -> str:
    """Return a line with each piece of inline code replaced by one of the same length that has no meaning."""
    return _CODE.sub(lambda match: "`" + "x" * (len(match[0]) - 2) + "`", line)


def anchor(heading: str) -> str:
    """Return the fragment of a heading, as the common renderers of Markdown make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


def cells(row: str) -> tuple[str, ...]:
    """Return the cells of a row of a table; a bar behind a backslash belongs to its cell."""
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|")))


def parse(name: str, text: str) -> Chapter:
    """Return a file of Markdown, taken apart."""
    lines, fences = _split(text)
    return Chapter(
        name=name,
        lines=tuple(lines),
        sentences=tuple(_sentences(lines)),
        fences=tuple(fences),
        tables=tuple(_tables(lines)),
        headings=tuple((number, match[2]) for number, line in lines if (match := _HEADING.match(line))),
    )


def _split(text: str) -> tuple[list[tuple[int, str]], list[Fence]]:
    lines: list[tuple[int, str]] = []
    fences: list[Fence] = []
    opened: tuple[str, int] | None = None
    block: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence and opened is None:
            opened, block = (fence[1].strip(), number + 1), []
        elif fence and opened is not None:
            fences.append(Fence(opened[0], "\n".join(block), opened[1]))
            opened = None
        elif opened is not None:
            block.append(line)
        else:
            lines.append((number, line))
    if opened is not None:
        fences.append(Fence("unclosed", "\n".join(block), opened[1]))
    return lines, fences


def _sentences(lines: Sequence[tuple[int, str]]) -> Iterator[Sentence]:
    following = dict(lines)
    for number, line in lines:
        sentence = SENTENCE.match(line)
        if sentence:
            intent = INTENT.match(following.get(number + 1, ""))
            yield Sentence(sentence[1], sentence[2].strip(), intent[1].strip() if intent else "", number)


def _tables(lines: Sequence[tuple[int, str]]) -> Iterator[Table]:
    rows: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        if line.startswith("|"):
            rows.append((number, line))
            continue
        if len(rows) >= 2 and _RULE_OF_TABLE.match(rows[1][1].strip()):
            body = tuple((at, cells(row)) for at, row in rows[2:])
            yield Table(cells(rows[0][1]), body, rows[0][0])
        rows = []
