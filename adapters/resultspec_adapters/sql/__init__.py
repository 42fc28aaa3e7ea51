"""Results in the tables of a SQLite, PostgreSQL, MariaDB or MySQL: safe with threads, processes and several hosts.

The tables are Celery's (`tables`), so either can read what the other stores. Those that we create have a binary
collation, room for large values, and columns for the members that Celery's tables lack. A store is one statement that
contains the guard (`statements`). A waiter is woken by a notification of PostgreSQL or by the change counter of SQLite,
and otherwise reads several times a second (`wait_watches`). A join does the same for many tasks over one connection
(`join_watches`). Chords are counted in two tables of this package, a transaction for each step (`chord_store`).
"""

from resultspec_adapters.sql.backend import SqlBackend

__all__ = ["SqlBackend"]
