"""A short test module for the author of a backend: `test_conformance = conformance_tests(factory)`.

This module is imported with the package, and in every run of pytest where the package is installed,
so it imports as little as possible.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES
from resultspec_conformance.pytest_plugin.names import VERDICT

if TYPE_CHECKING:
    from resultspec_conformance.pytest_plugin.session import CheckSession


def _found_at(module: str) -> str | None:
    """Return the file that a fresh process would import for a name, given the same path as this one."""
    from importlib.machinery import PathFinder

    places: Sequence[str] | None = None
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return spec.origin if spec else None


def target_of(factory: Callable[..., Any]) -> str:
    """Return the `python:` target of a factory. Raises UsageError for one that another process cannot find by name."""
    from resultspec_conformance.subject.errors import UsageError

    qualname, module = getattr(factory, "__qualname__", ""), getattr(factory, "__module__", None)
    loaded = sys.modules.get(module or "")
    if not qualname or "<" in qualname or loaded is None:
        raise UsageError(
            f"{factory!r} cannot be imported by name: the suite calls the factory in another process.\n"
            "Define it with `def` at the top level of a module, or give a target such as 'python:pkg.module:factory'."
        )
    file = getattr(loaded, "__file__", None)
    origin = _found_at(loaded.__name__)
    if file is None or (origin is not None and Path(origin) == Path(file)):
        return f"python:{loaded.__name__}:{qualname}"
    return f"python:{file}:{qualname}"


class AuthorSuite:
    """The tests of one target: what was asked for, and the session, which opens the target when pytest collects."""

    def __init__(
        self,
        target: str | Callable[..., Any],
        claims: Mapping[str, Any],
        select: Sequence[str],
        deselect: Sequence[str],
        settings: Mapping[str, Any],
        known_failures: str | Path | None,
    ) -> None:
        self.target = target if isinstance(target, str) else target_of(target)
        self._claims = claims
        self._select, self._deselect = tuple(select), tuple(deselect)
        self._settings = settings
        self._known_failures = known_failures

    @cached_property
    def session(self) -> "CheckSession":
        """The open target. Raises SubjectError."""
        from resultspec_conformance.pytest_plugin.session import CheckSession
        from resultspec_conformance.runner.options import Options
        from resultspec_conformance.suite import all_checks
        from resultspec_conformance.verdict.known_failures import read
        from resultspec_conformance.verdict.selection import Selection

        known = read(Path(self._known_failures), all_checks()) if self._known_failures else ()
        options = Options(
            selection=Selection(patterns=self._select, deselected=self._deselect),
            known=known,
            claims=self._claims,
            sys_path=tuple(sys.path),
            **self._settings,
        )
        return CheckSession(self.target, options)

    def tests(self) -> dict[str, tuple[str, ...]]:
        """Return the marks of the tests by their names: the checks, and the verdict. Raises SubjectError."""
        return {name: self.session.marks(name) for name in [*self.session.names, VERDICT]}

    def close(self) -> None:
        """Stop the worker and the servers."""
        if "session" in self.__dict__:
            self.session.close()


def conformance_tests(
    target: str | Callable[..., Any],
    *,
    classes: Sequence[str] = (),
    choices: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    deselect: Sequence[str] = (),
    examples: int = EXAMPLES,
    seed: int = 0,
    call_timeout: float = CALL_SECONDS,
    known_failures: str | Path | None = None,
    baseline: str | None = None,
) -> Callable[..., None]:
    """Return a test function for pytest, with a test for each check and one for the verdict.

    `target` is a target as on the command line, or a factory, called as `factory(app, **options)`; it runs in its own
    process and so has to be at the top level of a module. `classes` and `choices` are claimed instead of the target's
    own. `select` and `deselect` have ids and names of checks, or globs of them; what is deselected is not judged.
    `call_timeout` is in seconds. `known_failures` is the file of that list, `baseline` a target or the file of a
    report whose failures are not counted. Raises UsageError for a factory that cannot be found by name.
    """
    claims: dict[str, Any] = {}
    if classes:
        claims["classes"] = list(classes)
    if choices:
        claims["choices"] = dict(choices)
    settings = {"examples": examples, "seed": seed, "call_timeout": call_timeout, "baseline": baseline or ""}
    suite = AuthorSuite(target, claims, select, deselect, settings, known_failures)

    def test_conformance(resultspec_check: str) -> None:
        """The backend conforms to the specification."""
        __tracebackhide__ = True
        from resultspec_conformance.pytest_plugin.items import run_item

        run_item(suite.session, resultspec_check)

    test_conformance.resultspec_suite = suite  # type: ignore[attr-defined]
    return test_conformance
