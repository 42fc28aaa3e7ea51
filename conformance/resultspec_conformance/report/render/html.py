"""The report as one HTML page without external resources: the causes first, each with its failures.

The page works without its script, which only adds buttons that copy a command.
"""

from collections.abc import Iterator
from typing import Final

from jinja2 import Environment, StrictUndefined

from resultspec_conformance.report.document import (
    FailureEntry,
    Report,
    RequirementEntry,
    is_new,
    level_of,
    remarks,
    scope,
)
from resultspec_conformance.report.plain_text import milliseconds, printable
from resultspec_conformance.report.render.causes import apart_from_causes, causes_by_requirement, title, totals
from resultspec_conformance.report.render.excused import baseline_text, reasons
from resultspec_conformance.report.render.failures import LONGEST_FINDING, alike
from resultspec_conformance.report.render.html_template import PAGE, SCRIPT, STYLE
from resultspec_conformance.report.render.timeline import shown_steps
from resultspec_conformance.text.differences import around_difference

_VERDICT_ORDER: Final = ("violated", "not tested", "passed")


def _steps(failure: FailureEntry) -> Iterator[dict[str, object]]:
    """Yield the steps of a failure as the page shows them; without text where some are left out."""
    for step in shown_steps(failure):
        if isinstance(step, int):
            yield {"text": "", "left_out": step}
            continue
        times = f" ({step.times} times)" if step.times > 1 else ""
        when, client = milliseconds(step.operation["start"]), printable(step.operation["client"])
        yield {"text": step.text + times, "when": when, "client": client, "differs": step.differs}


def _findings(failure: FailureEntry) -> Iterator[tuple[str, str]]:
    """Yield what was found in a failure, with labels."""
    for name, stored in failure["stored"].items():
        yield "stored", f"{name}: {stored}"
    got, allowed = around_difference(failure["got"], failure["allowed"], LONGEST_FINDING)
    yield "got", got
    yield "allowed", allowed
    if failure["alike"]:
        yield "alike", alike(failure)


def _worst(entries: list[RequirementEntry]) -> list[RequirementEntry]:
    """Return the verdicts that a reader looks for first."""
    ranks = {verdict: rank for rank, verdict in enumerate(_VERDICT_ORDER)}
    return sorted(entries, key=lambda entry: (not is_new(entry), ranks.get(entry["verdict"], len(ranks))))


def render(report: Report) -> str:
    """Return the report as a page; all external text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "printable": lambda text: printable(str(text), keep="\n"),
        "steps": _steps,
        "findings": _findings,
        "level": level_of,
        "scope": scope,
        "remarks": remarks,
        "title": title,
        "totals": totals,
        "worst": _worst,
        "baseline": baseline_text,
        "reasons": lambda cause: reasons(report, cause),
    }
    environment.tests["new"] = is_new
    judged = {entry["id"] for entry in report["requirements"]}
    gaps = apart_from_causes(report)
    page = environment.from_string(PAGE)
    causes = causes_by_requirement(report)
    return page.render(report=report, judged=judged, causes=causes, gaps=gaps, style=STYLE, script=SCRIPT) + "\n"
