"""Celery's own backends, which have dozens of defects: what the suite finds in them was looked at, one by one.

A change of these sets is a change of the suite's judgement, or of Celery, and has to be looked at likewise.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from resultspec_conformance.report.document import load

pytest.importorskip("celery", reason="Celery is not installed; pip install 'resultspec[celery]'")

FACTORY = Path(__file__).parents[2] / "examples" / "celery_factory.py"

OF_THE_BASE: Mapping[str, str] = {
    "EXC-1": "with pickle, an exception that is false reads as None",
    "EXC-7": "a text or a map in FAILURE cannot be read",
    "EXC-12": "the file names of an OSError are lost",
    "EXC-13": "the class of an exception is looked up by `getattr`, which runs a module's own code",
    "EXC-14": "SystemExit in a constructor ends the reader",
    "EXC-15": "an `exc_module` that is not text is a TypeError",
    "EXT-4": "arguments that cannot be encoded cost the result",
    "EXT-6": "a stamp takes the place of a member",
    "GROUP-10": "the cache tells a UUID from its text",
    "GROUP-13": "absence is cached, and saving does not reach the cache",
    "GROUP-15": "a restored group is the cached one itself",
    "GROUP-22": "a damaged group is not a DecodeError that names it",
    "GROUP-23": "what does not have the form of a group is handed on",
    "GROUP-24": "tasks and groups share one cache",
    "GROUP-25": "the id of a group may be a key of the bookkeeping of a chord",
    "ID-5": "the meta of a UUID has no text as its `task_id`",
    "META-3": "the meta of an unknown task has two members",
    "META-6": "a surrogate in a traceback makes a failure unstorable",
    "META-16": "the stored `task_id` is handed on, not the one that was asked for",
    "META-17": "a missing member is a KeyError",
    "READ-5": "`reload_task_result` caches what is not SUCCESS",
    "READ-7": "forgetting a UUID leaves the entry of its text in the cache",
    "READ-8": "a returned meta is the cached one itself",
    "STATE-2": "a state that is null is stored",
    "STATE-16": "an empty state is stored",
    "VALUE-2": "msgpack writes keys that it does not read",
    "VALUE-7": "an undecodable entry is never replaced",
    "VALUE-13": "an undecodable entry is not a DecodeError that names the task",
    "WORK-7": "what a running task stores for another one gets its own children",
    "WORK-14": "`fail_from_current_stack` while no exception is handled is an AttributeError",
}
"""What is broken in `celery.backends.base`, of the classes core, groups and extended, and how."""

REDIS_CHORDS: Mapping[str, str] = {
    "CHORD-3": "two parts with one id and equal results are one member of a sorted set",
    "CHORD-4": "a part in RETRY counts",
    "CHORD-7": "what an older run has left counts in the new one",
    "CHORD-9": "an empty header never calls the body",
    "CHORD-11": "an errback that is refused keeps the others back",
    "CHORD-12": "the failure reaches neither the first steps of a chain nor the enclosing chord",
    "CHORD-14": "a body without an id gets none",
    "CHORD-16": "without a life of results, the keys of a chord have none either",
    "CHORD-17": "a part that comes while another worker decides is acknowledged and lost",
    "CHORD-23": "only `set_chord_size` counts",
    "CHORD-25": "a second size begins no new run",
}
"""What is broken in the chords of the Redis backend, and how."""


def violated(factory: str, report: Path, *options: str, **environment: str) -> dict[str, str]:
    """Judge a factory, and return every requirement that did not pass, with its verdict."""
    command = [sys.executable, "-m", "resultspec_conformance", "check", f"python:{FACTORY}:{factory}"]
    done = subprocess.run(
        [*command, "--seed", "1", "--examples", "30", "--report", str(report), *options],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 1, done.stderr
    ended = {entry["id"]: entry["verdict"] for entry in load(report)["requirements"]}
    return {name: verdict for name, verdict in ended.items() if verdict not in ("passed", "not applicable")}


def test_every_violation_of_the_memory_backend_is_known(tmp_path: Path) -> None:
    """Neither more nor less, and every requirement of the classes has a verdict."""
    classes = [word for name in ("core", "groups", "extended") for word in ("--class", name)]
    found = violated("memory", tmp_path / "report.json", *classes)
    assert found == dict.fromkeys(OF_THE_BASE, "violated")


@pytest.mark.slow
def test_every_violation_of_the_chords_in_redis_is_known(tmp_path: Path, redis_url: str) -> None:
    """Those of a worker that dies included, and of calls that do not return."""
    found = violated("redis", tmp_path / "report.json", "--class", "chords", CELERY_REDIS=redis_url)
    assert found == {**dict.fromkeys(REDIS_CHORDS, "violated"), "CHORD-21": "untestable"}
