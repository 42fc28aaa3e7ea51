"""Chords that checks run: their ids, their requests, the deliveries of their parts, and the calls of their bodies."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resultspec_conformance.subject.client import Client, UnexpectedOutcome
from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.subject.outbox import SentCall
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.wire.values import Value, same, show

ChordShape = Sequence[Any]
"""The shape of a header: each member is None for a task, or a list of members for a group."""

FLAT_HEADERS: Sequence[ChordShape] = tuple([None] * count for count in range(6))
"""Flat headers by their number of tasks."""

BUSY_PAUSE_SECONDS = 0.05
"""Seconds until a delivery is repeated that was refused with Busy."""


def signature(task_id: str | None, **options: Any) -> dict[str, Any]:
    """Return a signature of a single task, without an id if `task_id` is None."""
    given = options if task_id is None else {"task_id": task_id, **options}
    return {
        "task": "resultspec.body",
        "args": [],
        "kwargs": {},
        "options": given,
        "subtask_type": None,
        "immutable": False,
    }


def errback(ctx: Context) -> dict[str, Any]:
    """Return the signature of an errback."""
    return {**signature(ctx.new_id("errback")), "task": "resultspec.errback"}


def group_of(*signatures: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group of signatures as a signature with an id of its own."""
    whole = signature(f"group-of-{signatures[0]['options']['task_id']}")
    return {**whole, "task": "celery.group", "kwargs": {"tasks": list(signatures)}, "subtask_type": "group"}


