"""Causes in words: how many there are, what each takes along, and which failures show them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from resultspec import REQUIREMENTS
from resultspec_conformance.report.document import CauseEntry, FailureEntry, Report, is_new
from resultspec_conformance.report.plain_text import printable, wrapped

FEW: Final = 3
"""So many requirements are named in the line of a cause; of more, only the number."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with the noun in singular or plural."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def totals(causes: Sequence[CauseEntry]) -> str:
    """Return how many causes there are, and what they take along."""
    violated = {one for cause in causes for one in cause["violated"] + cause["follows"]}
    untested = {one for cause in causes for one in cause["not_tested"]}
    said = [counted(len(causes), "cause"), f"{counted(len(violated), 'requirement')} violated"]
    if untested:
        said.append(f"{len(untested)} not tested because of {'it' if len(causes) == 1 else 'them'}")
    return ", ".join(said)


def title(cause: CauseEntry) -> str:
    """Return a cause in words: a requirement with its sentence, or a call and how it ended."""
    if cause["kind"] == "wrong answer":
        return f"{cause['text']}: {REQUIREMENTS[cause['text']].statement}"
    return printable(cause["text"])


def short_line(number: int, cause: CauseEntry, width: int) -> list[str]:
    """Return a cause for a list: numbered, with its severity and what it takes along."""
    violated = cause["violated"] + cause["follows"]
    named = ", ".join(violated) if len(violated) <= FEW else f"{len(violated)} violated"
    untested = f", {len(cause['not_tested'])} not tested" if cause["not_tested"] else ""
    itself = cause["kind"] == "wrong answer" and len(violated) == 1
    tail = f"  [{cause['severity']}{'' if itself else ': ' + named}{untested}]"
    head = f"  {number:>2}  "
    text = title(cause)
    if cause["kind"] != "wrong answer":
        return wrapped(text + tail, width, head, " " * len(head))
    room = width - len(head) - len(tail)
    return [head + (text if len(text) <= room else f"{text[: room - 1]}…") + tail]


def ranges(ids: Iterable[str]) -> list[str]:
    """Return ids of requirements in which three or more consecutive numbers are one range."""
    runs: list[list[str]] = []
    for one in ids:
        prefix, _, number = one.rpartition("-")
        if runs and f"{prefix}-{int(number) - 1}" == runs[-1][-1]:
            runs[-1].append(one)
        else:
            runs.append([one])
    texts = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else run for run in runs]
    return [text for run in texts for text in run]


def listed(ids: Sequence[str], room: int) -> str:
    """Return ids of requirements as a list of at most about `room` characters, with the number of those left out."""
    parts = ranges(ids)
    shown: list[str] = []
    while parts and len(", ".join([*shown, parts[0]])) <= room:
        shown.append(parts.pop(0))
    return ", ".join(shown) + (f" and more, {len(ids)} in all" if parts else "")


def takes_along(cause: CauseEntry, shown: FailureEntry, room: int) -> Iterator[tuple[str, str]]:
    """Yield what a cause takes along besides the requirement of the failure that shows it: labels and texts."""
    violated = [one for one in cause["violated"] if one != shown["requirement"]]
    for label, ids in (("violated", violated), ("follows", cause["follows"]), ("untested", cause["not_tested"])):
        if ids:
            yield label, listed(ids, room)


def causes_by_requirement(report: Report) -> dict[str, list[tuple[int, CauseEntry]]]:
    """Return the numbered causes because of which requirements were violated or not tested."""
    found: dict[str, list[tuple[int, CauseEntry]]] = {}
    for number, cause in enumerate(report["causes"], 1):
        for one in [*cause["violated"], *cause["follows"], *cause["not_tested"]]:
            found.setdefault(one, []).append((number, cause))
    return found


def because(causes: Sequence[tuple[int, CauseEntry]]) -> str:
    """Return numbered causes in words."""
    return "; ".join(f"cause {number}: {printable(cause['text'])}" for number, cause in causes)


def apart_from_causes(report: Report) -> dict[str, list[str]]:
    """Return why requirements were not tested, except for those of causes: their ids by the reason."""
    explained = {one for cause in report["causes"] for one in cause["not_tested"]}
    found: dict[str, list[str]] = {}
    for entry in report["requirements"]:
        if entry["verdict"] == "not tested" and entry["id"] not in explained and is_new(entry):
            found.setdefault(_without(entry["reason"], entry["id"]), []).append(entry["id"])
    return found


def _without(reason: str, requirement: str) -> str:
    """Return a reason that is the same for all requirements to which it applies."""
    parts = reason.replace(f"did not exercise {requirement}", "did not look").split("; ")
    unselected = [part for part in parts if part.endswith(" was not selected")]
    if len(unselected) < 2:
        return "; ".join(parts)
    others = [part for part in parts if part not in unselected]
    return "; ".join([*others, f"{len(unselected)} of its checks were not selected"])
