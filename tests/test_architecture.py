"""The arrows between the packages, and the rules that every module follows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PACKAGES = {
    "resultspec": ROOT / "spec" / "resultspec",
    "resultspec_reference": ROOT / "reference" / "resultspec_reference",
    "resultspec_conformance": ROOT / "conformance" / "resultspec_conformance",
    "resultspec_adapters": ROOT / "adapters" / "resultspec_adapters",
}

ALLOWED = {
    "resultspec": {"resultspec"},
    "resultspec_reference": {"resultspec", "resultspec_reference"},
    "resultspec_conformance": {"resultspec", "resultspec_conformance"},
    "resultspec_adapters": set(PACKAGES),
}

MODULES = [(name, path) for name, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]
NAMES = [f"{name}/{path.relative_to(PACKAGES[name])}" for name, path in MODULES]


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_packages_are_found() -> None:
    """The rules below are about modules that exist."""
    assert {name for name, _ in MODULES} == set(PACKAGES)


@pytest.mark.parametrize(("package", "path"), MODULES, ids=NAMES)
def test_arrows_point_one_way(package: str, path: Path) -> None:
    """A module imports only the packages of ours that its own may import."""
    assert imported(path) & set(PACKAGES) <= ALLOWED[package]


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
