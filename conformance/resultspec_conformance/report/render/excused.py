"""What does not count, in the report for a terminal: known failures, those of a baseline, and what they hide."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from resultspec_conformance.report.document import CauseEntry, FailureEntry, Report, excused_gaps, newly_tested
from resultspec_conformance.report.plain_text import printable, wrapped
from resultspec_conformance.report.render.lines import Line

HEADS: Mapping[Literal["known", "shared"], str] = {"known": "known", "shared": "shared with the baseline"}


def excused_lines(report: Report, width: int) -> Iterator[Line]:
    """Yield a line for each requirement that is violated and does not count, and one for those not tested for it."""
    yield from _listed(report, "known", width)
    yield from _listed(report, "shared", width)
    gaps = [entry["id"] for entry in excused_gaps(report)]
    if gaps:
        text = f"not tested, for these reasons or as listed: {', '.join(gaps)}"
        yield from ((line, "dim") for line in wrapped(text, width, "  ", "    "))
    tested = newly_tested(report)
    if tested:
        text = f"listed as not tested, and tested in this run: {', '.join(tested)}"
        yield from ((line, "dim") for line in wrapped(text, width, "  ", "    "))
    if baseline := baseline_text(report):
        yield from ((line, "") for line in wrapped(printable(baseline), width, "  ", "    "))


def excused_kinds(report: Report, excuse: Literal["known", "shared"]) -> list[tuple[FailureEntry, str]]:
    """Return the first failure of each requirement and kind that has an excuse, with the reason for it, or `got`."""
    kinds: dict[tuple[str, str], FailureEntry] = {}
    for failure in report["failures"]:
        if failure[excuse]:
            kinds.setdefault((failure["requirement"], failure["kind"]), failure)
    return [(failure, f"{failure['kind']}: {_reason(report, failure) or failure['got']}") for failure in kinds.values()]


def _listed(report: Report, excuse: Literal["known", "shared"], width: int) -> Iterator[Line]:
    found = excused_kinds(report, excuse)
    if found:
        yield f"  {HEADS[excuse]}, so not counted:", ""
    for failure, text in found:
        line = f"    {failure['requirement']:<9} {failure['severity']:<13} {printable(text)}"
        yield line if len(line) <= width else f"{line[: width - 1]}…", "dim"


def _reason(report: Report, failure: FailureEntry) -> str:
    """Return the reason that the list of known failures gives for a failure, or an empty text."""
    for entry in report["known_failures"]:
        if (
            entry["requirement"] == failure["requirement"]
            and entry["kind"] in ("", failure["kind"])
            and entry["check"] in ("", failure["check"])
        ):
            return entry["reason"]
    return ""


def reasons(report: Report, cause: CauseEntry) -> list[str]:
    """Return the reasons that the list of known failures gives for the failures of a cause, each once."""
    found = (report["failures"][position] for position in cause["failures"])
    return list(dict.fromkeys(filter(None, (_reason(report, failure) for failure in found if failure["known"]))))


def baseline_text(report: Report) -> str:
    """Return what the comparison with the baseline says, or an empty text if there is none."""
    baseline = report["baseline"]
    if baseline is None:
        return ""
    source = baseline["source"]
    judged = f", {baseline['target']} judged at {baseline['started']}" if source != baseline["target"] else ""
    return (
        f"baseline {source}{judged}: {len(baseline['shared'])} violated here as there, "
        f"{len(baseline['own'])} only here or in another way{_named(baseline['own'])}, "
        f"{len(baseline['mended'])} only there{_named(baseline['mended'])}"
    )


def _named(ids: Sequence[str]) -> str:
    return f" ({', '.join(ids)})" if ids else ""


def no_new_violation(report: Report) -> str:
    """Return the verdict of a run in which nothing counts, in words."""
    known = any(entry["known"] for entry in report["requirements"])
    shared = any(entry["shared"] for entry in report["requirements"])
    names = [name for name, exists in (("the known ones", known), ("those of the baseline", shared)) if exists]
    return f"no new violation; {' and '.join(names)} prevent conformance"
