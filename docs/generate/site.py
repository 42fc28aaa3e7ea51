"""The site as a whole: which pages and files there are, and from what they are made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docs.generate import links, navigation, source_pages
from docs.generate.chapters import chapter
from docs.generate.page import Page
from docs.generate.reference import capabilities, celery_backends, command, specification_data
from docs.generate.reference.glossary import glossary
from docs.generate.requirements import lists
from docs.generate.requirements.evidence import evidence
from docs.generate.requirements.mentions import mentions
from docs.generate.requirements.requirement_page import requirement_page
from docs.generate.scrolling_diagrams import scrolling
from docs.generate.site_addresses import places
from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.cli.app import app
from resultspec_conformance.suite import all_checks

SPECIFICATION = "specification"
PROJECT = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
"""Pages that are written for the repository and shown on the site too."""

SENTENCES = "assets/requirements.json"
"""The sentences by their ids, for the search of ids in the browser."""

_NOT_SHOWN = frozenset({"generate", "theme", "node_modules", "__pycache__", "package.json", "package-lock.json"})
"""What is in `docs/` and makes the site, by the names of folders and files; so is every Python module there."""


@dataclass(frozen=True)
class Site:
    """The source of the site: its pages, other texts that are made, and the files that are copied, by their paths."""

    pages: tuple[Page, ...]
    texts: Mapping[str, str]
    files: Mapping[str, Path]


def site(root: Path) -> Site:
    """Return the site of a checkout. Raises DeadLinkError if a page links to what does not exist."""
    authored, files = _authored(root / "docs")
    chapters = {Path(page.path).stem: page for page in _chapters(root)}
    project = [_copied(root, origin, path) for origin, path in PROJECT.items()]
    by_hand = [*authored, *chapters.values(), *project]
    files |= _data(root)
    generated = [*_requirements(root, by_hand, chapters), *_reference(root)]
    found_at = places(by_hand, generated, files)
    shown = [source_pages.source_page(root, target) for target in sorted(_unplaced(root, by_hand, found_at))]
    found_at |= {source_pages.target_of(page): page.path for page in shown}
    pages = [*(_on_site(page, found_at) for page in by_hand), *generated, *shown]
    texts = navigation.order({page.path for page in pages}, REQUIREMENTS, chapters, list(PROJECT.values()))
    texts[SENTENCES] = json.dumps({identifier: one.statement for identifier, one in REQUIREMENTS.items()})
    return Site(tuple(pages), texts, files)


def _authored(docs: Path) -> tuple[list[Page], dict[str, Path]]:
    """Return the pages written for the site, and the other files beside them. A README is the index of its folder."""
    pages, files = [], {}
    for path in sorted(docs.rglob("*")):
        name = path.relative_to(docs)
        if not path.is_file() or _NOT_SHOWN & set(name.parts) or path.suffix == ".py":
            continue
        if path.suffix == ".md":
            target = name.with_name("index.md") if name.name == "README.md" else name
            pages.append(Page(target.as_posix(), path.read_text(encoding="utf-8"), f"docs/{name.as_posix()}"))
        else:
            files[name.as_posix()] = path
    return pages, files


def _chapters(root: Path) -> Iterator[Page]:
    for path in sorted((root / "spec").glob("*.md"), key=_reading_order):
        name = "index.md" if path.name == "README.md" else path.name
        yield _copied(root, f"spec/{path.name}", f"{SPECIFICATION}/{name}")
    yield _copied(root, "spec/resultspec/vectors/README.md", f"{SPECIFICATION}/vectors.md")


def _reading_order(path: Path) -> tuple[int, int, str]:
    """Order the introduction, the numbered chapters, and what follows them."""
    number = path.name.partition("-")[0]
    return (path.name != "README.md", int(number) if number.isdigit() else 1000, path.name)


def _copied(root: Path, origin: str, path: str) -> Page:
    return Page(path, (root / origin).read_text(encoding="utf-8"), origin)


def _data(root: Path) -> dict[str, Path]:
    """Return the data files of the specification, as they are."""
    data = root / "spec" / "resultspec"
    found = [path for kind in ("json", "toml") for path in sorted(data.rglob(f"*.{kind}"))]
    return {f"{specification_data.FOLDER}/{path.relative_to(data).as_posix()}": path for path in found}


def _requirements(root: Path, by_hand: list[Page], chapters: Mapping[str, Page]) -> Iterator[Page]:
    words = glossary(root / "spec")
    mentioned = mentions(by_hand, REQUIREMENTS.keys())
    yield lists.by_chapter(REQUIREMENTS, chapters, words)
    yield lists.by_class(REQUIREMENTS, words)
    yield lists.matrix((root / "conformance" / "traceability.md").read_text(encoding="utf-8"), REQUIREMENTS)
    for identifier, known in evidence(REQUIREMENTS, all_checks(), CATALOGUE).items():
        yield requirement_page(known, REQUIREMENTS, chapters, words, mentioned.get(identifier, []))


def _reference(root: Path) -> Iterator[Page]:
    spec = root / "spec" / "resultspec"
    schemas = {path.stem: path.read_text(encoding="utf-8") for path in sorted((spec / "schemas").glob("*.json"))}
    yield command.command_reference(app)
    claimed = json.loads(schemas["capabilities"])
    yield capabilities.capability_reference(claimed, REQUIREMENTS, glossary(root / "spec"))
    found = celery_backends.findings(root / celery_backends.DATA)
    yield celery_backends.celery_backends(found, REQUIREMENTS, glossary(root / "spec"))
    yield from specification_data.schema_pages(schemas)
    yield specification_data.operations_page(json.loads((spec / "operations.json").read_text(encoding="utf-8")))
    vectors = spec / "vectors"
    named = [(path.relative_to(vectors).as_posix(), path) for path in sorted(vectors.rglob("*.json"))]
    loaded = [(name, json.loads(path.read_text(encoding="utf-8"))) for name, path in named]
    yield specification_data.vectors_page(loaded, REQUIREMENTS)


def _unplaced(root: Path, by_hand: list[Page], found_at: Mapping[str, str]) -> set[str]:
    """Return what pages link to that has no place on the site, and exists."""
    wanted = {target for page in by_hand for target in links.targets(page.origin, page.text)}
    return {target for target in wanted - found_at.keys() if (root / target).exists()}


def _on_site(page: Page, found_at: Mapping[str, str]) -> Page:
    text = links.to_site(page.path, page.origin, page.text, found_at)
    if page.path.startswith(f"{SPECIFICATION}/"):
        text = chapter(page.path, text, REQUIREMENTS)
    return Page(page.path, scrolling(links.with_ids(page.path, text, REQUIREMENTS.keys())), page.origin)
