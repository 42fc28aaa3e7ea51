"""The oracle: a sequential model of one store, which interprets the state table of the specification.

A model is pure. What may be in the store for a task is a *set* of writes (None: nothing), because correct stores may
differ: where a choice is not declared, or where a call's fate is unknown, both outcomes stay possible until a read
tells them apart. A history is wrong only if the set becomes empty.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resultspec import STATES
from resultspec_conformance.wire.values import ExceptionData, Value, same, show


@dataclass(frozen=True)
class Write:
    """A store of a task, told from all others by its number; the rest is what a reader must find."""

    number: int
    state: str = field(compare=False)
    result: Value = field(compare=False, default=None)
    traceback: str | None = field(compare=False, default=None)
    children: tuple[Any, ...] | None = field(compare=False, default=None)
    group_id: str | None = field(compare=False, default=None)
    parent_id: str | None = field(compare=False, default=None)

    @classmethod
    def of(cls, number: int, args: Mapping[str, Value]) -> "Write":
        """Return the write that the arguments of `store_result` describe."""
        request = args.get("request") or {}
        children = request.get("children")
        return cls(
            number=number,
            state=args["state"],
            result=args.get("result"),
            traceback=args.get("traceback"),
            children=None if children is None else tuple(children),
            group_id=request.get("group"),
            parent_id=request.get("parent_id"),
        )

    def as_args(self, task_id: str) -> dict[str, Value]:
        """Return the arguments of `store_result` for this write."""
        args: dict[str, Value] = {"task_id": task_id, "result": self.result, "state": self.state}
        if self.traceback is not None:
            args["traceback"] = self.traceback
        request = {"children": self.children, "group": self.group_id, "parent_id": self.parent_id}
        given = {name: value for name, value in request.items() if value is not None}
        if given:
            args["request"] = {"id": task_id, **given}
        if "children" in given:
            args["request"]["children"] = list(given["children"])
        return args


Possible = frozenset[Write | None]
"""What may be in the store for a task."""

NOTHING: Possible = frozenset({None})

MEMBER_RULES: Mapping[str, str] = {
    "result": "VALUE-1",
    "traceback": "META-5",
    "children": "META-7",
    "group_id": "META-11",
    "parent_id": "META-11",
}
"""The requirement that a member breaks which is wrong, and is not that of another write either."""


def after_store(there: Write | None, arriving: Write, late_unready: str | None) -> Possible:
    """Return what may be there after a store; `late_unready` None: the choice is not declared, either is possible."""
    choices: Iterable[str] = STATES.choices["late_unready"] if late_unready is None else [late_unready]
    before = there.state if there is not None else None
    actions = {STATES.decide(before, arriving.state, late_unready=choice) for choice in choices}
    return frozenset(arriving if action == "replace" else there for action in actions)


def expected_result(write: Write) -> Value:
    """Return the result that a reader must find for a portable value: lists for tuples, an exception for a value."""
    if write.state not in STATES.sets["EXCEPTION"] or isinstance(write.result, ExceptionData):
        return write.result
    if write.result is None and write.state == "RETRY":
        return None
    return ExceptionData("Exception", "builtins", (write.result,))


def instant(date_done: Value) -> dt.datetime | None:
    """Return `date_done` as an aware datetime: from text with an offset, or as it is. Raises ValueError."""
    if date_done is None:
        return None
    moment = dt.datetime.fromisoformat(date_done) if isinstance(date_done, str) else date_done
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        raise ValueError(f"{date_done!r} does not name an instant: it has no offset")
    return moment


def expected_members(there: Write | None) -> dict[str, Value]:
    """Return what a reader must find where `there` is stored, by member; null for empty children (META-8)."""
    if there is None:
        return {"status": "PENDING", "result": None}
    return {
        "status": there.state,
        "result": expected_result(there),
        "traceback": there.traceback,
        "children": list(there.children) if there.children else None,
        "group_id": there.group_id,
        "parent_id": there.parent_id,
    }


def wrong_members(there: Write | None, meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return the members of a meta that are not what a reader must find for `there`, and what they must be."""
    found = {**meta, "children": meta.get("children") or None}
    return {name: value for name, value in expected_members(there).items() if not same(found.get(name), value)}


