"""From a target of the command line to a subject: the adapter of a scheme, and the error if there is none."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from resultspec_conformance.subject.declaration import declaration_of
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.probes.own import open_own
from resultspec_conformance.subject.protocols import Adapter, Role, Subject, Target
from resultspec_conformance.subject.python_object import PythonSubject
from resultspec_conformance.subject.shared_store import cleaner, own_prefix, require_one_process
from resultspec_conformance.text.suggestions import did_you_mean

ADAPTERS_GROUP = "resultspec.adapters"

_CURE = "Give the factory an empty database, or let it take the option prefix and claim the feature of that name."


def _load_module(name: str) -> Any:
    """Import a module by its name, or a file by its path."""
    if not name.endswith(".py"):
        sys.path.insert(0, "")
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove("")
    path = Path(name).resolve()
    if not path.is_file():
        raise UsageError(f"the file {name} does not exist")
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # classes can only be unpickled while their module is registered
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def load_factory(reference: str) -> Any:
    """Return the object that `pkg.module:factory` or `path/file.py:factory` names. Raises UsageError."""
    module_name, _, attribute = reference.rpartition(":")
    if not module_name or not attribute:
        raise UsageError(f"python:{reference} does not name a factory: write python:pkg.module:factory")
    try:
        found = _load_module(module_name)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"cannot import {module_name}: {type(error).__name__}: {error}\n"
            "The module is looked for from the current directory and on PYTHONPATH."
        ) from error
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise UsageError(f"{module_name} has no {attribute}") from None
    if not callable(found):
        raise UsageError(
            f"{reference} is not a function, but of type {type(found).__name__}; "
            "a factory is called as factory(app, **options)"
        )
    return found


def open_factory(target: Target) -> Subject:
    """Open `python:pkg.module:factory`. Raises SubjectError.

    What the factory says of itself are its attributes, see `declaration`. If it claims the feature `prefix`, every
    client gets the prefix of the run. Without one, and without a store in which the suite can look for results, it is
    opened in a single process, unless no two processes share a store anyway.
    """
    factory = load_factory(target.text.partition(":")[2])
    try:
        said = declaration_of(factory)
    except UsageError as error:
        raise UsageError(f"{target.text}: {error}") from error
    capabilities = said.capabilities
    if "prefix" in capabilities.features:
        capabilities = replace(capabilities, prefix=capabilities.prefix + own_prefix(target))
        factory = _prefixed(factory, own_prefix(target))
    elif capabilities.store is None and capabilities.sharing != "thread":
        require_one_process(target)
    if said.probe is not None:
        probe: Probe | None = open_own(said.probe, capabilities.prefix)
    else:
        probe = probe_for(capabilities.store, capabilities.prefix)
    on_close = cleaner(probe, target, _CURE)
    return PythonSubject(factory, capabilities, probe, on_close, said.binding)


def _prefixed(factory: Callable[..., Any], prefix: str) -> Callable[..., Any]:
    """Return a factory whose clients all have a prefix, followed by their own."""

    def made(app: Any, **options: Any) -> Any:
        return factory(app, **{**options, "prefix": prefix + options.get("prefix", "")})

    return made


def _open_program(target: Target) -> Subject:
    from resultspec_conformance.subject.driver.program import open_program

    return open_program(target)


def _open_broken(target: Target) -> Subject:
    from resultspec_conformance.broken import open_broken

    return open_broken(target)


BUILT_IN: Mapping[str, Adapter] = {
    "python": Adapter(open_factory, "a Python object with the protocol's methods", "python:pkg.module:factory"),
    "exec": Adapter(_open_program, "a program in any language that speaks the driver protocol", "exec:node driver.mjs"),
    "broken": Adapter(
        _open_broken, "one of the suite's own backends, with one seeded defect", "broken:success-overwritten"
    ),
}


def adapter_entry_points() -> Mapping[str, EntryPoint]:
    """Return the installed entry points of adapters, by scheme."""
    return {point.name: point for point in entry_points(group=ADAPTERS_GROUP)}


def load_adapter(scheme: str) -> Adapter:
    """Return the adapter of a scheme. Raises UsageError with the known schemes, or how to install it."""
    if scheme in BUILT_IN:
        return BUILT_IN[scheme]
    points = adapter_entry_points()
    if scheme not in points:
        known = ", ".join(sorted([*points, *BUILT_IN]))
        hint = did_you_mean(scheme, [*points, *BUILT_IN])
        raise UsageError(f"no adapter for {scheme!r}; there are {known}.{hint}\nSee: resultspec targets")
    point = points[scheme]
    try:
        adapter: Adapter = point.load()
    except ModuleNotFoundError as error:
        extra = next(iter(point.extras), "all")
        raise UsageError(
            f"testing {scheme} needs the Python package {error.name}, which is not installed.\n"
            f"Install it with: pip install 'resultspec[{extra}]'"
        ) from error
    return adapter


def open_target(text: str, run: str, role: Role = "first") -> Subject:
    """Open the subject of a target. Raises SubjectError."""
    target = Target(text, run, role)
    if ":" not in text:
        raise UsageError(f"{text!r} is not a target: it has no scheme.\nSee: resultspec targets")
    subject = load_adapter(target.scheme).open(target)
    if subject.capabilities.role == "waiter":
        # its writer is the correct backend of the suite, with which all broken ones are loaded
        from resultspec_conformance.runner.waiter_role import in_its_role

        return in_its_role(subject)
    return subject
