"""One failure as text: the requirement, the history, the stored bytes, what was allowed, and how to replay it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from resultspec_conformance.report.document import FailureEntry, is_new, level_of
from resultspec_conformance.report.plain_text import printable, shown, wrapped
from resultspec_conformance.report.render.lines import Line, labelled, painted, paragraph
from resultspec_conformance.report.render.timeline import timeline
from resultspec_conformance.text.differences import around_difference

LONGEST_FINDING: Final = 400
"""How long what was found and what was allowed may be; longer ones are shortened around their first difference."""

EXAMPLES_ALIKE: Final = 4
"""How many other examples that fail in the same way are shown."""


def failure_lines(failure: FailureEntry, width: int) -> Iterator[Line]:
    """Yield the lines of a failure."""
    excuse = "  (known)" if failure["known"] else "  (shared)" if failure["shared"] else ""
    head = (
        f"{failure['requirement']}  {level_of(failure)}, class {failure['class']}, "
        f"{failure['severity']}  found by {failure['check']}{excuse}"
    )
    yield from paragraph(head, "bold red" if is_new(failure) else "bold", width)
    for line in wrapped(failure["statement"], width, "  "):
        yield line, ""
    yield from timeline(failure, width)
    for task_id, stored in failure["stored"].items():
        yield from labelled("stored", f"{printable(task_id)}: {printable(stored)}", width, "dim")
    got, allowed = around_difference(failure["got"], failure["allowed"], LONGEST_FINDING)
    yield from labelled("got", printable(got), width, "red")
    yield from labelled("allowed", printable(allowed), width, "green")
    if not failure["history"]:
        yield from labelled("example", _example(failure["example"]), width)
    yield from _alike(failure, width)
    # on its own line and never wrapped, so that it can be copied
    yield failure["replay"]["line"], "cyan"


def _example(example: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={shown(value, 60)}" for name, value in example.items())


def alike(failure: FailureEntry) -> str:
    """Return how many other examples fail in the same way, and some of them; an empty text if none does."""
    if not failure["alike"]:
        return ""
    # an example that is tried again and again, as that of a race, is named once
    some = list(dict.fromkeys(map(_example, failure["also"])))[:EXAMPLES_ALIKE]
    more = [f"{failure['alike'] - len(some)} more"] if failure["alike"] > len(some) else []
    return f"{failure['alike']} other example{'s' if failure['alike'] > 1 else ''}: {'; '.join(some + more)}"


def _alike(failure: FailureEntry, width: int) -> Iterator[Line]:
    """Yield in one line the other examples that fail in the same way."""
    if failure["alike"]:
        line = f"    alike    {alike(failure)}"
        yield line if len(line) <= width else f"{line[: width - 1]}…", "dim"


def failure_text(failure: FailureEntry, width: int = 100, *, color: bool = False) -> str:
    """Return a failure as text."""
    return painted(failure_lines(failure, width), width, color=color)