def left_over(there: Write | None, others: Iterable[Write], meta: Mapping[str, Value]) -> list[str]:
    """Return the members that are wrong for `there` because they are those of another write."""
    rest = [expected_members(other) for other in others if other != there]
    return [
        name
        for name in wrong_members(there, meta)
        if meta.get(name) and any(same(meta[name], other[name]) for other in rest)
    ]


def complaint(there: Write | None, meta: Mapping[str, Value]) -> str | None:
    """Return why a meta is not what a reader must find where `there` is stored, or None if it is."""
    wrong = wrong_members(there, meta)
    if not wrong:
        return None
    return ", ".join(f"{name} is {show(meta.get(name))} and not {show(value)}" for name, value in wrong.items())


@dataclass(frozen=True)
class Change:
    """A store, or a forget, whose `arriving` is None: what may have been there, and the requirement that decided."""

    before: Possible
    arriving: Write | None
    rule: str


@dataclass
class Model:
    """The store as far as it is known from a sequence of operations; every method changes the knowledge only.

    `rules`: the requirement that decided the last change of each task; `wholeness`: the one that forbids to mix the
    entry that is there now with another; `changes`: those that were not read yet; `written`: all that was ever
    stored.
    """

    late_unready: str | None
    entries: dict[str, Possible] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    wholeness: dict[str, str] = field(default_factory=dict)
    changes: dict[str, list["Change"]] = field(default_factory=dict)
    written: dict[str, list[Write]] = field(default_factory=dict)

    def possible(self, task_id: str) -> Possible:
        """Return what may be there."""
        return self.entries.get(task_id, NOTHING)

    def rule_for(self, task_id: str, arriving: Write) -> str:
        """Return the requirement that decides what a store does now."""
        if self.rules.get(task_id) == "READ-4":
            return "STATE-11"
        states = {there.state if there is not None else None for there in self.possible(task_id)}
        return min(STATES.requirement(state, arriving.state) for state in states)

    def store(self, task_id: str, arriving: Write, *, certain: bool = True) -> None:
        """A store has returned; or, not `certain`, its fate is unknown."""
        before = self.possible(task_id)
        self.written.setdefault(task_id, []).append(arriving)
        self.rules[task_id] = self.rule_for(task_id, arriving)
        after = frozenset(kept for there in before for kept in after_store(there, arriving, self.late_unready))
        self.wholeness[task_id] = "STATE-8" if arriving in after else "STATE-9"
        self._note_change(task_id, arriving)
        self.entries[task_id] = after if certain else before | after

    def forget(self, task_id: str) -> None:
        """The task was forgotten."""
        self.rules[task_id] = self.wholeness[task_id] = "READ-4"
        self._note_change(task_id, None)
        self.entries[task_id] = NOTHING

    def _note_change(self, task_id: str, arriving: Write | None) -> None:
        change = Change(self.possible(task_id), arriving, self.rules[task_id])
        self.changes.setdefault(task_id, []).append(change)

    def read(self, task_id: str, meta: Mapping[str, Value]) -> tuple[str, str | None]:
        """A read returned a meta: narrow what may be there.

        Returns the requirement that was tested, and why no possibility explains the meta, or None if one does.
        """
        possible = self.possible(task_id)
        explained = frozenset(there for there in possible if complaint(there, meta) is None)
        if explained:
            self.entries[task_id] = explained
            self.changes.pop(task_id, None)
            return self.rules.get(task_id, "META-2"), None
        nearest = min(possible, key=lambda there: len(wrong_members(there, meta)))
        return self._blame(task_id, nearest, meta), complaint(nearest, meta)

    def _blame(self, task_id: str, nearest: Write | None, meta: Mapping[str, Value]) -> str:
        """Return the requirement that a meta breaks which is most like that of `nearest`, and is not the same."""
        for change in reversed(self.changes.get(task_id, ())):
            # it is there and had no right to, or is still there and did not give way, whatever came after it
            if any(complaint(there, meta) is None for there in (change.arriving, *change.before) if there):
                return change.rule
        wrong = wrong_members(nearest, meta)
        if nearest is None or "status" in wrong:
            return self.rules.get(task_id, "META-2")
        remains = left_over(nearest, self.written[task_id], meta)
        if remains:
            return self.rules[task_id] if "result" in remains else self.wholeness[task_id]
        name = next(iter(wrong))
        if name == "result" and nearest.state in STATES.sets["EXCEPTION"]:
            return "EXC-1"
        return MEMBER_RULES[name]
