"""A replay token is packed, so that a page which shows an old one looks as good as before."""

import re
import subprocess
from pathlib import Path

import pytest
from docs.generate.repository import ROOT

from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.replay_token import decode_token

SHOWN = re.compile(r"resultspec replay (eN\w[\w-]+)")


def _pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in map(ROOT.joinpath, listed.splitlines()) if SHOWN.search(path.read_text(encoding="utf-8"))]


PAGES = _pages()


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_each_token_is_of_a_check_that_exists(page: Path) -> None:
    """A reader who copies the line sees the failure again."""
    names = set(all_checks())
    for token in SHOWN.findall(page.read_text(encoding="utf-8")):
        assert decode_token(token).check in names


def test_there_are_tokens() -> None:
    """The README and a tutorial show one, at least."""
    assert {"README.md", "backend-in-an-hour.md"} <= {path.name for path in PAGES}
