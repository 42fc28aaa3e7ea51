"""Requirement, check, broken backend: the matrix of the three, and its gaps.

`python -m resultspec_conformance.selftest.traceability` prints the matrix as Markdown. It is kept in
`conformance/traceability.md`, and a test compares both: so a check, a requirement or a broken
backend cannot be removed unnoticed.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from resultspec import REQUIREMENTS, Requirement
from resultspec_conformance.broken import CATALOGUE, VARIATIONS, Specimen
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check

HEAD = """\
# Which check tests what, and which broken backend proves it

This page is made by `python -m resultspec_conformance.selftest.traceability > conformance/traceability.md`.
A test compares it with the suite.
A check stands beside each requirement that it cites, a broken backend beside the one that it breaks.
`resultspec selftest` runs them against each other.
"""


@dataclass(frozen=True)
class RequirementRow:
    """One requirement, the names of the checks that cite it, and of the broken backends that violate it."""

    requirement: Requirement
    checks: tuple[str, ...]
    broken: tuple[str, ...]

    def gaps(self) -> Iterator[str]:
        """Yield what is missing: every MUST needs a check and a broken backend."""
        if self.requirement.level != "MUST" or self.requirement.untestable:
            return
        if not self.checks:
            yield f"{self.requirement.id} is cited by no check"
        if not self.broken:
            yield f"{self.requirement.id} is broken by no backend of the catalogue"


def matrix(
    requirements: Mapping[str, Requirement], checks: Mapping[str, Check], catalogue: Mapping[str, Specimen]
) -> list[RequirementRow]:
    """Join requirements, checks and broken backends by their ids, in the order of the register."""
    citing, breaking = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name, check in checks.items():
        for cite in set(check.cites):
            citing[cite].append(name)
    for name, specimen in catalogue.items():
        breaking[specimen.violates].append(name)
    return [RequirementRow(one, tuple(citing[one.id]), tuple(breaking[one.id])) for one in requirements.values()]


def gaps(
    requirements: Mapping[str, Requirement], checks: Mapping[str, Check], catalogue: Mapping[str, Specimen]
) -> list[str]:
    """Return the gaps of the matrix, and references to requirements that do not exist."""
    found = [gap for row in matrix(requirements, checks, catalogue) for gap in row.gaps()]
    for name, check in checks.items():
        found.extend(f"check {name} cites {cite}, which is unknown" for cite in check.cites if cite not in requirements)
    for name, specimen in catalogue.items():
        if specimen.violates not in requirements:
            found.append(f"backend {name} breaks {specimen.violates}, which is unknown")
    return found


def markdown(rows: list[RequirementRow], variations: Mapping[str, Specimen]) -> str:
    """Return the matrix, and the correct backends, as a Markdown page."""
    lines = [HEAD, "| requirement | checks | broken backends |", "|---|---|---|"]
    for row in rows:
        level = "" if row.requirement.level == "MUST" else f" ({row.requirement.level})"
        lines.append(f"| {row.requirement.id}{level} | {', '.join(row.checks)} | {', '.join(sorted(row.broken))} |")
    lines += ["", "## Correct backends that no check may accuse", ""]
    lines += [f"- `{name}`: {specimen.description}" for name, specimen in sorted(variations.items())]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page for the installed suite."""
    return markdown(matrix(REQUIREMENTS, all_checks(), CATALOGUE), VARIATIONS)


if __name__ == "__main__":
    sys.stdout.write(page())
