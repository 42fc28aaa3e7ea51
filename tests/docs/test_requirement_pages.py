"""Every requirement has a page, with all that is known about it."""

import re

import pytest
from docs.generate.page import Page
from docs.generate.requirements.evidence import Evidence, evidence, source

from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.suite import all_checks

LINK = re.compile(r"\[([A-Z]+-[0-9]+)\]\(\1\.md\)")
KNOWN = evidence(REQUIREMENTS, all_checks(), CATALOGUE)


def page_of(pages: dict[str, Page], identifier: str) -> str:
    """Return the Markdown of the page of a requirement."""
    return pages[f"requirements/{identifier}.md"].text


def plain(text: str) -> str:
    """Return text without the links to requirements, which a sentence of the register does not have."""
    return LINK.sub(r"\1", text)


def test_every_requirement_has_a_page_and_nothing_else_has(pages: dict[str, Page]) -> None:
    """The pages of the folder are those of the register, and the three lists."""
    found = {path for path in pages if path.startswith("requirements/")}
    lists = {"requirements/index.md", "requirements/by-class.md", "requirements/traceability.md"}
    assert found == lists | {f"requirements/{identifier}.md" for identifier in REQUIREMENTS}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_page_of_a_requirement_has_its_facts(pages: dict[str, Page], known: Evidence) -> None:
    """The sentence, the intent, the level, the class, the severity and the source are on the page."""
    requirement = known.requirement
    text = plain(page_of(pages, requirement.id))
    assert f"\n# {requirement.id}\n\n" in text
    for fact in (requirement.statement, f"*Intent:* {requirement.intent}", f"| source | {requirement.source} |"):
        assert f"{fact}\n" in text
    for fact in (f"| level | **{requirement.level}**", f"[`{requirement.conformance_class}`]", requirement.severity):
        assert fact in text
    assert (f"capabilities.md#{requirement.applies})" in text) == bool(requirement.applies)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_page_of_a_requirement_has_its_checks_and_broken_backends(pages: dict[str, Page], known: Evidence) -> None:
    """Each check that cites it and each backend that breaks it has a section, and no other has one."""
    text = page_of(pages, known.requirement.id)
    sections = [line.strip("#` ") for line in text.splitlines() if line.startswith("### ")]
    assert sections == [one.name for one in known.checks] + [one.name for one in known.broken]
    checks, broken = [source(one.function) for one in known.checks], [source(one.backend) for one in known.broken]
    for where in [*checks, *broken]:
        assert f"Source: {where.path}, line {where.line}<" in text
        assert where.text.rstrip() in text
    for specimen in known.broken:
        assert plain(specimen.description) in plain(text)


def test_the_evidence_is_that_of_the_matrix(pages: dict[str, Page]) -> None:
    """The pages and the matrix of the self-test join the same checks and backends to a requirement."""
    rows = [line for line in plain(pages["requirements/traceability.md"].text).splitlines() if line.startswith("| ")]
    cells = {row.split(" | ")[0].strip("| ").partition(" ")[0]: row.strip("| ").split(" | ")[1:] for row in rows}
    for identifier, known in KNOWN.items():
        checks = ", ".join(check.name for check in known.checks)
        broken = ", ".join(sorted(one.name for one in known.broken))
        assert " | ".join(cells[identifier]).strip(" |") == " | ".join([checks, broken]).strip(" |")


def test_what_a_requirement_entails_is_linked_from_both_sides(pages: dict[str, Page]) -> None:
    """A page links to the requirements that break with its own, and to those that its own breaks with."""
    pairs = [(one.id, other) for one in REQUIREMENTS.values() for other in one.entails]
    assert pairs
    for one, other in pairs:
        assert f"- [{other}]({other}.md) {REQUIREMENTS[other].statement}" in page_of(pages, one)
        assert f"- [{one}]({one}.md) {REQUIREMENTS[one].statement}" in page_of(pages, other)


def test_the_chapter_and_the_page_lead_to_each_other(pages: dict[str, Page]) -> None:
    """A sentence has its id as anchor, the page of the requirement leads there, and the sentence leads to the page."""
    for requirement in REQUIREMENTS.values():
        chapter = pages[f"specification/{requirement.chapter}.md"].text
        assert chapter.count(f'id="{requirement.id}"') == 1
        assert f"[**{requirement.id}**](../requirements/{requirement.id}.md) " in chapter
        assert f"../specification/{requirement.chapter}.md#{requirement.id})" in page_of(pages, requirement.id)


@pytest.mark.parametrize("path", ["requirements/index.md", "requirements/by-class.md"])
def test_the_lists_have_every_requirement_once(pages: dict[str, Page], path: str) -> None:
    """Each requirement is one row, so it is two clicks from every page."""
    text = pages[path].text
    assert [identifier for identifier in REQUIREMENTS if text.count(f"| [{identifier}]({identifier}.md) |") != 1] == []
