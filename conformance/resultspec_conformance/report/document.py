"""The report: one JSON document with everything that a run found, from which all renderings are made.

The schema `report` describes it, and `validated` holds every report to it. Times are seconds;
`started` is a moment in UTC.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from resultspec.schemas import complaint
from resultspec_conformance.text.redaction import redact
from resultspec_conformance.verdict.known_failures import TESTED, UNTESTED, is_stale

FORMAT = 1

_ABOUT_A_REQUIREMENT = re.compile(r"[A-Z]+-[1-9][0-9]* (is violated$|was not tested: )")

# "class" cannot be an attribute name in Python
_Class = TypedDict("_Class", {"class": str})


class Tool(TypedDict):
    """The tool that wrote a report."""

    name: str
    version: str


class Settings(TypedDict):
    """The options of a run. `classes`, `select` and `deselect` are empty if everything claimed was judged."""

    examples: int
    seed: int
    call_timeout: float
    classes: list[str]
    select: list[str]
    deselect: list[str]


class Domain(TypedDict):
    """Which ids and values a run tried."""

    ids: str
    values: str
    serializers: list[str]


class BackendTime(TypedDict):
    """The time spent inside the backend, its share of the time of all checks, and the number of calls."""

    seconds: float
    share: float
    calls: int


class SelfCheck(TypedDict):
    """The broken backend that was judged first: the requirement that it violates, and the check that found it."""

    backend: str
    requirement: str
    killed: bool
    check: str
    seconds: float


class RequirementEntry(_Class):
    """The verdict on a requirement.

    `known`: it is violated, or could not be tested, because of known failures only; `shared`: because of failures that
    are known or that the baseline has too. `consequence`: it was not tested only because of failures in this report.
    """

    id: str
    chapter: str
    level: str
    provisional: bool
    severity: str
    statement: str
    verdict: str
    reason: str
    known: bool
    shared: bool
    consequence: bool
    checks: list[str]


class ClassEntry(TypedDict):
    """The verdict on a conformance class; `counts` by the verdicts of its requirements.

    `known` and `shared` are numbers of violated requirements, `masked` that of those which excused failures hide.
    """

    name: str
    verdict: str
    summary: str
    counts: dict[str, int]
    known: int
    shared: int
    masked: int
    total: int


class CheckEntry(TypedDict):
    """The result of a check. `status` may also be `skipped`; `message` says why it did not pass.

    `blocked` says which calls ended some of its examples early.
    """

    name: str
    status: str
    cites: list[str]
    exercised: list[str]
    seconds: float
    backend_seconds: float
    calls: int
    examples: int
    message: str
    blocked: list[str]


class Replay(TypedDict):
    """How to replay a failure. `exact`: the token includes the example; otherwise the same seed is searched again."""

    token: str
    line: str
    exact: bool


class FailureEntry(_Class):
    """A failure with everything needed to understand and repeat it.

    `example` and `history` are in the tagged encoding, `stored` is text, by task id. `kind` is `wrong` for a wrong
    answer, `hung` or `died`, or the name of the error in which an operation ended that has to succeed; `cause` then
    names the call and the error, and `blocks` is how the checks that it stopped say so. `step` is the position in the
    history of the operation that differs. `also` has other examples that fail in the same way, of `alike`. `script` is
    a Python program that repeats the history without the suite.
    """

    check: str
    requirement: str
    level: str
    provisional: bool
    severity: str
    statement: str
    intent: str
    known: bool
    shared: bool
    kind: str
    cause: str
    blocks: str
    got: str
    allowed: str
    step: int | None
    also: list[dict[str, Any]]
    alike: int
    example: dict[str, Any]
    history: list[dict[str, Any]]
    clients: dict[str, Any]
    stored: dict[str, str]
    seed: int
    examples: int
    replay: Replay
    script: str


class CauseEntry(TypedDict):
    """What one defect takes along.

    `kind` is `missing method`, `call` or `wrong answer`. `severity` is the worst of the violated requirements, and
    `scored` whether one of them affects the verdict. `known`: all its failures are; `shared`: they are known or shared
    with the baseline. `follows` are violated as well, because the violated ones entail them. `not_tested` has the
    requirements whose checks the cause stopped. `failures` are positions in the report's failures; the first one shows
    the cause best.
    """

    text: str
    kind: str
    severity: str
    scored: bool
    known: bool
    shared: bool
    violated: list[str]
    follows: list[str]
    not_tested: list[str]
    failures: list[int]


class KnownEntry(TypedDict):
    """An entry of the list of known failures. `outcome`: `failed as recorded`, or what is wrong with the entry."""

    requirement: str
    kind: str
    check: str
    reason: str
    outcome: str


class BaselineEntry(TypedDict):
    """The backend with which the target was compared.

    `source`: a target or a file, as given. `started`, `verdict` and `violated`, a number of requirements, are those of
    its own report. Of the requirements that the target violates, `shared` are violated in the same way by the baseline,
    and `own` neither by that nor known; `mended` are violated by the baseline and passed by the target.
    """

    source: str
    target: str
    started: str
    verdict: str
    violated: int
    shared: list[str]
    own: list[str]
    mended: list[str]


class Report(TypedDict):
    """The report of one run."""

    format: int
    tool: Tool
    spec_version: str
    target: str
    origin: str
    capabilities: dict[str, Any]
    available: list[str]
    domain: Domain
    settings: Settings
    started: str
    duration: float
    backend: BackendTime
    round_trip: float
    self_check: SelfCheck | None
    classes: list[ClassEntry]
    requirements: list[RequirementEntry]
    checks: list[CheckEntry]
    failures: list[FailureEntry]
    causes: list[CauseEntry]
    known_failures: list[KnownEntry]
    baseline: BaselineEntry | None
    verdict: str
    exit_code: int
    reasons: list[str]


class ReportError(ValueError):
    """A document is not a report. The text has one line."""


def validated(report: Report, secrets: frozenset[str]) -> Report:
    """Return a report without passwords, as it is after writing and reading. Raises AssertionError if it is invalid."""
    document: Report = json.loads(json.dumps(redact(report, secrets)))
    found = complaint(document, "report")
    if found is not None:
        raise AssertionError(f"the report does not follow its own schema: {found}")
    return document


def dump(report: Report) -> str:
    """Return the text of a report file."""
    return json.dumps(report, indent=1) + "\n"


def load(path: Path) -> Any:
    """Return the JSON document in a file. Raises ReportError."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ReportError(f"{path} is not JSON: {error}") from error


