"""Links: from places in the repository to places on the site, and from the ids of requirements to their pages."""

import posixpath
import re
from collections.abc import Collection, Mapping

from docs.generate import markdown

REQUIREMENTS_FOLDER = "requirements"

ID = r"(?<![\w/-])[A-Z]{2,}-[0-9]+(?![\w-])"
"""What looks like the id of a requirement."""

_EXTERNAL = re.compile(r"^[a-z][a-z0-9+.-]*:")
_CODE = r"`+[^`\n]*`+"
_LINK_OR_CODE = re.compile(rf"{_CODE}|\]\((?P<target>[^)\s]+)\)")
_ID_OR_OTHER = re.compile(rf"{_CODE}|\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|<[^>]*>|(?P<id>{ID})")


class DeadLinkError(Exception):
    """A page links to something that does not exist in the repository."""


def relative(page: str, target: str) -> str:
    """Return the link from one page to another, both as paths in the source of the site."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def requirement_page(identifier: str) -> str:
    """Return the path of the page of a requirement."""
    return f"{REQUIREMENTS_FOLDER}/{identifier}.md"


def targets(origin: str, text: str) -> set[str]:
    """Return the paths in the repository to which the prose of a file links."""
    found: set[str] = set()

    def note(match: re.Match[str]) -> str:
        if not _stays(match["target"]):
            found.add(_resolved(origin, match["target"])[0])
        return match[0]

    markdown.change_prose(text, lambda line: _LINK_OR_CODE.sub(note, line))
    return found


def to_site(page: str, origin: str, text: str, pages: Mapping[str, str]) -> str:
    """Return a text whose relative links lead to the pages of the site.

    `pages` maps paths in the repository to paths on the site. Raises DeadLinkError for a link to anything else.
    """

    def change(match: re.Match[str]) -> str:
        if _stays(match["target"]):
            return match[0]
        path, fragment = _resolved(origin, match["target"])
        if path not in pages:
            raise DeadLinkError(f"{origin} links to {match['target']}, which does not exist")
        return f"]({relative(page, pages[path])}{fragment})"

    return markdown.change_prose(text, lambda line: _LINK_OR_CODE.sub(change, line))


def with_ids(page: str, text: str, ids: Collection[str]) -> str:
    """Return a text in which every mention of a requirement outside of headings, code and links is a link."""

    def change(match: re.Match[str]) -> str:
        identifier = match["id"]
        if identifier not in ids or requirement_page(identifier) == page:
            return match[0]
        return f"[{identifier}]({relative(page, requirement_page(identifier))})"

    def line(text: str) -> str:
        return text if markdown.heading(text) else _ID_OR_OTHER.sub(change, text)

    return markdown.change_prose(text, line)


def _stays(target: str | None) -> bool:
    """Whether a target is none, is on the page itself, or is somewhere else in the world."""
    return not target or target.startswith("#") or bool(_EXTERNAL.match(target))


def _resolved(origin: str, target: str) -> tuple[str, str]:
    path, mark, fragment = target.partition("#")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path)), mark + fragment
