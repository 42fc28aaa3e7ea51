"""Where each file and folder of the repository is found on the site."""

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path

from docs.generate.page import Page
from docs.generate.reference.specification_data import FOLDER, SCHEMAS, VECTORS
from docs.generate.requirements.lists import MATRIX

_DATA = "spec/resultspec"
_INDEX = "index.md"


def places(by_hand: Iterable[Page], generated: Iterable[Page], files: Mapping[str, Path]) -> dict[str, str]:
    """Return for paths in the repository the paths on the site.

    A page that is made from data has no file in the repository. It has a place below `docs/` all the same, so that a
    page written by hand can link to it.
    """
    made = [page.path for page in generated]
    found = {f"docs/{path}": path for path in [*files, *made]}
    found |= {f"{_DATA}/{path.removeprefix(f'{FOLDER}/')}": path for path in files if path.startswith(f"{FOLDER}/")}
    found |= {page.origin: page.path for page in by_hand}
    found |= {f"{_DATA}/schemas/{name}.json": path for path in made if (name := _schema(path))}
    found |= {posixpath.dirname(origin): path for origin, path in found.items() if posixpath.basename(path) == _INDEX}
    return found | {"README.md": _INDEX, "conformance/traceability.md": MATRIX, f"{_DATA}/vectors": VECTORS}


def _schema(path: str) -> str:
    """Return the name of the schema that a page shows, or the empty text for another page."""
    folder, _, name = path.rpartition("/")
    return name.removesuffix(".md") if folder == SCHEMAS and name != _INDEX else ""
