"""The imports between the packages and between their folders, read from the source without running it.

A *room* is a folder of a package, or a module that stands beside the folders of a package. It is named by its path with
dots, without the prefix that keeps the packages apart: `conformance.runner`, `reference.errors`. An *arrow* leads
from a room to one that it imports from.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from docs.generate.repository import ROOT

PACKAGES: Final = {
    "resultspec": ROOT / "spec" / "resultspec",
    "resultspec_reference": ROOT / "reference" / "resultspec_reference",
    "resultspec_conformance": ROOT / "conformance" / "resultspec_conformance",
    "resultspec_adapters": ROOT / "adapters" / "resultspec_adapters",
}

Arrows = Mapping[str, frozenset[str]]


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it; a name may be of a module or of what is in one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imports_of(path)}


def dotted(package: str, folder: Path, path: Path) -> tuple[str, ...]:
    """Return the parts of a module's name; those of a folder's `__init__.py` are the folder's."""
    parts = (package, *path.relative_to(folder).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


class Tree:
    """The modules of some packages. `packages`: where the folder of each is."""

    def __init__(self, packages: Mapping[str, Path] = PACKAGES) -> None:
        self.packages = packages
        self.modules = [(name, path) for name, folder in packages.items() for path in sorted(folder.rglob("*.py"))]

    @cached_property
    def _names(self) -> Mapping[tuple[str, ...], Path]:
        return {dotted(package, self.packages[package], path): path for package, path in self.modules}

    def room(self, name: tuple[str, ...]) -> str:
        """Return the room that a module is in."""
        inside = name if self._names[name].name == "__init__.py" else name[:-1]
        return ".".join(name if len(inside) == 1 else inside).removeprefix("resultspec_")

    @cached_property
    def rooms(self) -> Mapping[str, Path]:
        """The rooms, and for each the module whose docstring says what it holds."""
        return {self.room(name): path for name, path in self._names.items() if self._stands_for_room(name)}

    def _stands_for_room(self, name: tuple[str, ...]) -> bool:
        return self.room(name) == ".".join(name).removeprefix("resultspec_")

    def _rooms_imported_by(self, path: Path) -> Iterator[str]:
        for name in imports_of(path):
            parts = tuple(name.split("."))
            prefixes = (parts[:length] for length in range(len(parts), 0, -1))
            target = next((prefix for prefix in prefixes if prefix in self._names), None)
            if target is not None:
                yield self.room(target)

    @cached_property
    def arrows(self) -> Arrows:
        """For each room the rooms that its modules import from."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name, path in self._names.items():
            here = self.room(name)
            found[here] |= set(self._rooms_imported_by(path)) - {here}
        return {name: frozenset(targets) for name, targets in found.items()}

    def is_folder(self, room: str) -> bool:
        """Whether a room is a folder, and not a module that stands beside folders."""
        return self.rooms[room].name == "__init__.py"
