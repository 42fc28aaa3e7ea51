"""Where the data files of the specification are."""

from importlib.resources import files
from importlib.resources.abc import Traversable

DATA: Traversable = files("resultspec")


def text(*path: str) -> str:
    """Return the text of a data file of the specification, by its path below the package."""
    return DATA.joinpath(*path).read_text(encoding="utf-8")
