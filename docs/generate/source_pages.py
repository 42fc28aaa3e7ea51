"""Pages for the files and folders of the repository to which other pages link."""

from collections.abc import Iterator
from pathlib import Path

from docs.generate import markdown
from docs.generate.page import Page, front_matter

FOLDER = "source"

_LANGUAGES = {
    ".py": "python", ".mjs": "javascript", ".js": "javascript", ".json": "json", ".toml": "toml", ".yml": "yaml",
    ".yaml": "yaml", ".sh": "sh", ".sql": "sql", ".xml": "xml", ".md": "markdown",
}  # fmt: skip
_NOT_OURS = frozenset({"__pycache__", "node_modules"})


def path_of(target: str) -> str:
    """Return the path on the site of the page for a path in the repository."""
    return f"{FOLDER}/{target}.md"


def target_of(page: Page) -> str:
    """Return the path in the repository of what a page shows."""
    return page.path.removeprefix(f"{FOLDER}/").removesuffix(".md")


def source_page(root: Path, target: str) -> Page:
    """Return the page that shows a file, or lists the files of a folder. Raises OSError if there is neither."""
    here = root / target
    head = front_matter({"title": here.name, "hide": ["toc"], "search": {"exclude": True}}) + f"# `{target}`\n\n"
    if here.is_dir():
        files = "\n".join(f"- `{name}`" for name in _files(here))
        return Page(path_of(target), f"{head}The files of this folder of the repository:\n\n{files}\n")
    code = markdown.fenced(here.read_text(encoding="utf-8"), _LANGUAGES.get(here.suffix, "text"), 'linenums="1"')
    return Page(path_of(target), f"{head}{code}\n")


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part in _NOT_OURS or part.startswith(".") for part in name.parts):
            yield name.as_posix()
