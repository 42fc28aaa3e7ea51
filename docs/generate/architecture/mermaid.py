"""Mermaid text: GitHub and the site draw it, in the reader's own colours, and a diff of it shows what has changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_LINE: Final = 26
"""Letters in a line of a label, so that a picture stays readable on a phone."""


POINT: Final = "[*]"
"""The point where a state diagram begins, as a source, and where it ends, as a target."""


@dataclass(frozen=True)
class Step:
    """An arrow of a state diagram. Steps with the same ends and the same `note` are drawn as one arrow."""

    source: str
    target: str
    event: str
    note: str = ""


def fenced(lines: Iterable[str]) -> str:
    """Return a picture as a block of Markdown."""
    return "\n".join(["```mermaid", *lines, "```"])


def identifier(name: str) -> str:
    """Return a name as Mermaid accepts it for a node; the prefix keeps it apart from key words such as `end`."""
    return "n_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def wrapped(words: Sequence[str]) -> str:
    """Return words as lines of a label; a word is not broken, even if it has spaces."""
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(joined) > LONGEST_LINE:
            lines.append(word)
        else:
            lines[-1] = joined
    return "<br/>".join(lines)


def _label(events: Sequence[str], note: str) -> str:
    listed = " or ".join(events) if len(events) < 3 else ", ".join(events[:-1]) + " or " + events[-1]
    return wrapped([*listed.split(), *([f"({note})"] if note else [])])


def state_diagram(labels: Mapping[str, str], steps: Iterable[Step]) -> str:
    """Return a state diagram. `labels`: the states in their order, and what to show for each.

    A step from or to `POINT` is drawn from the point where everything begins, or to the one where it ends.
    """
    merged: dict[tuple[str, str, str], list[str]] = {}
    for step in steps:
        merged.setdefault((step.source, step.target, step.note), []).append(step.event)
    lines = ["stateDiagram-v2", *(f'    state "{label}" as {identifier(state)}' for state, label in labels.items())]
    for (source, target, note), events in merged.items():
        label = _label([event for event in events if event], note)
        lines.append(f"    {_end(source)} --> {_end(target)}" + (f" : {label}" if label else ""))
    return fenced(lines)


def _end(state: str) -> str:
    return state if state == POINT else identifier(state)
