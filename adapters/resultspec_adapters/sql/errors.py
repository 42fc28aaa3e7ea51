"""The meaning of drivers' errors: the codes of SQLite, PostgreSQL and MariaDB, and the errors that they become."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from sqlalchemy import exc

from resultspec_reference.errors import DecodeError, OperationalError


class NothingDone(OperationalError):
    """The statement certainly had no effect, because of others who use the database."""


class TablesChanged(NothingDone):
    """A table or a column does not exist, or no longer."""


class Fault(Enum):
    """A kind of trouble with a database: the words for it, and whether it is permanent."""

    LOST = ("", False)
    BUSY = ("is too busy", False)
    CHANGED = ("has changed its tables", False)
    READ_ONLY = ("is read-only", False)
    SEALED = ("is read-only", True)
    REFUSED = ("refuses us", True)
    FULL = ("is full", True)
    CORRUPT = ("is damaged, or not a database", True)
    UNOPENED = ("cannot be opened", True)
    OTHER = ("", True)
    DATA = ("cannot hold the value", True)
    UNREADABLE = ("holds text that is not UTF-8", True)

    @property
    def words(self) -> str:
        """What an error message says of the database."""
        return self.value[0]

    @property
    def permanent(self) -> bool:
        """Whether trying again is useless."""
        return self.value[1]


_SQLITE: Final[Mapping[str, Fault]] = {
    "SQLITE_BUSY": Fault.BUSY,
    "SQLITE_LOCKED": Fault.BUSY,
    "SQLITE_SCHEMA": Fault.CHANGED,
    "SQLITE_READONLY": Fault.SEALED,
    "SQLITE_FULL": Fault.FULL,
    "SQLITE_CANTOPEN": Fault.UNOPENED,
    "SQLITE_NOTADB": Fault.CORRUPT,
    "SQLITE_CORRUPT": Fault.CORRUPT,
    "SQLITE_PERM": Fault.REFUSED,
    "SQLITE_AUTH": Fault.REFUSED,
    "SQLITE_TOOBIG": Fault.DATA,
}
"""By the beginning of the error's name, which may have a more precise end."""

STALE: Final = ("0A000", "26000")
"""PostgreSQL's codes for a prepared statement whose columns have changed, and for one that was deallocated."""

_POSTGRESQL: Final[Mapping[str, Fault]] = {
    **dict.fromkeys(STALE, Fault.CHANGED),
    "08": Fault.LOST,
    "22": Fault.DATA,
    "25006": Fault.READ_ONLY,
    "28": Fault.REFUSED,
    "40": Fault.BUSY,
    "40003": Fault.LOST,
    "42501": Fault.REFUSED,
    "42703": Fault.CHANGED,
    "42P01": Fault.CHANGED,
    "53100": Fault.FULL,
    "53": Fault.BUSY,
    "55P03": Fault.BUSY,
    "57": Fault.LOST,
    "58": Fault.LOST,
}
"""By SQLSTATE: the whole one, or its class."""

_MYSQL: Final[Mapping[int, Fault]] = {
    1020: Fault.BUSY,
    1021: Fault.FULL,
    1036: Fault.SEALED,
    1040: Fault.BUSY,
    1044: Fault.REFUSED,
    1045: Fault.REFUSED,
    1049: Fault.REFUSED,
    1053: Fault.LOST,
    1054: Fault.CHANGED,
    1114: Fault.FULL,
    1142: Fault.REFUSED,
    1146: Fault.CHANGED,
    1153: Fault.DATA,
    1203: Fault.BUSY,
    1205: Fault.BUSY,
    1213: Fault.BUSY,
    1227: Fault.REFUSED,
    1290: Fault.READ_ONLY,
    1366: Fault.DATA,
    1406: Fault.DATA,
    1698: Fault.REFUSED,
    1792: Fault.READ_ONLY,
    1836: Fault.READ_ONLY,
}

_REFUSALS: Final = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")
"""What PostgreSQL says when it refuses a connection; these errors have no code."""


def fault_of(error: exc.DBAPIError) -> Fault:
    """Return the kind of trouble that an error of a driver reports."""
    cause: Any = error.orig
    if error.connection_invalidated:
        return Fault.LOST
    if name := getattr(cause, "sqlite_errorname", ""):
        return _of_sqlite(name, str(cause))
    number = cause.args[0] if getattr(cause, "args", ()) else None
    if isinstance(number, int):
        return _of_mysql(number, error)
    if code := getattr(cause, "sqlstate", None):
        return _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2]) or Fault.OTHER
    return _by_class(error)


def _of_sqlite(name: str, text: str) -> Fault:
    if text.startswith(("no such table", "no such column")) or "has no column named" in text:
        return Fault.CHANGED
    return next((fault for begin, fault in _SQLITE.items() if name.startswith(begin)), Fault.OTHER)


def _of_mysql(number: int, error: exc.DBAPIError) -> Fault:
    if number >= 2000 or number == 0:  # these are the driver's own: the server did not answer
        return Fault.LOST
    return _MYSQL.get(number, Fault.DATA if isinstance(error, exc.DataError) else Fault.OTHER)


def _by_class(error: exc.DBAPIError) -> Fault:
    """Return the kind of an error without a code, by its class and its text."""
    text = str(error.orig)
    if "Could not decode to UTF-8" in text:
        return Fault.UNREADABLE
    if isinstance(error, exc.DataError):
        return Fault.DATA
    if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return Fault.REFUSED if any(said in text for said in _REFUSALS) else Fault.LOST
    return Fault.OTHER


def translated(error: exc.DBAPIError, shown: str, secret: str | None) -> Exception:
    """Return the error that a driver's becomes: OperationalError, DecodeError, or ValueError for a value.

    `shown` is the database without its password; `secret` is removed from the text. The text never holds the statement
    or the parameters of it.
    """
    fault, text = fault_of(error), " ".join(str(error.orig).split())
    if secret:
        text = text.replace(secret, "**")
    said = f"{shown} {fault.words}: {text}" if fault.words else f"{shown}: {text}"
    if fault is Fault.DATA:
        return ValueError(said)
    if fault is Fault.UNREADABLE:
        return DecodeError(said)
    if fault is Fault.CHANGED:
        return TablesChanged(said)
    if fault is Fault.BUSY:
        return NothingDone(said)
    return OperationalError(said, permanent=fault.permanent)
