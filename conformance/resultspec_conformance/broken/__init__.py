"""Backends with one seeded defect each, and correct ones that do things differently: they judge the suite.

`broken:NAME` on the command line tests one of them, `broken:NAME+NAME@STORE` one with several defects (`combined`).
"""

import difflib
import importlib
import pkgutil
from typing import Any

from resultspec_conformance.broken.baseline.lasting import open_kept
from resultspec_conformance.broken.baseline.server import Server, ServerClock, ServerLifeProbe, ServerProbe
from resultspec_conformance.broken.baseline.tables import TableProbe
from resultspec_conformance.broken.catalogue import CATALOGUE, VARIATIONS, Specimen
from resultspec_conformance.broken.combined import Combination, CombinationError, combined, parsed
from resultspec_conformance.broken.faults import FAULTS, Faulty
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


def open_combination(combination: Combination, run: str) -> Subject:
    """Open a backend with some defects and faults. Its server is its own, and as lasting as its store."""
    specimen, faults = combined(combination.specimens), combination.faults
    kept = open_kept(combination.store, run)
    server = Server(kept)

    def factory(app: Any, **options: Any) -> Any:
        if app.conf.timezone is not None:
            options["timezone"] = app.conf.timezone
        made: Any = specimen.backend() if specimen.disabled else specimen.backend(server, **options)
        made.app = app
        return Faulty(made, faults) if faults else made

    probe = None if specimen.disabled else _probe(specimen, server)
    clock = ServerClock(server) if specimen.time_passes == "clock" else None
    return PythonSubject(factory, specimen.capabilities, probe, kept.remove, clock=clock)


def open_specimen(specimen: Specimen) -> Subject:
    """Open a backend of the catalogue, with a server in memory of its own."""
    return open_combination(Combination((specimen,)), "")


def open_broken(target: Target) -> Subject:
    """Open `broken:NAME`, or several names with `+` between them and `@STORE` after them. Raises UsageError."""
    try:
        combination = parsed(target.text.partition(":")[2])
    except CombinationError as error:
        raise UsageError(f"{error}{_meant(error.unknown)}") from error
    return open_combination(combination, target.run)


def _meant(unknown: str) -> str:
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown, [*CATALOGUE, *VARIATIONS, *FAULTS])
    return f"; did you mean {', '.join(near) or 'success-overwritten'}?"
