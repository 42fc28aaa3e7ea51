"""The arrows between the packages and between their folders, and the rules that every module follows."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from docs.generate.architecture.imports import PACKAGES, Tree, imported
from docs.generate.repository import ROOT

ALLOWED = {
    "resultspec": {"resultspec"},
    "resultspec_reference": {"resultspec", "resultspec_reference"},
    "resultspec_conformance": {"resultspec", "resultspec_conformance"},
    "resultspec_adapters": set(PACKAGES),
}

TREE = Tree()
MODULES = TREE.modules
NAMES = [f"{name}/{path.relative_to(PACKAGES[name])}" for name, path in MODULES]

TOPS = ("spec", "reference", "conformance", "adapters", "benchmarks", "docs", "examples", "tests")

MOST_MODULES = 16
"""A folder with more modules than a reader can take in at a glance has more than one concept."""


def recorded() -> dict[str, frozenset[str]]:
    """Return the arrows that are written down."""
    text = (ROOT / "tests" / "architecture.txt").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\n    ", " ").split("\n")
    pairs = [line.partition(" -> ") for line in lines if line.strip()]
    return {name.strip(): frozenset(targets.split()) for name, _, targets in pairs}


def test_the_packages_are_found() -> None:
    """The rules below are about modules that exist."""
    assert {name for name, _ in MODULES} == set(PACKAGES)


@pytest.mark.parametrize(("package", "path"), MODULES, ids=NAMES)
def test_arrows_point_one_way(package: str, path: Path) -> None:
    """A module imports only the packages of ours that its own may import."""
    assert imported(path) & set(PACKAGES) <= ALLOWED[package]


def test_the_arrows_between_folders_are_those_that_are_written_down() -> None:
    """A new arrow is a decision, and is written down; one that is gone is struck. See tests/architecture.txt."""
    made, written = TREE.arrows, recorded()
    assert set(made) == set(written)
    new = [f"{one} -> {other}" for one in made for other in made[one] - written[one]]
    gone = [f"{one} -> {other}" for one in made for other in written[one] - made[one]]
    assert (new, gone) == ([], [])


def test_no_imports_are_circular() -> None:
    """The rooms can be put in an order in which each imports only from those before it."""
    assert list(TopologicalSorter(TREE.arrows).static_order())


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    """No folder has many modules."""
    ours = [path for top in TOPS for path in (ROOT / top).rglob("*.py") if path.name != "__init__.py"]
    assert len(ours) > len(MODULES) / 2
    modules = Counter(path.parent for path in ours)
    assert [folder for folder, count in modules.items() if count > MOST_MODULES] == []


def test_verdicts_are_reached_without_hypothesis() -> None:
    """What judges the results of checks loads nothing that finds examples."""
    code = "import sys, resultspec_conformance.verdict.verdicts; print('hypothesis' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


@pytest.mark.parametrize(("package", "path"), MODULES, ids=NAMES)
def test_celery_is_imported_by_nobody_but_adapters(package: str, path: Path) -> None:
    """The spec, the reference and the judge stand without Celery."""
    if package != "resultspec_adapters":
        assert "celery" not in imported(path)


@pytest.mark.parametrize(("package", "path"), MODULES, ids=NAMES)
def test_modules_are_of_a_size_to_be_read(package: str, path: Path) -> None:
    """No module is longer than 600 lines, and none lacks a docstring that says what it is for."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
