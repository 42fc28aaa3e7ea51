"""The order of the pages in the navigation, as files `.nav.yml` of the plugin awesome-nav.

A page below `docs/` is found by its folder and its title. A folder of `docs/` that wants another order than that of
the names of its files has a `.nav.yml` of its own.
"""

from collections.abc import Collection, Mapping, Sequence

import yaml

from docs.generate import markdown
from docs.generate.page import Page
from resultspec import Requirement

FILE = ".nav.yml"
SECTIONS = {
    "Home": "index.md",
    "Tutorials": "tutorials",
    "How-to": "how-to",
    "Specification": "specification",
    "Requirements": "requirements",
    "Reference": "reference",
    "Architecture": "architecture.md",
    "Decisions": "decisions",
    "Project": "project",
}
"""The tabs of the site; one is left out as long as there is no page for it."""


def order(
    paths: Collection[str],
    requirements: Mapping[str, Requirement],
    chapters: Mapping[str, Page],
    project: Sequence[str],
) -> dict[str, str]:
    """Return the files for the pages with these paths. `chapters` has the chapters by name, in their order."""
    folders = {path.partition("/")[0] for path in paths}
    return {
        FILE: _listed([{title: place} for title, place in SECTIONS.items() if place in folders]),
        f"specification/{FILE}": _listed([_name(page.path) for page in chapters.values()]),
        f"requirements/{FILE}": _listed(_requirements(requirements, chapters)),
        f"reference/{FILE}": _listed(_reference(paths)),
        f"project/{FILE}": _listed([_name(path) for path in project]),
    }


def _requirements(requirements: Mapping[str, Requirement], chapters: Mapping[str, Page]) -> list[object]:
    """Return the lists, then one section for each chapter."""
    entries: list[object] = ["index.md", "by-class.md", "traceability.md"]
    for name, page in chapters.items():
        ids = [one.id for one in requirements.values() if one.chapter == name]
        if ids:
            entries.append({markdown.title(page.text): [f"{identifier}.md" for identifier in ids]})
    return entries


def _reference(paths: Collection[str]) -> list[object]:
    """Return what is read most often, then the rest of the folder."""
    first = [
        name
        for name in ("command.md", "api.md", "capabilities.md", "celery-backends.md")
        if f"reference/{name}" in paths
    ]
    return [*first, "operations.md", "vectors.md", {"Schemas": "schemas"}, "*"]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _listed(entries: list[object] | list[str] | list[dict[str, str]]) -> str:
    return yaml.safe_dump({"nav": entries}, sort_keys=False, allow_unicode=True)
