"""URLs are shown without their secrets."""

import pytest

from resultspec_reference.uri import sanitize


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, ""),
        ("memory://", "memory://"),
        ("memory://name", "memory://name/"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@localhost:6379/0", "redis://:**@localhost:6379/0"),
        ("redis://user:secret@localhost/0", "redis://user:**@localhost/0"),
        ("redis://localhost/0?password=secret", "redis://localhost/0"),
        ("redis://:se/cr@et@localhost/0", "redis://:**@localhost/0"),
        ("redis://:s%2Fecret@localhost/0", "redis://:**@localhost/0"),
        ("redis://:secret@localhost:port/0", "redis://**"),
        ("redis://:secret@one/0;redis://:secret@two/1", "redis://:**@one/0;redis://:**@two/1"),
        ("no url", "no url"),
    ],
)
def test_what_is_shown(url: str | None, shown: str) -> None:
    """The password is masked, the query is left out, and nothing raises."""
    assert sanitize(url) == shown
    assert "cret" not in shown
