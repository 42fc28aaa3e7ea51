"""The places where the suite can accuse: each call of `Context.require`, for each requirement that it is given."""

import sys
from typing import Final

_PACKAGE: Final = "resultspec_conformance."
_NOT_PLACES: Final = frozenset({f"{_PACKAGE}testkit.context", f"{_PACKAGE}testkit.places"})
"""Modules by which an accusation passes, and where it does not begin."""


def accusing_place(requirement: str) -> str:
    """Return where the code stands that tests a requirement now, such as `suite.tasks.identifiers:146 ID-2`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"] in _NOT_PLACES:
        frame = frame.f_back
    return f"{frame.f_globals['__name__'].removeprefix(_PACKAGE)}:{frame.f_lineno} {requirement}"
