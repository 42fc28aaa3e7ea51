"""Every store of chords against the pure ledger: the same steps have the same answers. Each test runs on each store."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from resultspec_reference import App
from resultspec_reference.chords.ledger import ChordStore, Claim, Claimed, Ledger, Part, Recorded

SEQUENCES, STEPS = 40, 16
OFTEN = ["open", "resize", "add", *["record"] * 6, *["claim"] * 4, *["finish"] * 2, "end", "over"]
"""The steps, and the ends of lease and life, as often as they are drawn."""
LEASE = 100.0


@dataclass
class Tried:
    """A store under test, and how to let a claim, and a chord, come to an end without waiting for it."""

    store: ChordStore
    end_lease: Callable[[str], object]
    end_life: Callable[[str], object]


def in_memory() -> Iterator[Tried]:
    """Yield ledgers in memory, with a clock of their own."""
    from resultspec_adapters.memory.chords import MemoryLedgers

    now = [0.0]
    ledgers = MemoryLedgers(lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    # nothing else ends then: the claims of other chords are over
    yield Tried(ledgers.of(1e6, 1e6), lambda group_id: advance(LEASE), lambda group_id: advance(2e6))


def in_redis(url: str) -> Iterator[Tried]:
    """Yield the keys of a Redis."""
    from resultspec_adapters.redis.backend import RedisBackend

    prefix = f"test-{uuid4().hex}:"
    backend = RedisBackend(App(), url, global_keyprefix=prefix)

    def end_lease(group_id: str) -> None:
        key = backend.get_key_for_group(group_id) + b".c"
        if backend.client.get(key) != b"done":
            backend.client.delete(key)

    yield Tried(backend.chord_store, end_lease, lambda group_id: backend.client.delete(*backend._chord_keys(group_id)))
    backend.remove_all(prefix)


def in_tables(url: str) -> Iterator[Tried]:
    """Yield the tables of a database."""
    from resultspec_adapters.sql import SqlBackend

    backend = SqlBackend(App(), url, table_prefix=f"test_{uuid4().hex[:12]}_")

    def change(column: str, group_id: str) -> None:
        import sqlalchemy as sa

        statement = f"UPDATE {backend.names.chord} SET {column} = 1 WHERE group_id = :of_group"
        with backend.database.connect() as connection:
            connection.execute(sa.text(statement), {"of_group": group_id})

    backend.make_tables()
    yield Tried(
        backend.chord_store,
        lambda group_id: change("held_until", group_id),
        lambda group_id: change("expires", group_id),
    )
    backend.remove_tables()


@pytest.fixture(name="tried", params=["memory", "redis", "sqlite", "postgresql", "mariadb"])
def store_to_try(request: pytest.FixtureRequest) -> Iterator[Tried]:
    """Yield each of the stores."""
    if request.param == "memory":
        yield from in_memory()
    elif request.param == "redis":
        yield from in_redis(request.getfixturevalue("redis_url"))
    else:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")
        yield from in_tables(request.getfixturevalue("server_url")(request.param))


@pytest.fixture(name="store")
def only_the_store(tried: Tried) -> ChordStore:
    """Return the store that is tried."""
    return tried.store


class Pair:
    """A store and a pure ledger, which take the same steps."""

    def __init__(self, tried: Tried, dice: random.Random, group_id: str) -> None:
        self.tried = tried
        self.dice = dice
        self.group_id = group_id
        self.ledger = Ledger()
        self.said: list[str] = []

    def take(self) -> None:
        """Take a step, and require that both answer alike."""
        name = self.dice.choice(OFTEN)
        arguments = getattr(self, f"_{name}")()
        if arguments is None:
            return
        found = getattr(self.tried.store, name)(self.group_id, *arguments)
        if name == "claim":
            token, lease, hint = arguments
            expected: Any = self.ledger.claim(token, 0.0, lease, hint)
        else:
            expected = getattr(self.ledger, name)(*arguments)
        self.said.append(f"{name}{arguments} -> {found}")
        assert comparable(found) == comparable(expected), "\n".join([*self.said, f"expected {expected}"])

    def _open(self) -> tuple[Any, ...]:
        return self.dice.randint(1, 3), self.dice.choice([None, b"shape"])

    def _resize(self) -> tuple[Any, ...]:
        return self.dice.randint(1, 3), self.dice.choice(["run-1", "run-2", "run-3"])

    def _add(self) -> tuple[Any, ...]:
        return (1,)

    def _record(self) -> tuple[Any, ...]:
        task_id, index = self.dice.choice("aAb"), self.dice.choice([0, 1, 2, 10, None])
        value = self.dice.randint(1, 3)
        return Part(task_id, index, f"{index} {task_id} {value}".encode()), self._hint()

    def _hint(self) -> int | None:
        return self.dice.choice([None, None, 2, 3])

    def _claim(self) -> tuple[Any, ...]:
        return self.dice.choice(["me", "you"]), LEASE, self._hint()

    def _finish(self) -> tuple[Any, ...]:
        return (self.dice.choice(["me", "you"]),)

    def _end(self) -> None:
        self.said.append("the lease ends")
        self.tried.end_lease(self.group_id)
        self.ledger.held_until = 0.0

    def _over(self) -> None:
        if self.dice.random() < 0.3:
            self.said.append("the life ends")
            self.tried.end_life(self.group_id)
            self.ledger = Ledger()


def comparable(answer: Any) -> Any:
    """Return what has to be the same of an answer: of a claim not for how long it is held, nor how ties are broken."""
    if not isinstance(answer, Claim):
        return answer
    places = [bytes(payload).split()[0] for payload in answer.payloads]
    return answer.kind, places, sorted(map(bytes, answer.payloads)), answer.header


@pytest.mark.parametrize("seed", range(4))
def test_steps_are_those_of_the_pure_ledger(tried: Tried, seed: int) -> None:
    """In random sequences, with leases and lives that end in between."""
    dice = random.Random(seed)
    for number in range(SEQUENCES // 4):
        pair = Pair(tried, dice, f"g{number}")
        for _ in range(STEPS):
            pair.take()


def test_steps_are_repeated_with_the_same_answer(store: ChordStore) -> None:
    """A caller whose answer was lost asks again."""
    store.resize("g", 1, "call")
    part = Part("t0", 0, b'[0, "t0", "SUCCESS", 1]')
    assert [store.record("g", part, None) for _ in range(2)] == [Recorded.FULL] * 2
    store.resize("g", 1, "call")
    granted = [store.claim("g", "me", 30.0, None) for _ in range(2)]
    assert [claim.kind for claim in granted] == [Claimed.GRANTED] * 2
    assert list(granted[1].payloads) == [part.payload]
    held = store.claim("g", "other", 30.0, None)
    assert held.kind is Claimed.HELD
    assert 29 < held.seconds <= 30
    assert not store.finish("g", "other")
    assert [store.finish("g", "me") for _ in range(2)] == [True] * 2
    assert store.record("g", part, None) is Recorded.DONE
    assert store.claim("g", "other", 30.0, None).kind is Claimed.DONE


def test_a_claim_that_was_taken_over_is_lost(tried: Tried) -> None:
    """And one that ran out without that is not."""
    store = tried.store
    store.resize("g", 1, "call")
    store.record("g", Part("t0", 0, b"[]"), None)
    assert store.claim("g", "slow", LEASE, None).kind is Claimed.GRANTED
    tried.end_lease("g")
    assert store.claim("g", "next", LEASE, None).kind is Claimed.GRANTED
    assert not store.finish("g", "slow")
    assert store.finish("g", "next")
    store.resize("h", 1, "call")
    store.record("h", Part("t0", 0, b"[]"), None)
    assert store.claim("h", "slow", LEASE, None).kind is Claimed.GRANTED
    tried.end_lease("h")
    assert store.finish("h", "slow")


def test_an_old_claim_does_not_finish_a_new_run(store: ChordStore) -> None:
    """The run that it was of is over."""
    store.resize("g", 1, "first")
    store.record("g", Part("t0", 0, b"[]"), None)
    store.claim("g", "slow", 30.0, None)
    store.open("g", 1, None)
    assert not store.finish("g", "slow")
    assert store.record("g", Part("t0", 0, b"[]"), None) is Recorded.FULL
