"""Stores that outlive a process: they are maps, and whoever opens one later finds what was written there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resultspec_conformance.broken.baseline.lasting import KINDS, Kept, open_kept
from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject.errors import SubjectError

KEYS = ["plain", "with/slash", "", "nul\x00", "\ud800", "ü" * 400]
LASTING = [kind for kind in KINDS if kind != "memory"]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """The URL of a real Redis."""
    with running("redis") as server:
        yield server.url


@pytest.fixture(params=LASTING)
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What opens a store of each kind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kind: str = request.param
    return str(request.getfixturevalue("redis_url")) if kind == "redis" else kind


def filled(url: str) -> Kept:
    """Return a store with a value and an end under each key."""
    kept = open_kept(url, "run")
    for number, key in enumerate(KEYS):
        kept.data[key] = b"older"
        kept.data[key] = b"\x00\n%d" % number
        kept.ends[key] = number + 0.1
    return kept


def test_a_store_is_a_map(url: str) -> None:
    """Keys of any text come in the order of their first writes; what was removed is gone, and nothing is not there."""
    kept = filled(url)
    assert list(kept.data) == KEYS
    assert len(kept.data) == len(KEYS)
    assert kept.data.pop("plain") == b"\x00\n0"
    assert kept.ends.pop("plain") == 0.1
    for entries in (kept.data, kept.ends):
        assert "plain" not in entries
        assert entries.get("plain") is None
        assert entries.pop("plain", None) is None
    assert kept.remove is not None
    kept.remove()


def test_who_opens_a_store_later_finds_what_is_there(url: str) -> None:
    """A process that is started again after a hang meets what an older one has written; another run does not."""
    filled(url).data.pop("plain")
    later = open_kept(url, "run")
    assert dict(later.data) == {key: b"\x00\n%d" % number for number, key in enumerate(KEYS) if number}
    assert later.ends["nul\x00"] == 3.1
    assert not open_kept(url, "other").data
    assert later.remove is not None
    later.remove()
    assert not open_kept(url, "run").data


def test_an_infinite_life_is_kept(url: str) -> None:
    """Most entries never end."""
    open_kept(url, "endless").ends["key"] = float("inf")
    assert open_kept(url, "endless").ends["key"] == float("inf")


def test_a_redis_that_is_not_there_is_told() -> None:
    """The harness has failed then, and not the backend."""
    with pytest.raises(SubjectError, match="there is no Redis to keep entries in"):
        open_kept("redis://127.0.0.1:1/0", "run")
