"""Backends with one seeded defect each, and correct ones that do things differently: they judge the suite.

`broken:NAME` on the command line tests one of them.
"""

import difflib
import importlib
import pkgutil
from typing import Any

from resultspec_conformance.broken.baseline.server import Server, ServerClock, ServerLifeProbe, ServerProbe
from resultspec_conformance.broken.baseline.tables import TableProbe
from resultspec_conformance.broken.catalogue import CATALOGUE, VARIATIONS, Specimen
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.protocols import Subject, Target
from resultspec_conformance.subject.python_object import PythonSubject

__all__ = ["CATALOGUE", "VARIATIONS", "Specimen", "open_broken", "open_specimen"]


def _own_name(module: str) -> str:
    return module.rpartition(".")[2]


# in the order of the modules' own names, whichever folders they are in
for _name in sorted((found.name for found in pkgutil.walk_packages(__path__, f"{__name__}.")), key=_own_name):
    importlib.import_module(_name)


def _probe(specimen: Specimen, server: Server) -> Probe:
    if specimen.in_tables:
        return TableProbe(server)
    see = ServerLifeProbe if specimen.time_passes == "ageing" else ServerProbe
    return see(server, specimen.capabilities.prefix)


def open_specimen(specimen: Specimen) -> Subject:
    """Open a backend of the catalogue, with a server in memory of its own."""
    server = Server()

    def factory(app: Any, **options: Any) -> Any:
        if app.conf.timezone is not None:
            options["timezone"] = app.conf.timezone
        made: Any = specimen.backend() if specimen.disabled else specimen.backend(server, **options)
        made.app = app
        return made

    probe = None if specimen.disabled else _probe(specimen, server)
    clock = ServerClock(server) if specimen.time_passes == "clock" else None
    return PythonSubject(factory, specimen.capabilities, probe, clock=clock)


def open_broken(target: Target) -> Subject:
    """Open `broken:NAME`. Raises UsageError with the nearest names."""
    name = target.text.partition(":")[2]
    specimen = {**CATALOGUE, **VARIATIONS}.get(name)
    if specimen is None:
        near = difflib.get_close_matches(name, [*CATALOGUE, *VARIATIONS])
        meant = ", ".join(near) or "success-overwritten"
        raise UsageError(f"no broken backend is named {name!r}; did you mean {meant}?")
    return open_specimen(specimen)
