"""Chords of the small correct backend: one record for each, changed by the server in atomic steps."""

import contextlib
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.core import CorrectCore

CHORD_KEY_PREFIX = "chord-unlock-"

Record = dict[str, Any]
"""`leaves`, `shape`, `size`, `added`; `parts`: index, id, state and result by name; `claim`; `done`."""


class ChordError(Exception):
    """A part of a chord has failed."""


class WithChords(CorrectCore):
    """Counts chords."""

    app: Any = None
    lease = 0.6
    life_of_record: float | None = 3600.0
    life_of_mark: float | None = 3600.0
    _tokens = itertools.count(1)

    # -- the client ----------------------------------------------------------------------------

    def apply_chord(self, header: tuple[str, Sequence[Any]], body: Any, **options: Any) -> None:
        """Begin a run."""
        group_id, results = header
        self.give_id(body, group_id)
        shape = [self.shape_of(result.as_tuple()) for result in results]
        leaves = self.leaves(shape)
        if leaves:
            self.step(group_id, lambda record: self.begin(record, leaves, shape))
        else:
            self.apply_empty(body, shape)

    def apply_empty(self, body: Any, shape: list[Any]) -> None:
        """Call the body of a chord without parts."""
        self.send(body, shape)

    def give_id(self, body: Any, group_id: str) -> None:
        """Give a single body an id that has none."""
        if not body.get("subtask_type"):
            body["options"].setdefault("task_id", f"body-of-{group_id}")

    def shape_of(self, result: Any) -> Any:
        """Return the id of a task, or a list of them for a group."""
        (task_id, _), members = result
        return task_id if members is None else [self.shape_of(member) for member in members]

    def leaves(self, shape: list[Any]) -> int:
        """Return the number of tasks in a header."""
        return sum(self.leaves(member) if isinstance(member, list) else 1 for member in shape)

    def set_chord_size(self, group_id: str, size: int) -> None:
        """Set the size."""
        self.step(group_id, lambda record: self.resize(record, size))

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """Let there be one part more."""
        self.step(group_id, lambda record: record.update(added=record.get("added", 0) + 1))

    # -- the record ----------------------------------------------------------------------------

    def step(self, group_id: str, change: Any, sent: int = 100) -> Any:
        """Change the record of a chord in one step."""
        key = self.prefix + CHORD_KEY_PREFIX + group_id
        return self.steadily(lambda: self.link.change(key, change, self.life_of_chord, sent))

    def life_of_chord(self, record: Record) -> float | None:
        """Return the seconds that a record lives."""
        return self.life_of_mark if record.get("done") else self.life_of_record

    def begin(self, record: Record, leaves: int, shape: list[Any]) -> None:
        """Forget every older run."""
        record.clear()
        record.update(leaves=leaves, shape=shape)

    def resize(self, record: Record, size: int) -> None:
        """Set the size; a second one, or one after the decision, is that of a new run."""
        if record.get("done") or "size" in record:
            record.clear()
        record["size"] = size

    def record_part(self, record: Record, name: str, part: list[Any], hint: int | None) -> str:
        """Keep a part, and say whether the chord is full."""
        if record.get("done"):
            return "done"
        record.setdefault("parts", {}).setdefault(name, part)
        return "full" if self.is_full(record, hint) else "counted"

    def needed(self, record: Record, hint: int | None) -> int | None:
        """Return the number of parts, None if it is not known."""
        size = record.get("size", hint if hint is not None else record.get("leaves"))
        return None if size is None else size + record.get("added", 0)

    def is_full(self, record: Record, hint: int | None) -> bool:
        """Whether all parts have returned."""
        needed = self.needed(record, hint)
        return needed is not None and len(record.get("parts", {})) >= needed

    def claim(self, record: Record, token: str, hint: int | None) -> Any:
        """Return the record if the decision is the caller's, the seconds to wait, or None if there is none to make."""
        if record.get("done") or not self.is_full(record, hint):
            return None
        holder, until = record.get("claim", ("", 0.0))
        if holder not in ("", token) and time.monotonic() < until:
            return until - time.monotonic()
        record["claim"] = [token, time.monotonic() + self.lease]
        return dict(record)

    def finish(self, record: Record, token: str) -> bool:
        """Keep no more than that the chord is decided."""
        if record.get("claim", [""])[0] != token:
            return bool(record.get("done") == token)
        record.clear()
        record["done"] = token
        return True

    # -- the worker ----------------------------------------------------------------------------

    def completes(self, state: str) -> bool:
        """Whether a part that returns in this state counts."""
        return STATES.is_ready(state)

    def part_name(self, request: Any) -> str:
        """Return the identity of a part."""
        return f"{request.id}:{request.group_index}"

    def hint_of(self, request: Any) -> int | None:
        """Return the size that a message says."""
        found: int | None = request.chord.get("chord_size")
        return request.chord_size if found is None else found

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> None:
        """Count a part, and decide the chord if it was the last."""
        if not self.completes(state):
            return
        kept = self.dump({"part": [self.prepare(result, state)]}).hex()
        part = [request.group_index, request.id, state, kept]
        hint = self.hint_of(request)
        name = self.part_name(request)
        found = self.step(request.group, lambda record: self.record_part(record, name, part, hint), 100 + len(kept))
        self.recorded(request, found)
        if found == "full":
            self.take_over(request, hint)

    def recorded(self, request: Any, found: str) -> None:
        """A part was recorded, or came too late."""

    def take_over(self, request: Any, hint: int | None) -> None:
        """Claim the decision, wait while another holds it, and decide."""
        token = f"{os.getpid()}-{next(self._tokens)}"
        while True:
            claimed = self.take_claim(request, token, hint)
            if not isinstance(claimed, float):
                break
            self.meet_claim(claimed)
        if claimed is not None:
            self.decide(request, claimed, token)

    def take_claim(self, request: Any, token: str, hint: int | None) -> Any:
        """Claim the decision."""
        return self.step(request.group, lambda record: self.claim(record, token, hint))

    def meet_claim(self, seconds: float) -> None:
        """Wait a little for one who decides, and who may be dead."""
        time.sleep(min(seconds, 0.005))

    def decide(self, request: Any, record: Record, token: str) -> None:
        """Call the body or fail it, and note that this was done."""
        self.deliver(request, record)
        self.step(request.group, lambda there: self.finish(there, token))

    def deliver(self, request: Any, record: Record) -> None:
        """Call the body with the results, or fail it."""
        parts = sorted(record["parts"].values(), key=self.place)
        failed = [part for part in parts if self.has_failed(part[2])]
        body = self.body_of(request)
        if failed:
            self.fail(body, self.error_of(failed[0]))
            self.call_errbacks(body)
        else:
            values = [self.value_of(part) for part in parts]
            self.call(body, self.arrange(values, parts, record.get("shape") or []))

    def body_of(self, request: Any) -> Mapping[str, Any]:
        """Return the body that comes with a request."""
        body: Mapping[str, Any] = request.chord
        return body

    def place(self, part: Sequence[Any]) -> Any:
        """Return what the parts are sorted by."""
        return part[0]

    def has_failed(self, state: str) -> bool:
        """Whether a part in this state fails the chord."""
        return state in STATES.sets["PROPAGATE"]

    def value_of(self, part: Sequence[Any]) -> Any:
        """Return what a part has returned."""
        return self.restore(self.parse(self.decompress(bytes.fromhex(part[3])))["part"][0], part[2])

    def arrange(self, values: list[Any], parts: list[Any], shape: list[Any]) -> list[Any]:
        """Return the results in the shape of the header; those that were added come last."""
        left = iter(values)
        arranged = self.fill(shape, left) if len(values) >= self.leaves(shape) else []
        return [*arranged, *left]

    def fill(self, shape: list[Any], left: Any) -> list[Any]:
        """Return a shape with its leaves replaced by values."""
        return [self.fill(member, left) if isinstance(member, list) else next(left, None) for member in shape]

    # -- the outcome ---------------------------------------------------------------------------

    def send(self, signature: Mapping[str, Any], argument: Any) -> None:
        """Have a signature called."""
        self.app.signature(signature).apply_async((argument,))

    def call(self, body: Mapping[str, Any], values: list[Any]) -> None:
        """Call the body; fail it if that is not possible."""
        try:
            self.send(body, values)
        except Exception as error:  # noqa: BLE001 - a broker may raise anything
            self.refused(body, ChordError(f"the body cannot be called: {error!r}"))

    def refused(self, body: Mapping[str, Any], error: Exception) -> None:
        """Fail a body that cannot be called."""
        self.fail(body, error)
        self.call_errbacks(body)

    def error_of(self, part: Sequence[Any]) -> Exception:
        """Return what the body of a failed chord fails with."""
        return ChordError(f"part {part[1]} has failed: {self.value_of(part)!r}")

    def tasks_of(self, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the single tasks of a body."""
        if not body.get("subtask_type"):
            return [body]
        return [task for member in body["kwargs"]["tasks"] for task in self.tasks_of(member)]

    def fail(self, body: Mapping[str, Any], error: Exception) -> None:
        """Make every task of a body a failure."""
        for task in self.tasks_of(body):
            options = task["options"]
            self.store_result(options["task_id"], error, "FAILURE")
            if options.get("chord"):
                self.fail_around(options, error)

    def fail_around(self, options: Mapping[str, Any], error: Exception) -> None:
        """Count a body that has failed as a part of the chord around it."""
        self.on_chord_part_return(_Part(options), "FAILURE", error)

    def call_errbacks(self, body: Mapping[str, Any]) -> None:
        """Call the errbacks of a body."""
        for errback, task_id in self.errbacks_of(body):
            self.call_errback(errback, task_id)

    def errbacks_of(self, body: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
        """Return the errbacks of a body and of the members of a group, each with the id that it is called with."""
        options = body["options"]
        found = [(errback, options["task_id"]) for errback in options.get("link_error", ())]
        members = body["kwargs"]["tasks"] if body.get("subtask_type") == "group" else []
        return [*found, *(one for member in members for one in self.errbacks_of(member))]

    def call_errback(self, errback: Mapping[str, Any], task_id: str) -> None:
        """Call an errback; one that cannot be called is left out."""
        with contextlib.suppress(Exception):
            self.send(errback, task_id)


class _Part:
    """The request of a body, as a part of the chord around it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.id = options["task_id"]
        self.group = options["group_id"]
        self.group_index = options["group_index"]
        self.chord = options["chord"]
        self.chord_size = None