def worst_first(failures: Sequence[FailureEntry], order: Mapping[str, int], ranks: Sequence[str]) -> list[FailureEntry]:
    """Return failures in order: those that count first, then the shared and the known ones; the worst severity first.

    Those of one severity are in the order of the chapters.
    """
    return sorted(
        failures,
        key=lambda failure: (
            failure["known"],
            failure["shared"],
            failure["level"] != "MUST" or failure["provisional"],
            ranks.index(failure["severity"]),
            order[failure["requirement"]],
            failure["check"],
        ),
    )


def is_new(entry: FailureEntry | RequirementEntry | CauseEntry) -> bool:
    """Whether a failure, a cause or the verdict on a requirement is neither known nor shared with the baseline."""
    return not (entry["known"] or entry["shared"])


def excused_gaps(report: Report) -> list[RequirementEntry]:
    """Return the requirements of which it does not count that they were not tested."""
    return [one for one in report["requirements"] if one["verdict"] == UNTESTED and not is_new(one)]


def newly_tested(report: Report) -> list[str]:
    """Return the requirements that are listed as not tested, and were tested in the run."""
    return [entry["requirement"] for entry in report["known_failures"] if entry["outcome"] == TESTED]


def level_of(entry: RequirementEntry | FailureEntry) -> str:
    """Return the level of a requirement in words, and whether it is provisional."""
    return f"{entry['level']}, provisional" if entry["provisional"] else entry["level"]


def scope(report: Report) -> str:
    """Return what was selected and deselected, in words, or an empty text if everything claimed was judged."""
    settings = report["settings"]
    chosen = ", ".join(settings["classes"] + settings["select"])
    if not settings["deselect"]:
        return chosen
    return f"{chosen or 'everything'} without {', '.join(settings['deselect'])}"


def remarks(report: Report) -> list[str]:
    """Return what a run has to say that is not the verdict on one requirement: hangs, deaths, errors, lost targets."""
    return [reason for reason in report["reasons"] if not _ABOUT_A_REQUIREMENT.match(reason)]


def outdated(report: Report) -> list[KnownEntry]:
    """Return the entries of the list of known failures that no failure of the run matches as they are."""
    return [entry for entry in report["known_failures"] if is_stale(entry["outcome"])]
