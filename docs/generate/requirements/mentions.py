"""Where the pages written by hand mention a requirement."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from docs.generate import links, markdown
from docs.generate.page import Page
from resultspec.lint.markdown import SENTENCE, anchor

_ID = re.compile(links.ID)


@dataclass(frozen=True, slots=True)
class Mention:
    """A section of a page in which a requirement is mentioned; the fragment is empty for what precedes all sections."""

    page: str
    title: str
    fragment: str


def mentions(pages: Iterable[Page], ids: Collection[str]) -> dict[str, list[Mention]]:
    """Return the sections that mention each id, without the sentence that states it, and each section once."""
    found: defaultdict[str, dict[Mention, None]] = defaultdict(dict)
    for page in pages:
        title = markdown.title(page.text)
        section = Mention(page.path, title, "")
        for line, is_code in markdown.lines(page.text):
            if is_code:
                continue
            heading = markdown.heading(line)
            if heading and heading != title:
                section = Mention(page.path, f"{title}: {heading}", anchor(heading))
            for match in _ID.finditer(SENTENCE.sub(r"\2", line)):
                if match[0] in ids:
                    found[match[0]][section] = None
    return {identifier: list(sections) for identifier, sections in found.items()}
