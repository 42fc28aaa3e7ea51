"""The lists of the requirements: by chapter, by class, and the matrix of checks and broken backends."""

from collections.abc import Iterable, Iterator, Mapping

from docs.generate import links, markdown
from docs.generate.page import Page, front_matter
from docs.generate.reference.glossary import Glossary
from resultspec import Requirement
from resultspec.requirements import CLASSES, SEVERITIES

FOLDER = links.REQUIREMENTS_FOLDER
BY_CHAPTER = f"{FOLDER}/index.md"
BY_CLASS = f"{FOLDER}/by-class.md"
MATRIX = f"{FOLDER}/traceability.md"

_HEAD = ["| id | level | class | severity | sentence |", "|---|---|---|---|---|"]


def by_chapter(requirements: Mapping[str, Requirement], chapters: Mapping[str, Page], glossary: Glossary) -> Page:
    """Return the page that lists all requirements in the order of the chapters."""
    musts = sum(one.level == "MUST" for one in requirements.values())
    text = [
        front_matter({"title": "All requirements", "hide": ["toc"]}) + "# All requirements",
        "",
        f"The {len(requirements)} normative sentences of the specification, {musts} of them of the level MUST.",
        "Each links to a page with its intent, the checks that test it and the broken backends that prove the checks.",
        "They are also listed [by conformance class](by-class.md), "
        "and as [a matrix of checks and broken backends](traceability.md).",
        "",
        '<div id="requirement-filter" data-severities="' + " ".join(SEVERITIES) + '"></div>',
    ]
    for name, page in chapters.items():
        stated = [one for one in requirements.values() if one.chapter == name]
        if stated:
            title = markdown.title(page.text)
            chapter = links.relative(BY_CHAPTER, page.path)
            text += ["", '<section class="requirements" markdown>', "", f"## {title}", ""]
            text += [f"[Read the chapter]({chapter})", "", *_table(stated), "", "</section>"]
    severities = (f"| `{name}` | {glossary.severities[name]} |" for name in SEVERITIES)
    text += ["", "## Severities", "", "| severity | what happens when it is broken |", "|---|---|", *severities]
    return Page(BY_CHAPTER, "\n".join(text) + "\n")


def by_class(requirements: Mapping[str, Requirement], glossary: Glossary) -> Page:
    """Return the page that lists all requirements by their conformance class."""
    text = [
        front_matter({"title": "By conformance class", "hide": ["toc"]}) + "# Requirements by conformance class",
        "",
        "A class is claimed as a whole: each of its mandatory requirements has to hold.",
        "",
        "| class | what it promises | requirements | MUST |",
        "|---|---|---|---|",
    ]
    members = {name: [one for one in requirements.values() if one.conformance_class == name] for name in CLASSES}
    for name, found in members.items():
        musts = sum(one.level == "MUST" for one in found)
        text.append(f"| [`{name}`](#{name}) | {glossary.classes[name]} | {len(found)} | {musts} |")
    for name, found in members.items():
        text += ["", '<section class="requirements" markdown>', "", f"## {name}", ""]
        text += [_sentence(glossary.classes[name]), "", *_table(found), "", "</section>"]
    return Page(BY_CLASS, "\n".join(text) + "\n")


def matrix(text: str, requirements: Mapping[str, Requirement]) -> Page:
    """Return the page of the matrix of checks and broken backends, given as the repository has it."""
    head = front_matter({"title": "Matrix of checks and broken backends", "hide": ["toc"], "search": {"boost": 0.1}})
    return Page(MATRIX, head + links.with_ids(MATRIX, text, requirements.keys()))


def _table(requirements: Iterable[Requirement]) -> Iterator[str]:
    yield from _HEAD
    for one in requirements:
        level = f"{one.level}, provisional" if one.provisional else one.level
        link = f"[{one.id}]({one.id}.md)"
        sentence = markdown.cell(one.statement)
        yield f"| {link} | {level} | {one.conformance_class} | {one.severity} | {sentence} |"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
