"""A `python:` or `exec:` backend on a store of others: it leaves nothing behind, and touches nothing that it found."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.subject import SubjectError, Target, UsageError
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.shared_store import cleaner
from resultspec_conformance.verdict.selection import Selection

FACTORY = """\
import os
from {module} import {base}

class Mine({base}):
    stored = 0

    def store_result(self, *args, **kwargs):
        Mine.stored += 1
        if Mine.stored == {dies} and not os.path.exists({died!r}):
            open({died!r}, "w").close()
            os._exit(1)
        return super().store_result(*args, **kwargs)

def factory(app, prefix="", **options):
    options.pop("extended", None)
    options["accept"] = list(options.get("accept") or [options.get("serializer", "json")])
    return Mine(app, {url!r}, {option}={prefix!r} + prefix, **options)

factory.capabilities = {{
    "spec": "0.1", "classes": ["core"], "features": {features!r}, "store": {url!r}, "prefix": {prefix!r},
}}
"""

SELECTION = Selection(patterns=("ID-1",))
"""Checks that store under short ids too, which the suite has not made up for the run."""


@dataclass(frozen=True)
class Store:
    """A part of a store that a prefix names, and how a factory gets a backend on it; `folder` is for its module."""

    url: str
    prefix: str
    backend: tuple[str, str, str]
    folder: Path

    def factory(self, dies: int = 0, features: list[str] | None = None) -> str:
        """Write a factory; return its target. Its backend can end the process, once, at so many stores."""
        module, base, option = self.backend
        text = FACTORY.format(
            module=module, base=base, option=option, url=self.url, prefix=self.prefix,
            dies=dies, died=str(self.folder / "died"), features=features or [],
        )  # fmt: skip
        path = self.folder / f"mine_{uuid4().hex}.py"
        path.write_text(text, encoding="utf-8")
        return f"python:{path}:factory"

    def probe(self) -> Any:
        """Return a probe of the part."""
        return probe_for(self.url, self.prefix)

    def names(self) -> list[str]:
        """Return the names of all keys or tables of the store."""
        if self.url.startswith("redis"):
            return list(self.probe().keys())
        import sqlalchemy as sa

        return sa.inspect(sa.create_engine(self.url)).get_table_names()

    def put_foreign(self) -> None:
        """Have others store the results of a task whose id some checks use too."""
        table = f"{self.prefix}celery_taskmeta"
        if self.url.startswith("sqlite"):
            import sqlalchemy as sa

            with sa.create_engine(self.url).begin() as connection:
                connection.execute(sa.text(f"CREATE TABLE {table} (task_id TEXT, status TEXT, result BLOB)"))
        self.probe().write("5", b'{"status": "SUCCESS", "result": "foreign"}')


@pytest.fixture(name="store", params=["redis", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty part of a store."""
    if request.param == "redis":
        url = str(request.getfixturevalue("redis_url"))
        backend = ("resultspec_adapters.redis.backend", "RedisBackend", "global_keyprefix")
        return Store(url, f"test-{uuid4().hex}:", backend, tmp_path)
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")
    backend = ("resultspec_adapters.sql", "SqlBackend", "table_prefix")
    return Store(f"sqlite:///{tmp_path}/results.db", f"test_{uuid4().hex[:8]}_", backend, tmp_path)


def _judge(target: str) -> Report:
    return run(target, Options(SELECTION, examples=3, self_check=False))


def _through_driver(target: str) -> str:
    return f"exec:{sys.executable} -m resultspec_adapters.python_driver {target}"


WAYS: dict[str, Callable[[str], str]] = {"python": str, "exec": _through_driver}


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_store_is_empty_again(store: Store, way: str) -> None:
    """Whatever the ids were; so the next run finds it as empty as this one did."""
    assert _judge(WAYS[way](store.factory()))["verdict"] == "conformant"
    assert store.probe().any_result() is None


@pytest.mark.parametrize("way", WAYS)
def test_a_store_with_results_of_others_is_refused(store: Store, way: str) -> None:
    """With the name of one of them and the cure, and they are as they were."""
    store.put_foreign()
    before = store.probe().read("5")
    with pytest.raises(UsageError, match=r"holds results .*5.*\nGive the .* an empty database") as told:
        _judge(WAYS[way](store.factory()))
    assert str(told.value).count("\n") == 1
    assert store.probe().read("5") == before


def test_a_factory_that_takes_a_prefix_has_one_of_the_run(store: Store) -> None:
    """So results of others do no harm, and none is done to them."""
    store.put_foreign()
    before = store.probe().read("5")
    assert _judge(store.factory(features=["prefix"]))["verdict"] == "conformant"
    assert store.probe().read("5") == before
    assert not [name for name in store.names() if name.startswith(f"{store.prefix}resultspec_")]


def test_what_a_dead_process_has_left_is_the_runs_own(store: Store) -> None:
    """The process that follows it takes it for no result of others, and removes it."""
    report = _judge(store.factory(dies=40))
    assert [entry["status"] for entry in report["checks"]].count("died") == 1
    assert (store.folder / "died").exists()
    assert store.probe().any_result() is None


def test_a_second_process_is_refused(store: Store) -> None:
    """It would mix its results with those of the first, and one would remove what the other has stored."""
    with pytest.raises(SubjectError, match="judged by a single process"):
        cleaner(store.probe(), Target("python:x:y", "4f2a", "helper"), "")
    assert cleaner(probe_for(store.url, "run_4f2a_"), Target("python:x:y", "4f2a", "helper"), "") is not None
