"""Links from the repository become links of the site, and ids of requirements become links."""

import pytest
from docs.generate.links import DeadLinkError, targets, to_site, with_ids
from docs.generate.page import Page
from docs.generate.requirements.mentions import Mention, mentions

IDS = {"STATE-3", "EXC-1"}
PLACES = {"spec/3-states.md": "specification/3-states.md", "examples/a.py": "source/examples/a.py.md"}


def on_site(text: str) -> str:
    """Return what a page below ``docs/how-to/`` becomes."""
    return to_site("how-to/x.md", "docs/how-to/x.md", text, PLACES)


def test_a_link_leads_to_where_its_target_is_on_the_site() -> None:
    """The fragment stays, and so does the text of the link."""
    text = "See [`a` b](../../spec/3-states.md#the-sets), and [c](../../examples/a.py).\n"
    expected = "See [`a` b](../specification/3-states.md#the-sets), and [c](../source/examples/a.py.md).\n"
    assert on_site(text) == expected


@pytest.mark.parametrize(
    "text", ["[a](#here)\n", "[a](https://example.org/x)\n", "`[a](b.md)`\n", "```\n[a](b.md)\n```\n"]
)
def test_other_links_and_code_stay(text: str) -> None:
    """Links within the page, to other hosts, and what only looks like a link."""
    assert on_site(text) == text


def test_a_dead_link_is_refused() -> None:
    """The error names the page and the link."""
    with pytest.raises(DeadLinkError, match=r"docs/how-to/x.md links to ../nowhere.md"):
        on_site("[a](../nowhere.md)\n")


def test_the_targets_of_a_page_are_paths_in_the_repository() -> None:
    """Without fragments, and without what leads elsewhere."""
    text = "[a](../b.md#c) [d](https://example.org) [e](#f) `[g](h)` [i](../../j/k.py)\n"
    assert targets("docs/how-to/x.md", text) == {"docs/b.md", "j/k.py"}


def test_an_id_becomes_a_link() -> None:
    """Wherever it stands in prose."""
    expected = "([STATE-3](../requirements/STATE-3.md)), [EXC-1](../requirements/EXC-1.md).\n"
    assert with_ids("specification/a.md", "(STATE-3), EXC-1.\n", IDS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "# About STATE-3\n",
        "`STATE-3`\n",
        "[STATE-3](x.md) [the `a` of STATE-3](x.md)\n",
        '<div id="STATE-3">\n',
        "```\nSTATE-3\n```\n",
        "---\ntitle: STATE-3\n---\nSTATE-31, XSTATE-3, UTF-8\n",
    ],
    ids=["heading", "code", "link", "element", "block", "other words"],
)
def test_an_id_elsewhere_stays(text: str) -> None:
    """In headings, code, links, elements and longer words nothing is changed."""
    assert with_ids("specification/a.md", text, IDS) == text


def test_a_page_does_not_link_to_itself() -> None:
    """The id on the page of its own requirement is text."""
    assert with_ids("requirements/EXC-1.md", "EXC-1\n", IDS) == "EXC-1\n"


def test_a_requirement_is_mentioned_in_sections() -> None:
    """Each section once; the sentence itself does not count, nor does code."""
    text = "# A\n\nSTATE-3\n\n**EXC-1** A sentence of STATE-3.\n\n## B c\n\nSTATE-3, STATE-3\n\n```\nEXC-1\n```\n"
    found = mentions([Page("a.md", text)], IDS)
    assert found == {"STATE-3": [Mention("a.md", "A", ""), Mention("a.md", "A: B c", "b-c")]}
