"""The checks, one module per chapter of the specification, in folders by what the chapters are about."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from resultspec_conformance.testkit.registry import Check, registered

__all__ = ["all_checks"]


@functools.cache
def _load() -> None:
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        importlib.import_module(module.name)


def all_checks() -> Mapping[str, Check]:
    """Return every check of the suite by its name, in the order of their names."""
    _load()
    return registered()
