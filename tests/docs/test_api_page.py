"""The page of the Python API has every public name, and no other."""

import ast
import importlib
import inspect
import re

from docs.generate.architecture.imports import Tree, dotted
from docs.generate.repository import ROOT

PAGE = ROOT / "docs" / "reference" / "api.md"

INTERNAL = {"resultspec.lint", "resultspec_conformance.broken", "resultspec_conformance.suite"}
"""Folders whose `__all__` is for other modules of the same package; what is below them is internal too."""


def on_the_page() -> dict[str, list[str]]:
    """Return the names that the page lists, by their modules."""
    sections = re.split(r"^## `([\w.]+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        module: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        for module, text in zip(sections[::2], sections[1::2], strict=True)
    }


def with_public_names() -> set[str]:
    """Return the modules of the packages that have an `__all__`."""
    found = set()
    tree = Tree()
    for package, path in tree.modules:
        names = [node.targets[0] for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
        if any(isinstance(name, ast.Name) and name.id == "__all__" for name in names):
            found.add(".".join(dotted(package, tree.packages[package], path)))
    return found


def test_every_module_with_public_names_is_on_the_page_or_internal() -> None:
    """A new one is decided: it is documented, or named above."""
    names = with_public_names()
    internal = {name for name in names if any(f"{name}.".startswith(f"{folder}.") for folder in INTERNAL)}
    assert set(on_the_page()) == names - internal
    assert internal >= INTERNAL


def test_the_page_lists_the_public_names_of_each_module() -> None:
    """Both ways, and each name once; all of them exist."""
    for name, listed in on_the_page().items():
        module = importlib.import_module(name)
        assert sorted(listed) == sorted(module.__all__)
        assert all(hasattr(module, one) for one in listed)


def test_the_page_shows_the_parameters_of_conformance_tests() -> None:
    """Their names and defaults, in their order."""
    from resultspec_conformance import conformance_tests

    shown = re.search(r"^conformance_tests\(\n(.+?)^\)", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert shown is not None
    parameters = [line.partition("#")[0].strip().rstrip(",") for line in shown[1].splitlines()]
    expected = []
    for parameter in inspect.signature(conformance_tests).parameters.values():
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        expected.append(f"{parameter.name}{default}")
    assert parameters == [expected[0], "*", *expected[1:]]
