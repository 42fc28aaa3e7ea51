"""The portable domains as data: valid, and the same as the prose says."""

import json
import re
from pathlib import Path

import pytest

from resultspec import DOMAINS
from resultspec._data import text
from resultspec.domains import ranges
from resultspec.schemas import complaint

SPEC = Path(__file__).parents[2] / "spec"


def test_the_data_follows_its_schema() -> None:
    """A port can read it as it is."""
    assert complaint(json.loads(text("domains.json")), "domains") is None


def test_the_appendix_says_the_same() -> None:
    """Whoever changes a number changes it in both places."""
    appendix = (SPEC / "appendix-choices.md").read_text(encoding="utf-8")
    assert f"1 to {DOMAINS.id_max_length} characters of `{ranges(DOMAINS.id_alphabet)}`" in appendix
    assert f"{DOMAINS.group_max_members:,} members" in appendix
    assert f"to a depth of {DOMAINS.group_max_depth} (GROUP-3)" in appendix
    assert f"The portable size is {DOMAINS.value_max_encoded_bytes // 1024} KiB" in appendix
    chapter = (SPEC / "5-values.md").read_text(encoding="utf-8")
    depth = re.search(r"nested to a depth of at most (\d+) lists and maps", chapter)
    assert depth is not None
    assert int(depth[1]) == DOMAINS.value_max_depth


@pytest.mark.parametrize(
    ("candidate", "portable"),
    [
        ("a", True),
        ("Az09-_.:~", True),
        ("x" * 155, True),
        ("", False),
        ("x" * 156, False),
        ("a b", False),
        ("é", False),
    ],
)
def test_an_id_is_portable_or_not(candidate: str, portable: bool) -> None:
    """Length and alphabet decide."""
    assert DOMAINS.has_id(candidate) is portable
