"""What the tests of the testkit share: backends of the catalogue, opened for one example of a check."""

from collections.abc import Callable, Iterator

import pytest

from resultspec_conformance.broken import CATALOGUE, VARIATIONS, open_specimen
from resultspec_conformance.testkit.context import Context, Session

Open = Callable[[str], Context]


@pytest.fixture(name="context_of")
def open_contexts() -> Iterator[Open]:
    """Return a function that opens a backend of the catalogue, broken or correct, by name."""
    opened: list[tuple[Context, Session]] = []

    def open_context(name: str) -> Context:
        session = Session(open_specimen(CATALOGUE.get(name) or VARIATIONS[name]), "test")
        opened.append((Context(session, "EXP-1"), session))
        return opened[-1][0]

    yield open_context
    for ctx, session in opened:
        ctx.close()
        session.close()