def chain_of(*signatures: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chain of signatures as a signature, whose id is that of its last step."""
    whole = signature(signatures[-1]["options"]["task_id"])
    return {**whole, "task": "celery.chain", "kwargs": {"tasks": list(signatures)}, "subtask_type": "chain"}


def heads(body: Mapping[str, Any]) -> list[str]:
    """Return the ids of the tasks with which a body starts: of a group all members, of a chain the first step."""
    members = list((body.get("kwargs") or {}).get("tasks") or ())
    match body.get("subtask_type"):
        case "group":
            return [head for member in members for head in heads(member)]
        case "chain":
            return heads(members[0])
    task_id = (body.get("options") or {}).get("task_id")
    return [] if task_id is None else [str(task_id)]


def leaves(shape: Any) -> int:
    """Return the number of tasks in a header."""
    return 1 if shape is None else sum(leaves(member) for member in shape)


def nested(shape: ChordShape, values: Sequence[Value]) -> list[Value]:
    """Return values in the shape of a header."""
    left = iter(values)
    return _filled(shape, left)


def results_in(values: Sequence[Value]) -> list[Value]:
    """Return what is in lists and in the lists in them, in its order."""
    return [leaf for value in values for leaf in (results_in(value) if isinstance(value, list) else [value])]


def _filled(shape: ChordShape, left: Iterator[Value]) -> list[Value]:
    return [next(left) if member is None else _filled(member, left) for member in shape]


ABOUT_THE_LIST = frozenset({"CHORD-8", "CHORD-9"})
"""The requirements that a body gets its results in one list."""


@dataclass
class Chord:
    """One chord.

    `ids` are the ids of the header's tasks, in order; two may be equal. `body` is a signature, which the parts carry
    with the `size` that the client says.
    """

    ctx: Context
    shape: ChordShape
    body: dict[str, Any]
    group_id: str
    ids: list[str]
    body_id: str | None = None
    size: int | None = None
    counting: list[Operation] = field(default_factory=list)

    @classmethod
    def of(
        cls, ctx: Context, shape: ChordShape, body: dict[str, Any] | None = None, ids: Sequence[str] = ()
    ) -> "Chord":
        """Make a chord; by default its body is a single task with an id."""
        made = signature(ctx.new_id("body")) if body is None else body
        names = list(ids) or [ctx.new_id("part") for _ in range(leaves(shape))]
        return cls(ctx, shape, made, ctx.new_id("chord"), names, made["options"].get("task_id"))

    @property
    def header(self) -> list[Any]:
        """The result tuple of the header's group."""
        left = iter(self.ids)

        def member(shape: Any) -> list[Any]:
            if shape is None:
                return [[next(left), None], None]
            return [[self.ctx.new_id("group"), None], [member(inner) for inner in shape]]

        return [[self.group_id, None], [member(inner) for inner in self.shape]]

    def request(self, index: int) -> dict[str, Any]:
        """Return the request of a part."""
        body = self.body if self.size is None else {**self.body, "chord_size": self.size}
        return {"id": self.ids[index], "group": self.group_id, "group_index": index, "chord": body}

    # -- the client ----------------------------------------------------------------------------

    def apply(self, client: Client, size: int | None = None) -> "Chord":
        """Apply the chord as Celery's canvas does, which says the size in both ways: by default the number of parts.

        Where `set_chord_size` is known to fail, the parts alone carry the size.
        """
        self.size = len(self.ids) if size is None else size
        self.apply_without_size(client)
        if self.ctx.usable(["set_chord_size"]):
            self.resize(client, self.size)
        return self

    def apply_without_size(self, client: Client) -> "Chord":
        """Apply the chord. A body without an id takes the one that it got."""
        found = client.call("apply_chord", group_id=self.group_id, header=self.header, body=self.body)
        if found is not None and self.body_id is None:
            self.body_id = str(found)
            self.body = {**self.body, "options": {**self.body["options"], "task_id": self.body_id}}
        return self

    def again(self, shape: ChordShape | None = None) -> "Chord":
        """Return the same chord with new parts, as the canvas gives them new ids when a chord is applied again."""
        renewed = Chord.of(self.ctx, self.shape if shape is None else shape, self.body)
        renewed.group_id, renewed.body_id = self.group_id, self.body_id
        return renewed

    def resize(self, client: Client, size: int) -> None:
        """Set the number of parts."""
        client.call("set_chord_size", group_id=self.group_id, size=size)

    # -- the workers ---------------------------------------------------------------------------

    def store(self, client: Client, index: int, result: Value, state: str = "SUCCESS") -> None:
        """Store the result of a part, as a worker does before it counts; the outcome is not judged here."""
        request = {"id": self.ids[index], "group": self.group_id}
        client.attempt("store_result", task_id=self.ids[index], result=result, state=state, request=request)

    def count(self, client: Client, index: int, result: Value, state: Value) -> Outcome:
        """Deliver a part to a counter, once."""
        operation = client.perform("on_chord_part_return", request=self.request(index), state=state, result=result)
        self.counting.append(operation)
        return operation.outcome or Outcome("info", error="Unknown")

    def deliver(self, client: Client, index: int, result: Value = None, state: str = "SUCCESS") -> None:
        """Let a part return: store its result and count it, and repeat that after Busy. Raises UnexpectedOutcome."""
        self.store(client, index, result, state)
        self.count_until_accepted(client, index, result, state)

    def count_until_accepted(self, client: Client, index: int, result: Value, state: str = "SUCCESS") -> None:
        """Count a part, and repeat that after Busy as long as a claim can be held. Raises UnexpectedOutcome."""
        until = time.monotonic() + self.ctx.capabilities.chord_lease + 2 * self.ctx.grace
        while (outcome := self.count(client, index, result, state)).error == "Busy" and time.monotonic() < until:
            time.sleep(BUSY_PAUSE_SECONDS)
        if outcome.kind != "ok":
            raise UnexpectedOutcome(self.counting[-1], outcome)

    def settle(self, client: Client) -> None:
        """Let a store that polls look for completed chords."""
        client.call("settle", deadline=1.0)

    # -- the outcome ----------------------------------------------------------------------------

    @property
    def calls(self) -> list[SentCall]:
        """The calls of the body so far: those that start the first of the tasks with which it starts."""
        starts = heads(self.body)
        return self.ctx.outbox.calls(starts[0]) if starts else []

    def require_not_called(self, requirement: str, why: str) -> None:
        """Require that nothing of the body has been called."""
        ids = sorted(SentCall(self.body, ()).task_ids)
        calls = [sent for task_id in ids for sent in self.ctx.outbox.calls(task_id)]
        got = f"the body was called with {show([list(sent.args) for sent in calls])}"
        self.ctx.require(requirement, not calls, got=got, allowed=f"no call: {why}")

    def require_called_once(self, requirement: str) -> list[Value]:
        """Require that the body was called exactly once, as a whole or as its members; return the arguments."""
        for task_id in heads(self.body) or [""]:
            count = len(self.ctx.outbox.calls(task_id)) if task_id else 0
            got = f"the body was called {count} times" if count else "the body was not called"
            self.ctx.require(requirement, count == 1, got=got, allowed="exactly one call of the body")
        return list(self.calls[0].args)

    def require_called_with(self, requirement: str, values: Sequence[Value], count: str = "") -> None:
        """Require exactly one call (requirement `count`, if given) with the values in the shape of the header.

        Where the sentence is not about the list in which they are, one argument for each of its members is right too.
        What a store makes of a value of any task is not a matter of chords.
        """
        args = self.require_called_once(count or requirement)
        expected = nested(self.shape, values)

        def holds_for(results: list[Value]) -> bool:
            return same(args, [results]) or (requirement not in ABOUT_THE_LIST and same(args, results))

        holds = holds_for(expected) or holds_for(nested(self.shape, [self._as_read(value) for value in values]))
        got = f"the body was called with {show(args)}"
        self.ctx.require(requirement, holds, got=got, allowed=f"one positional argument: {show(expected)}")

    def _as_read(self, value: Value) -> Value:
        """Return what `get_result` returns of a value that a task has stored which is not in a chord."""
        with self.ctx.off_the_record():
            client, task_id = self.ctx.client("reader"), self.ctx.new_id()
            client.attempt("store_result", task_id=task_id, result=value, state="SUCCESS")
            if self.ctx.usable(["get_result"]):
                found = client.attempt("get_result", task_id=task_id)
            else:
                found = client.member(task_id, "result")
        return found.value if found.kind == "ok" else value
