"""Check the links of the built site: `python -m docs.check_links FOLDER`.

MkDocs checks the links of the Markdown. This checks what a browser gets: every `href` and `src` of every page leads
to a file of the site and to an anchor that exists on it, and no page loads anything from another host.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADING = frozenset({"script", "img", "iframe", "source", "video", "audio", "link"})
_NO_TARGET = frozenset({"canonical", "preconnect", "dns-prefetch"})


@dataclass
class _Html(HTMLParser):
    """The anchors of a page, and its links with the name of their element."""

    anchors: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is called and where it leads."""
        given = dict(attrs)
        self.anchors.update(filter(None, [given.get("id"), given.get("name") if tag == "a" else None]))
        if given.get("rel") in _NO_TARGET:
            return
        self.links += [(tag, value) for name in ("href", "src") if (value := given.get(name)) is not None]


@dataclass(frozen=True)
class Findings:
    """What was found: how many pages and links there are, and the dead links as lines of text."""

    pages: int
    links: int
    dead: tuple[str, ...]


def check(site: Path) -> Findings:
    """Return what is wrong with the links of a built site."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    dead = [
        f"{page.relative_to(site)}: {link}: {wrong}"
        for page, html in pages.items()
        for tag, link in html.links
        if (wrong := _wrong(site, page, tag, link, pages))
    ]
    return Findings(len(pages), sum(len(html.links) for html in pages.values()), tuple(dict.fromkeys(dead)))


def _read(path: Path) -> _Html:
    html = _Html()
    html.feed(path.read_text(encoding="utf-8"))
    return html


def _wrong(site: Path, page: Path, tag: str, link: str, pages: dict[Path, _Html]) -> str:
    """Return what is wrong with a link, or the empty text."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return "is loaded from another host" if tag in _LOADING and parts.scheme != "data" else ""
    path = unquote(parts.path)
    base = site if path.startswith("/") else page.parent
    target = (base / path.lstrip("/")).resolve() if path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "leads to no file"
    fragment = unquote(parts.fragment)
    if fragment and target in pages and fragment not in pages[target].anchors:
        return "leads to no anchor"
    return ""


def _said(findings: Findings) -> Iterator[str]:
    yield from findings.dead
    yield f"{findings.pages} pages, {findings.links} links, {len(findings.dead)} dead"


def main(arguments: list[str]) -> int:
    """Print the dead links. Returns the exit code: 0 if there are none, 1 if there are, 2 if there is no site."""
    site = Path(arguments[0]).resolve() if len(arguments) == 1 else None
    if site is None or not (site / "index.html").is_file():
        print("usage: python -m docs.check_links FOLDER, which holds a built site", file=sys.stderr)
        return 2
    findings = check(site)
    print("\n".join(_said(findings)))
    return 1 if findings.dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
