"""The decisions and the architecture: what they cite exists, and no decision is missing from the index."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from docs.generate.repository import ROOT

DOCS = ROOT / "docs"
INDEX = DOCS / "decisions" / "README.md"
DECISIONS = sorted(path for path in INDEX.parent.glob("*.md") if path != INDEX)
PAGES = [DOCS / "architecture.md", INDEX, *DECISIONS]

LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.(py|json|toml|md|txt))|[\w.-]+(/[\w.-]+)+")
BUILT = {".git", ".venv", "node_modules", "__pycache__", "build", "site"}


@cache
def places() -> frozenset[str]:
    """Return the files and folders of the repository, as paths from its root that begin with a slash."""
    found: set[str] = set()
    waiting = [ROOT]
    while waiting:
        for path in waiting.pop().iterdir():
            if path.name not in BUILT and not path.name.startswith(".venv"):
                found.add(f"/{path.relative_to(ROOT).as_posix()}")
                if path.is_dir():
                    waiting.append(path)
    return frozenset(found)


def exists(cited: str) -> bool:
    """Whether a path exists, from the root of the repository or from a folder in it."""
    ending = f"/{cited.rstrip('/')}"
    return any(place.endswith(ending) for place in places())


def cited_paths(page: Path) -> set[str]:
    """Return the paths that a page cites in its text as code."""
    return {span for span in SPAN.findall(page.read_text(encoding="utf-8")) if PATH.fullmatch(span)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_cites_exists(page: Path) -> None:
    """Every link leads to something, and every path in the text is one of the repository."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
    assert sorted(path for path in cited_paths(page) if not exists(path)) == []


def test_a_path_that_does_not_exist_is_found(tmp_path: Path) -> None:
    """What looks like a path is taken for one, whole or in part; commands, names and calls are not."""
    page = tmp_path / "page.md"
    page.write_text("`runner/worker.py`, `suite/nothing/`, `gone.py`, `a/b`, `make test`, `App`, `f()`, `--jobs`\n")
    assert sorted(path for path in cited_paths(page) if not exists(path)) == ["a/b", "gone.py", "suite/nothing/"]


def test_the_index_has_every_decision() -> None:
    """The index has a row for each decision, with its title and its date, and the site lists them in the same order."""
    rows = re.findall(r"^\| \[(.+)\]\((.+)\) \| (.+) \|$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for _, name, _ in rows) == [path.name for path in DECISIONS]
    for title, name, date in rows:
        text = (INDEX.parent / name).read_text(encoding="utf-8")
        assert text.startswith(f"# {title}\n\nAccepted on {date}")
    order = yaml.safe_load((INDEX.parent / ".nav.yml").read_text(encoding="utf-8"))["nav"]
    assert order == ["index.md", *(name for _, name, _ in rows)]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_says_what_it_costs(page: Path) -> None:
    """A decision has its context, its consequences, and the alternatives that were rejected."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives that were rejected"]
