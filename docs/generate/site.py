"""The site as a whole: which pages there are, and where each file of the repository is found on it."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docs.generate import (
    capability_reference,
    command_reference,
    data_reference,
    links,
    navigation,
    requirement_lists,
    source_pages,
)
from docs.generate.chapters import chapter
from docs.generate.diagrams import scrolling
from docs.generate.evidence import evidence
from docs.generate.mentions import mentions
from docs.generate.page import Page
from docs.generate.requirement_page import requirement_page
from docs.generate.specification import glossary
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
"""What is in ``docs/`` and makes the site, by the names of folders and files; so is every Python module there."""


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
    places = _places(by_hand, generated, files)
    shown = [source_pages.source_page(root, target) for target in sorted(_unplaced(root, by_hand, places))]
    places |= {_target_of(page): page.path for page in shown}
    pages = [*(_on_site(page, places) for page in by_hand), *generated, *shown]
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
    return {f"{data_reference.DATA}/{path.relative_to(data).as_posix()}": path for path in found}


def _requirements(root: Path, by_hand: list[Page], chapters: Mapping[str, Page]) -> Iterator[Page]:
    words = glossary(root / "spec")
    mentioned = mentions(by_hand, REQUIREMENTS.keys())
    yield requirement_lists.by_chapter(REQUIREMENTS, chapters, words)
    yield requirement_lists.by_class(REQUIREMENTS, words)
    yield requirement_lists.matrix((root / "conformance" / "traceability.md").read_text(encoding="utf-8"), REQUIREMENTS)
    for identifier, known in evidence(REQUIREMENTS, all_checks(), CATALOGUE).items():
        yield requirement_page(known, REQUIREMENTS, chapters, words, mentioned.get(identifier, []))


def _reference(root: Path) -> Iterator[Page]:
    data = root / "spec" / "resultspec"
    schemas = {path.stem: path.read_text(encoding="utf-8") for path in sorted((data / "schemas").glob("*.json"))}
    yield command_reference.command_reference(app)
    capabilities = json.loads(schemas["capabilities"])
    yield capability_reference.capability_reference(capabilities, REQUIREMENTS, glossary(root / "spec"))
    yield from data_reference.schema_pages(schemas)
    yield data_reference.operations_page(json.loads((data / "operations.json").read_text(encoding="utf-8")))
    vectors = data / "vectors"
    named = [(path.relative_to(vectors).as_posix(), path) for path in sorted(vectors.rglob("*.json"))]
    loaded = [(name, json.loads(path.read_text(encoding="utf-8"))) for name, path in named]
    yield data_reference.vectors_page(loaded, REQUIREMENTS)


def _places(by_hand: list[Page], generated: list[Page], files: Mapping[str, Path]) -> dict[str, str]:
    """Return for paths in the repository the paths on the site. A page that is made has its place below ``docs/``."""
    places = {f"docs/{path}": path for path in files}
    places |= {f"spec/resultspec/{path.removeprefix('data/')}": path for path in files if path.startswith("data/")}
    places |= {f"docs/{page.path}": page.path for page in generated}
    places |= {page.origin: page.path for page in by_hand}
    schemas = f"{data_reference.SCHEMAS}/"
    places |= {
        f"spec/resultspec/schemas/{Path(page.path).stem}.json": page.path
        for page in generated
        if page.path.startswith(schemas) and not page.path.endswith("index.md")
    }
    places |= {posixpath.dirname(one): path for one, path in places.items() if posixpath.basename(path) == "index.md"}
    return places | {
        "README.md": "index.md",
        "conformance/traceability.md": requirement_lists.MATRIX,
        "spec/resultspec/vectors": data_reference.VECTORS,
    }


def _unplaced(root: Path, by_hand: list[Page], places: Mapping[str, str]) -> set[str]:
    """Return what pages link to that has no place on the site, and exists."""
    wanted = {target for page in by_hand for target in links.targets(page.origin, page.text)}
    return {target for target in wanted - places.keys() if (root / target).exists()}


def _target_of(page: Page) -> str:
    return page.path.removeprefix(f"{source_pages.FOLDER}/").removesuffix(".md")


def _on_site(page: Page, places: Mapping[str, str]) -> Page:
    text = links.to_site(page.path, page.origin, page.text, places)
    if page.path.startswith(f"{SPECIFICATION}/"):
        text = chapter(page.path, text, REQUIREMENTS)
    return Page(page.path, scrolling(links.with_ids(page.path, text, REQUIREMENTS.keys())), page.origin)
