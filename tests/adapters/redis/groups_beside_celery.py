"""Groups that Celery and our Redis backend save for each other: `python groups_beside_celery.py URL PREFIX`."""

import sys
from typing import Any

import redis
from celery import Celery
from celery.result import AsyncResult, GroupResult

from resultspec_adapters.redis.backend import RedisBackend


def shapes(app: Celery, group_id: str) -> list[GroupResult]:
    """Return groups of several shapes."""
    first, second = AsyncResult("p", app=app), AsyncResult("m-2", app=app, parent=AsyncResult("m-1", app=app))
    inner = GroupResult("inner", [AsyncResult("i", app=app)], app=app)
    return [
        GroupResult(group_id, [], app=app),
        GroupResult(group_id, [AsyncResult("m-1", app=app), second], app=app),
        GroupResult(group_id, [second, inner, second], app=app, parent=first),
    ]


def cross(app: Celery, ours: RedisBackend, raw: Any) -> int:
    """Save, restore, replace and delete groups by both; return how many."""
    groups = shapes(app, "g")
    for saved in groups:
        found = []
        for save in (app.backend.save_group, ours.save_group):
            save("g", saved)
            found.append(raw.get(ours.get_key_for_group("g")))
            assert app.backend.restore_group("g") == ours.restore_group("g") == saved
            assert ours.restore_group("g").as_tuple() == saved.as_tuple()
            assert GroupResult.restore("g", app=app).as_tuple() == saved.as_tuple()
        assert found[0] == found[1]
        assert app.backend.get_key_for_group("g") == ours.get_key_for_group("g")
    ours.delete_group("g")
    assert app.backend.restore_group("g") is None
    app.backend.save_group("g", groups[-1])
    app.backend.delete_group("g")
    assert ours.restore_group("g") is None
    return len(groups)


def main(url: str, prefix: str) -> None:
    """Cross groups on a Redis, under a prefix."""
    app = Celery("tests", broker="memory://", backend=url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    print(cross(app, RedisBackend(app, url), redis.Redis.from_url(url)), "groups crossed")


main(*sys.argv[1:])
