"""What is known about each requirement: the checks that test it, the backends that break it, what goes with it."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docs.generate.repository import ROOT
from resultspec import Requirement
from resultspec_conformance.broken import Specimen
from resultspec_conformance.testkit.registry import Check


@dataclass(frozen=True, slots=True)
class Source:
    """Where a function or a class is defined, relative to the root of the repository, and its text."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One requirement with everything that refers to it."""

    requirement: Requirement
    checks: tuple[Check, ...]
    broken: tuple[Specimen, ...]
    also_broken: tuple[Specimen, ...]
    """Backends whose defect is another one, and that cannot but break this requirement too."""
    entailed_by: tuple[str, ...]
    """The ids of the requirements that cannot be broken without this one."""


def evidence(
    requirements: Mapping[str, Requirement], checks: Mapping[str, Check], catalogue: Mapping[str, Specimen]
) -> dict[str, Evidence]:
    """Join requirements, checks and broken backends by the ids of the requirements, in the order of the register."""
    citing, breaking = defaultdict[str, list[Check]](list), defaultdict[str, list[Specimen]](list)
    also, entailed_by = defaultdict[str, list[Specimen]](list), defaultdict[str, list[str]](list)
    for check in checks.values():
        for identifier in dict.fromkeys(check.cites):
            citing[identifier].append(check)
    for specimen in catalogue.values():
        breaking[specimen.violates].append(specimen)
        for identifier in specimen.also:
            also[identifier].append(specimen)
    for requirement in requirements.values():
        for identifier in requirement.entails:
            entailed_by[identifier].append(requirement.id)
    return {
        identifier: Evidence(
            requirement,
            tuple(citing[identifier]),
            tuple(breaking[identifier]),
            tuple(also[identifier]),
            tuple(entailed_by[identifier]),
        )
        for identifier, requirement in requirements.items()
    }


@cache  # a class is found by reading its whole module, and some are shown on several pages
def source(defined: Callable[..., Any] | type) -> Source:
    """Return where a function or a class is defined. Raises TypeError for one that has no source file."""
    text, line = inspect.getsourcelines(defined)
    path = Path(inspect.getfile(defined)).resolve().relative_to(ROOT)
    return Source(path.as_posix(), line, inspect.cleandoc("".join(text)) if text[0][:1].isspace() else "".join(text))
