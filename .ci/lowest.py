"""Print the lowest versions that pyproject.toml declares, as constraints for pip: `lowest.py [EXTRA]…`.

pip has no option that chooses them. uv has one, and does not read where pip is configured to look for packages.
"""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def _lowest(text: str) -> str:
    """Return the constraint that allows the lowest version of a requirement only. Raises ValueError."""
    requirement = Requirement(text)
    bounds = [one.version for one in requirement.specifier if one.operator == ">="]
    if len(bounds) != 1:
        raise ValueError(f"{text!r} in {PYPROJECT.name} has no lower bound; write it as {requirement.name}>=VERSION")
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={bounds[0]}{marker}"


def constraints(extras: Sequence[str]) -> Iterator[str]:
    """Yield a constraint for each dependency of the package and of some extras. Raises ValueError and KeyError."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for group in (project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)):
        yield from map(_lowest, group)


if __name__ == "__main__":
    print(*constraints(sys.argv[1:]), sep="\n")
