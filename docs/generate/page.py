"""A page of the site before it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path in the source of the site, and its Markdown.

    `origin` is the path in the repository of the file whose text it is, empty for a page that is made from data.
    The links of a page with an origin are relative to it, as a reader of the repository needs them.
    """

    path: str
    text: str
    origin: str = ""


def front_matter(values: Mapping[str, Any]) -> str:
    """Return the block of YAML with which a page begins."""
    return f"---\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1000)}---\n\n"
