"""The Jinja2 environment of the templates."""

from collections.abc import Collection
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from docs.generate import links


@cache
def environment() -> Environment:
    """Return an environment in which an unknown name is an error. Markdown is not escaped."""
    made = Environment(
        loader=PackageLoader("docs.generate.requirements", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["ids"] = _with_ids
    return made


def _with_ids(text: str, path: str, ids: Collection[str]) -> str:
    """Return text of the page at a path, with links to the requirements that it mentions."""
    return links.with_ids(path, text, ids).strip()
