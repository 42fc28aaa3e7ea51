"""What is known about each requirement: the checks that test it, the backends that break it, what goes with it."""

import ast
import inspect
import textwrap
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
    """Backends whose defect is another one, and that necessarily break this requirement too."""
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


def source(defined: Callable[..., Any] | type) -> Source:
    """Return where a function or a class is defined. Raises LookupError for one that no source file defines.

    A function that another one makes is shown as that one.
    """
    path = Path(inspect.getfile(defined)).resolve()
    first, last = _definitions(path)[defined.__qualname__.partition(".<locals>")[0]]
    lines = _lines(path)[first - 1 : last]
    return Source(path.relative_to(ROOT).as_posix(), first, textwrap.dedent("\n".join(lines)) + "\n")


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@cache
def _definitions(path: Path) -> dict[str, tuple[int, int]]:
    """Return the first and the last line of what a module defines at its top, decorators included.

    `inspect` reads the whole module for each class, and there are hundreds of them.
    """
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno is not None:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = (first, node.end_lineno)
    return found
