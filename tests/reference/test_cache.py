"""The cache of one client."""

import json
from typing import Any

import pytest

from resultspec_reference.cache import MetaCache
from resultspec_reference.errors import EncodeError, ImproperlyConfigured


def cache(limit: Any) -> MetaCache:
    """Return a cache that freezes with json."""
    return MetaCache(limit, lambda meta: json.dumps(meta).encode(), json.loads)


def meta(status: str = "SUCCESS") -> dict[str, Any]:
    """Return a meta."""
    return {"status": status, "result": [1]}


@pytest.mark.parametrize("status", ["PENDING", "FAILURE", "REVOKED", "PROGRESS"])
def test_only_success_is_kept(status: str) -> None:
    """The others may still change (READ-5)."""
    held = cache(0)
    held.put("t", meta(status), held.ticket())
    assert "t" not in held
    assert held.get("t") is None


def test_a_copy_is_handed_out() -> None:
    """Changing it changes no later answer (READ-8)."""
    held = cache(0)
    mine = meta()
    held.put("t", mine, held.ticket())
    mine["result"].append(2)
    (held.get("t") or {})["result"].append(3)
    assert held.get("t") == meta()


def test_the_least_recently_used_goes_first() -> None:
    """A limit is kept."""
    held = cache(2)
    for name in "ab":
        held.put(name, meta(), held.ticket())
    held.get("a")
    held.put("c", meta(), held.ticket())
    assert ["a" in held, "b" in held, "c" in held] == [True, False, True]


def test_minus_one_disables_the_cache() -> None:
    """Nothing is kept."""
    held = cache(-1)
    held.put("t", meta(), held.ticket())
    assert "t" not in held


def test_a_read_that_was_under_way_cannot_undo_a_drop() -> None:
    """What was read before `forget` is not cached after it (READ-7)."""
    held = cache(0)
    ticket = held.ticket()
    held.drop("t")
    held.put("t", meta(), ticket)
    assert "t" not in held


def test_what_cannot_be_frozen_is_not_kept() -> None:
    """A read does not fail because of the cache."""

    def refuse(_: Any) -> bytes:
        raise EncodeError("no")

    held = MetaCache(0, refuse, json.loads)
    held.put("t", meta(), held.ticket())
    assert "t" not in held


@pytest.mark.parametrize("limit", [-2, 1.5, "10", None, True])
def test_a_wrong_limit_is_refused(limit: object) -> None:
    """It is found when the backend is made."""
    with pytest.raises(ImproperlyConfigured):
        cache(limit)
