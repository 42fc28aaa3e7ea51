"""The statements that are executed, through SQLAlchemy and on the fast path past it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from resultspec_adapters.sql.psycopg_fast_path import PsycopgFastPath


@contextmanager
def listening(target: Any, name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Listen to events of SQLAlchemy."""
    sa.event.listen(target, name, listener)
    try:
        yield
    finally:
        sa.event.remove(target, name, listener)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield the list of the statements that are executed on any connection, also on the fast path."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    run = PsycopgFastPath.run

    def noted(fast_path: PsycopgFastPath, arguments: Any) -> Any:
        rows = run(fast_path, arguments)
        seen.append(fast_path.text)
        return rows

    with listening(sa.Engine, "after_cursor_execute", note), pytest.MonkeyPatch.context() as patch:
        patch.setattr(PsycopgFastPath, "run", noted)
        yield seen
