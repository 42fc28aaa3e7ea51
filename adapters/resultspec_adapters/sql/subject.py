"""A database put under test: each run has tables of its own, which are removed at its end."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from resultspec_adapters.sql.backend import SqlBackend
from resultspec_adapters.sql.database import Database
from resultspec_adapters.subject_support import CHORD_LEASE, FEATURES, SERIALIZERS, construct, factory
from resultspec_conformance.subject import Adapter, SubjectError, Target, UsageError
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.probes.sql import SqlProbe, open_probe
from resultspec_conformance.subject.python_object import PythonSubject
from resultspec_reference.app import App, AppProtocol
from resultspec_reference.errors import ImproperlyConfigured, OperationalError
from resultspec_reference.keyvalue import completed_prefix

CLASSES: Final = ("core", "waiting", "join", "atomic", "sql-wire", "extended", "groups", "chords", "expiry")

WAKE_UP: Final = {"memory": 0.25, "sqlite": 0.25, "postgresql": 1.0, "mysql": 0.25}
"""Seconds within which a waiter ends. For PostgreSQL it covers a lost notification."""


def open_subject(target: Target) -> PythonSubject:
    """Put a database under test.

    Raises UsageError for an invalid URL, SubjectError for a database that cannot be reached or refuses access.
    """
    prefix = f"rs_{target.run}_"
    try:
        database = Database(target.text)
        shared = {"database": database} if database.in_memory else {}
        make = functools.partial(_made, target.text, prefix, {**shared, "chord_lease": CHORD_LEASE})
        janitor = make(app=App(), retry_policy={"max_retries": 3})
    except ImproperlyConfigured as error:
        raise UsageError(f"{error}.\nSee: resultspec targets") from None
    try:
        janitor.make_tables()
    except OperationalError as error:
        said = str(error).rstrip(".")
        raise SubjectError(f"{said}.\nStart the server, or correct the URL, its rights or its space.") from None
    except ImproperlyConfigured as error:
        raise SubjectError(str(error)) from None
    kind = "memory" if database.in_memory else database.kind
    server = database.kind != "sqlite"
    capabilities = Capabilities(
        classes=CLASSES,
        choices={"late_unready": SqlBackend.late_unready, "expiry": "cleanup"},
        sharing={"memory": "thread", "sqlite": "process"}.get(kind, "host"),
        serializers=SERIALIZERS,
        values="tagged",
        features=FEATURES | ({"connection"} if server else frozenset()),
        store=None if database.in_memory else target.text,
        prefix=prefix,
        wake_up=WAKE_UP["mysql" if kind == "mariadb" else kind],
        chord_lease=CHORD_LEASE,
        payload_limit=SqlBackend.payload_limit,
        implementation={"name": f"resultspec SQL backend, {database.kind}", "language": "Python"},
    )
    probe = SqlProbe(database.engine, prefix, database.shown) if database.in_memory else open_probe(target.text, prefix)

    def remove_all() -> None:
        janitor.remove_tables()
        probe.forget_run()

    return PythonSubject(factory(make), capabilities, probe, on_close=remove_all)


def _made(
    url: str, prefix: str, given: Mapping[str, Any], app: AppProtocol, global_keyprefix: str = "", **options: Any
) -> SqlBackend:
    """Return a backend. The prefix of its tables is that of the run, followed by the client's own."""
    return SqlBackend(app, url, table_prefix=prefix + completed_prefix(global_keyprefix), **given, **options)


def _adapter(summary: str, example: str, server: str = "") -> Adapter:
    return Adapter(open_subject, summary, example, extra="sql", server=server, construct=construct(SqlBackend))


sqlite: Final = _adapter("results in a SQLite, with Celery's tables", "sqlite:///results.db")
postgresql: Final = _adapter(
    "results in a PostgreSQL, with Celery's tables and notifications", "postgresql://user@localhost/name", "postgresql"
)
mysql: Final = _adapter("results in a MariaDB or MySQL, with Celery's tables", "mysql://user@localhost/name", "mariadb")
