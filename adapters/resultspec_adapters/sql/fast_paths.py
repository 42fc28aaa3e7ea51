"""Which statements have a fast path."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database

if TYPE_CHECKING:
    from resultspec_adapters.sql.psycopg_fast_path import PsycopgFastPath


class FastPaths:
    """The fast paths of the statements on a database, each of which is made once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: dict[sa.Executable, PsycopgFastPath] = {}

    def of(self, statement: sa.Executable) -> "PsycopgFastPath | None":
        """Return the fast path of a statement, None where the database has none."""
        if not self._database.is_psycopg:
            return None
        found = self._made.get(statement)
        if found is None:
            # imported here, since psycopg need not be installed for the other databases
            from resultspec_adapters.sql.psycopg_fast_path import PsycopgFastPath

            found = self._made.setdefault(statement, PsycopgFastPath(self._database, statement))
        return found
