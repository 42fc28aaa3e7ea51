"""What the tutorials and how-tos have their readers do is done, and what they show is what happens."""

from pathlib import Path

import pytest
from docs.generate.repository import ROOT
from tests.docs.walkthrough import Command, steps_of, walk

PAGES = sorted(path for folder in ("tutorials", "how-to") for path in (ROOT / "docs" / folder).glob("*.md"))
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_a_page_says_what_happens(page: Path, tmp_path: Path) -> None:
    """Its files are written, its commands are run in an empty folder, and they print what the page shows."""
    walk(steps_of(page.read_text(encoding="utf-8")), tmp_path)


def test_the_tutorials_have_commands() -> None:
    """The test above is about something."""
    for page in PAGES:
        if page.parent.name == "tutorials":
            assert any(isinstance(step, Command) for step in steps_of(page.read_text(encoding="utf-8")))


def test_the_first_tutorial_ends_with_the_examples(tmp_path: Path) -> None:
    """What it builds step by step is what `examples/` has, file by file, besides Celery's own backends."""
    page = ROOT / "docs" / "tutorials" / "backend-in-an-hour.md"
    steps = [step for step in steps_of(page.read_text(encoding="utf-8")) if not isinstance(step, Command)]
    walk(steps, tmp_path)
    renamed = {"github-workflow.yml": ".github/workflows/conformance.yml"}
    for example in EXAMPLES.iterdir():
        if example.is_file() and example.suffix in (".py", ".yml") and example.name != "celery_factory.py":
            built = tmp_path / renamed.get(example.name, example.name)
            assert built.read_text(encoding="utf-8") == example.read_text(encoding="utf-8")
