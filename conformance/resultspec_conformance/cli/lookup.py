"""Looking things up: what the commands `explain`, `requirements`, `validate` and `targets` do."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from resultspec import REQUIREMENTS, SPEC_VERSION, Requirement
from resultspec.requirements import CLASSES
from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.cli.terminal import say, width
from resultspec_conformance.report.plain_text import printable, wrapped
from resultspec_conformance.runner.servers import load_source, server_entry_points
from resultspec_conformance.runner.targets import BUILT_IN, adapter_entry_points, load_adapter
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.selection import Selection, require_known
from resultspec_conformance.verdict.selection import validate as validate_selection
from resultspec_conformance.wire.stored_meta import examine


def _level(requirement: Requirement) -> str:
    return f"{requirement.level}, provisional" if requirement.provisional else requirement.level


def _explanation(requirement: Requirement, columns: int) -> Iterator[str]:
    yield (
        f"{requirement.id}  {_level(requirement)}, class {requirement.conformance_class}, {requirement.severity}, "
        f"role {requirement.role}, chapter {requirement.chapter}, since {requirement.since}"
    )
    yield from wrapped(requirement.statement, columns, "  ")
    facts = {
        "intent": requirement.intent,
        "source": requirement.source,
        "applies": requirement.applies and f"where the subject declares {requirement.applies}",
        "seen": requirement.observe and f"with {requirement.observe} only",
        "entails": ", ".join(requirement.entails),
        "untested": requirement.untestable,
    }
    for name, fact in facts.items():
        if fact:
            yield from wrapped(fact, columns, f"  {name:<9}", " " * 11)
    for check in all_checks().values():
        if requirement.id in check.cites:
            yield from wrapped(f"{check.name}: {check.summary}", columns, f"  {'check':<9}", " " * 11)
    for specimen in CATALOGUE.values():
        if specimen.violates == requirement.id:
            text = f"broken:{specimen.name}: {specimen.description}"
            yield from wrapped(text, columns, f"  {'broken':<9}", " " * 11)


def explain(ids: Sequence[str]) -> None:
    """Print everything about requirements. Raises UsageError for an id that does not exist."""
    for requirement in [require_known(one) for one in ids]:
        say("\n".join(printable(line) for line in _explanation(requirement, width())))


def requirements(classes: Sequence[str], *, as_json: bool) -> None:
    """Print the requirements of some classes, or of all if none is given. Raises UsageError for an unknown class."""
    validate_selection(Selection(tuple(classes)), {})
    found = [one for one in REQUIREMENTS.values() if one.conformance_class in (classes or CLASSES)]
    if as_json:
        say(json.dumps({"spec_version": SPEC_VERSION, "requirements": [asdict(one) for one in found]}, indent=1))
        return
    for one in found:
        head = f"{one.id:<9} {one.level:<7} {one.conformance_class:<8} {one.severity:<13} "
        say("\n".join(wrapped(one.statement, width(), head, " " * 10)))


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def validate(file: str) -> int:
    """Print what is wrong with a stored payload; return the exit code. Raises UsageError if it cannot be read."""
    findings = examine(_read(file))
    if not findings:
        say("valid: a task meta as the specification has writers make it")
        return 0
    fatal = any(finding.fatal for finding in findings)
    say("not valid: " + ("no reader accepts it" if fatal else "readers accept it, but writers must not produce it"))
    for finding in findings:
        say("\n".join(wrapped(f"{finding.requirement}: {printable(finding.text)}", width(), "  ", "    ")))
    return 1


def _adapter_lines() -> Iterator[str]:
    names = [*sorted(adapter_entry_points()), *BUILT_IN]
    longest = max(map(len, names))
    for name in names:
        try:
            adapter = load_adapter(name)
        except SubjectError as error:
            yield f"  {name:<{longest}}  no   {' '.join(str(error).split())}"
        except Exception as error:  # noqa: BLE001 - one broken plug-in must not hide the others
            yield f"  {name:<{longest}}  no   its adapter cannot be loaded: {type(error).__name__}: {error}"
        else:
            yield f"  {name:<{longest}}  yes  {adapter.summary}; for example {adapter.example}"


def _server_lines() -> Iterator[str]:
    for name in sorted(server_entry_points()):
        try:
            ways = load_source(name).availability()
        except SubjectError as error:
            yield f"  {name}  no   {' '.join(str(error).split())}"
            continue
        yield f"  {name}  {'yes' if any(way.available for way in ways) else 'no'}"
        for way in ways:
            yield f"    {'yes' if way.available else 'no ':<3}  {way.name}: {way.why}"


def targets() -> None:
    """Print what can be tested on this machine, and how to install the rest."""
    say("Targets by scheme:")
    for line in _adapter_lines():
        say(printable(line))
    say("Servers that can be started for a run, by name; the first available way is used:")
    for line in _server_lines():
        say(printable(line))
