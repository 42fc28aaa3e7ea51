"""Which statements have a short way, and what it is."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

from resultspec_adapters.sql.database import Database

if TYPE_CHECKING:
    from resultspec_adapters.sql.psycopg_fast_path import Direct


class Shortcuts:
    """The short ways to run statements on a database, each of which is made once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: dict[sa.Executable, Direct] = {}

    def of(self, statement: sa.Executable) -> "Direct | None":
        """Return the short way to run a statement over the pool, None where there is none."""
        if not self._database.is_psycopg:
            return None
        found = self._made.get(statement)
        if found is None:
            # the other databases do without psycopg
            from resultspec_adapters.sql.psycopg_fast_path import Direct

            found = self._made.setdefault(statement, Direct(self._database, statement))
        return found
