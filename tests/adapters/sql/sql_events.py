"""What happens on the way to a database, as SQLAlchemy tells it, and our short way past it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from resultspec_adapters.sql.psycopg_fast_path import Direct


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
    """Yield the statements that were executed, over whatever connection: what is here has seen what it could see."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    run = Direct.run

    def noted(direct: Direct, arguments: Any) -> Any:
        rows = run(direct, arguments)
        seen.append(direct.text)
        return rows

    with listening(sa.Engine, "after_cursor_execute", note), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Direct, "run", noted)
        yield seen
