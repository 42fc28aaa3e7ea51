"""What a subject takes on by what it declares: beside each sentence, and in one table of the appendix."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from resultspec.lint.tree import Finding, Tree

CHOICES = "appendix-choices.md"
HEAD = "what you declare"
WAITER_HEAD = "class of a waiter"

READERS = ("reader", "waiter", "client")
"""The roles whose requirements concern a subject that only reads and waits."""

_NUMBERED = re.compile(r"([A-Z]+)-([0-9]+)")


def condition(entry: Mapping[str, Any]) -> str:
    """Return the line below the intent of a requirement: when it applies and how it is observed; empty if always."""
    parts = [
        f"*{title}:* with `{entry[name]}`."
        for name, title in (("applies", "Applies"), ("observe", "Observed"))
        if name in entry
    ]
    return " ".join(parts)


def _place(identifier: str) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(identifier)
    return (match[1], int(match[2])) if match else (identifier, 0)


def ranges(identifiers: Sequence[str]) -> str:
    """Return ids as text, three or more of one row as the first and the last of them."""
    found: list[str] = []
    places = sorted({_place(one) for one in identifiers})
    # in a row, the difference of number and position stays the same
    for _, group in groupby(enumerate(places), key=lambda pair: (pair[1][0], pair[1][1] - pair[0])):
        row = [f"{prefix}-{number}" for _, (prefix, number) in group]
        found += [f"{row[0]} to {row[-1]}"] if len(row) > 2 else row
    return ", ".join(found)


def rows(entries: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the rows of the table: what is declared, and the requirements that follow from it."""
    found = []
    for name in classes:
        mine = [entry for entry in entries if entry.get("class") == name]
        capabilities = sorted({str(entry["applies"]) for entry in mine if "applies" in entry})
        for capability in [None, *capabilities]:
            ids = [str(entry["id"]) for entry in mine if entry.get("applies") == capability]
            declared = f"class `{name}`" + (f" with `{capability}`" if capability else "")
            if ids:
                found.append((declared, ranges(ids)))
    return found


def conditions(tree: Tree) -> Iterator[Finding]:
    """Below each sentence stands when it applies and how it is observed, as the register says."""
    for name, chapter in tree.chapters.items():
        lines = dict(chapter.lines)
        for sentence in chapter.sentences:
            entry = tree.requirements.get(sentence.id)
            below = lines.get(sentence.line + 2, "")
            found = below if below.startswith(("*Applies:*", "*Observed:*")) else ""
            if entry is not None and found != condition(entry):
                text = f"{sentence.id} needs this line below its intent: {condition(entry) or '(none)'}"
                yield Finding(name, sentence.line + 2, text)


def waiter_rows(entries: Sequence[Mapping[str, Any]], capabilities: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the table of a waiter: a class that it can claim, and the requirements that then concern it.

    `capabilities` is the schema of the document.
    """
    every, own = capabilities["properties"], capabilities["then"]["properties"]
    barred = set(every["features"]["items"]["enum"]) - set(own["features"]["items"]["enum"])
    found = []
    for name in own["classes"]["items"]["enum"]:
        mine = [entry for entry in entries if entry.get("class") == name and entry.get("applies") not in barred]
        ids = [str(entry["id"]) for entry in mine if "reads_back" in entry or entry.get("role") in READERS]
        found.append((f"`{name}`", ranges(ids)))
    return found


def table(tree: Tree) -> Iterator[Finding]:
    """The table of what a subject takes on has the requirements of the register."""
    classes = tree.schemas["capabilities"]["properties"]["classes"]["items"]["enum"]
    yield from _compared(tree, HEAD, dict(rows(tree.entries, classes)))


def waiter_table(tree: Tree) -> Iterator[Finding]:
    """The table of what concerns a subject that only waits has the requirements of the register."""
    yield from _compared(tree, WAITER_HEAD, dict(waiter_rows(tree.entries, tree.schemas["capabilities"])))


def _compared(tree: Tree, head: str, expected: Mapping[str, str]) -> Iterator[Finding]:
    """Yield where the table with a head differs from what it should have: by the first column, the second."""
    chapter = tree.chapters[CHOICES]
    found = next((one for one in chapter.tables if one.head[0] == head), None)
    stated = {} if found is None else {row[0]: (line, row[1]) for line, row in found.rows}
    line = found.line if found else 0
    for declared in sorted(set(stated) - set(expected)):
        yield Finding(CHOICES, stated[declared][0], f"nothing follows from {declared}")
    for declared, ids in expected.items():
        at, told = stated.get(declared, (line, ""))
        if told != ids:
            yield Finding(CHOICES, at, f"this row is missing or differs: | {declared} | {ids} |")


CHECKS: tuple[Callable[[Tree], Iterator[Finding]], ...] = (conditions, table, waiter_table)
"""The checks of this module."""
