"""Results in the tables of a SQLite, PostgreSQL, MariaDB or MySQL: safe in threads, in processes, on several hosts.

The tables are Celery's (`tables`), so either can read what the other stores; ours have binary collation, room
for large values, and columns for the members that Celery's lack. A store is one statement with the guard in it
(`statements`). A waiter is woken by a notification of PostgreSQL, by the change counter of SQLite, and otherwise
looks again several times a second (`watches`). A join does so for many tasks over one connection (`joins`). Chords
are counted in two tables of our own, each step in one transaction (`chords`).
"""

from resultspec_adapters.sql.backend import SqlBackend

__all__ = ["SqlBackend"]
