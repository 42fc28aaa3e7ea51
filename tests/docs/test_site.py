"""The site as a whole: what is on it, and the pages that are made from data."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from docs.generate import chapters, scrolling_diagrams
from docs.generate.__main__ import main
from docs.generate.markdown import title
from docs.generate.page import Page
from docs.generate.reference import command
from docs.generate.reference.capabilities import PATH as CAPABILITIES
from docs.generate.repository import ROOT
from docs.generate.site import SENTENCES, Site

from resultspec import REQUIREMENTS
from resultspec import schemas as spec_schemas
from resultspec_conformance.cli.app import app


def test_every_chapter_is_a_page_with_its_prose(pages: dict[str, Page]) -> None:
    """Each file of the specification is there, with its title."""
    for path in (ROOT / "spec").glob("*.md"):
        name = "index.md" if path.name == "README.md" else path.name
        text = path.read_text(encoding="utf-8")
        assert title(pages[f"specification/{name}"].text) == title(text)


def test_every_page_written_for_the_site_is_on_it(pages: dict[str, Page]) -> None:
    """A page that lands in docs/ needs no entry anywhere."""
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    own = {path for path in written if not {"node_modules", "templates"} & set(path.parts)}
    assert own
    for path in own:
        name = path.with_name("index.md") if path.name == "README.md" else path
        assert name.as_posix() in pages


def test_no_page_is_made_twice(made: Site) -> None:
    """Two pages with one path would overwrite each other."""
    counted = Counter([*(page.path for page in made.pages), *made.texts, *made.files])
    assert [path for path, count in counted.items() if count > 1] == []


def test_every_requirement_is_in_the_navigation(made: Site) -> None:
    """Below the section of its chapter, in the order of the register."""
    entries = yaml.safe_load(made.texts["requirements/.nav.yml"])["nav"]
    listed = [page for entry in entries if isinstance(entry, dict) for pages in entry.values() for page in pages]
    assert listed == [f"{identifier}.md" for identifier in REQUIREMENTS]


def test_the_search_knows_every_sentence(made: Site) -> None:
    """The browser asks for them when an id is searched."""
    assert json.loads(made.texts[SENTENCES]) == {one.id: one.statement for one in REQUIREMENTS.values()}


def test_every_subcommand_has_its_help_and_exit_codes(pages: dict[str, Page]) -> None:
    """The reference has a section for each, with all codes that the help lists."""
    text = pages[command.PATH].text
    names = command.subcommands(app)
    assert {"check", "replay", "selftest", "explain", "requirements", "validate", "targets"} <= set(names)
    for name in names:
        section = text.partition(f"\n## resultspec {name}\n")[2].partition("\n## ")[0]
        assert f"Usage: resultspec {name} " in section
        assert section.count("\n| 0 |") == ("Exit codes:" in section)
    assert "| 4 | inconclusive |" in text


def test_exit_codes_are_read_from_help() -> None:
    """Over the ends of lines, with commas in their meanings."""
    text = "Judge.\n\n  Exit codes: 0 all is well, or so, 1 not\n  well, 130 stopped.\n\nOptions:\n"
    assert command.exit_codes(text) == {0: "all is well, or so", 1: "not well", 130: "stopped"}
    assert command.exit_codes("Judge.\n") == {}


def test_every_member_and_feature_of_the_capabilities_is_documented(pages: dict[str, Page]) -> None:
    """Members are rows; what a requirement can ask for is a section that a page of a requirement leads to."""
    text = pages[CAPABILITIES].text
    properties = spec_schemas.schema("capabilities")["properties"]
    assert [name for name in properties if f"\n| `{name}` | " not in text] == []
    features = properties["features"]["items"]["enum"]
    asked = {one.applies for one in REQUIREMENTS.values() if one.applies}
    assert [name for name in {*features, *asked} if f"\n### {name}\n" not in text] == []


def test_every_schema_has_a_page(pages: dict[str, Page]) -> None:
    """With the schema itself."""
    for name in spec_schemas.names():
        assert f'"$id": "urn:resultspec:schema:{name}"' in pages[f"reference/schemas/{name}.md"].text


def test_an_example_shows_which_schema_it_follows() -> None:
    """Markdown of GitHub does not mind a second word behind json; that of the site has it as a title."""
    text = chapters.chapter("specification/a.md", "```json meta\n{}\n```\n\n```json any\n{}\n```\n", {})
    assert text == '```json title="schema: meta"\n{}\n```\n\n```json\n{}\n```\n'


def test_a_diagram_can_scroll() -> None:
    """Other code is left alone."""
    text = scrolling_diagrams.scrolling("a\n\n```mermaid\nflowchart\n```\n\n```sh\nb\n```\n")
    expected = '<div class="diagram" markdown>\n\n```mermaid\nflowchart\n```\n\n</div>'
    assert text == f"a\n\n{expected}\n\n```sh\nb\n```\n"


def test_the_source_of_the_site_replaces_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that is gone does not stay."""
    stale = tmp_path / "requirements" / "GONE-1.md"
    stale.parent.mkdir()
    stale.write_text("# Gone\n", encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    assert not stale.exists()
    assert (tmp_path / "requirements" / "STATE-3.md").is_file()
    assert "pages" in capsys.readouterr().out


def test_the_folder_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without it nothing is written."""
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
