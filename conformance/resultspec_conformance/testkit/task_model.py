"""The oracle: a sequential model of one store, which interprets the state table of the specification.

A model is pure. The possible content of the store for a task is a *set* of writes (None: nothing), because correct
stores may differ: if a choice is not declared, or the outcome of a call is unknown, both outcomes stay possible until a
read distinguishes them. A history is wrong only if the set becomes empty.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resultspec import STATES
from resultspec_conformance.text.differences import around_difference
from resultspec_conformance.wire.values import ExceptionData, Value, same, show


@dataclass(frozen=True)
class Write:
    """A store of a task, identified by its number; the other members are what a reader must find."""

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
"""The requirement that a wrong member violates, unless the member is that of another write."""


def after_store(stored: Write | None, arriving: Write, late_unready: str | None) -> Possible:
    """Return what may be stored after a store; if `late_unready` is not declared (None), both choices are possible."""
    choices: Iterable[str] = STATES.choices["late_unready"] if late_unready is None else [late_unready]
    before = stored.state if stored is not None else None
    actions = {STATES.decide(before, arriving.state, late_unready=choice) for choice in choices}
    return frozenset(arriving if action == "replace" else stored for action in actions)


def expected_result(write: Write) -> Value:
    """Return the result that a reader must find: in exception states, a value becomes an exception."""
    if write.state not in STATES.sets["EXCEPTION"] or isinstance(write.result, ExceptionData):
        return write.result
    if write.result is None and write.state == "RETRY":
        return None
    return ExceptionData("Exception", "builtins", (write.result,))


def moment_of(date_done: Value) -> dt.datetime | None:
    """Return `date_done` as a datetime, from text or a datetime. Raises ValueError."""
    moment = dt.datetime.fromisoformat(date_done) if isinstance(date_done, str) else date_done
    if moment is not None and not isinstance(moment, dt.datetime):
        raise ValueError(f"{date_done!r} does not name an instant")
    return moment


def instant(date_done: Value) -> dt.datetime | None:
    """Return `date_done` as an aware datetime, from text or a datetime. Raises ValueError."""
    moment = moment_of(date_done)
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{date_done!r} does not name an instant: it has no offset")
    return moment


def expected_members(stored: Write | None) -> dict[str, Value]:
    """Return what a reader must find for the stored write, by member; empty children are null (META-8)."""
    if stored is None:
        return {"status": "PENDING", "result": None}
    return {
        "status": stored.state,
        "result": expected_result(stored),
        "traceback": stored.traceback,
        "children": list(stored.children) if stored.children else None,
        "group_id": stored.group_id,
        "parent_id": stored.parent_id,
    }


def member_rule(name: str, state: str) -> str:
    """Return the requirement that a wrong member violates, unless it is that of another write."""
    if name == "status":
        return "STATE-1"
    return "EXC-1" if name == "result" and state in STATES.sets["EXCEPTION"] else MEMBER_RULES[name]


def wrong_members(
    stored: Write | None, meta: Mapping[str, Value], broken: frozenset[str] = frozenset()
) -> dict[str, Value]:
    """Return the wrong members of a meta for the stored write, with the values that they must have.

    A member is not compared if the requirement about it is known to be `broken`.
    """
    found = _with_null_children(meta)
    return {
        name: value
        for name, value in expected_members(stored).items()
        if not same(found.get(name), value)
        and (name == "status" or stored is None or member_rule(name, stored.state) not in broken)
    }


def _with_null_children(meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return a meta in which empty children are null (META-8)."""
    return {**meta, "children": meta.get("children") or None}


def _is_empty(member: Value) -> bool:
    """Whether a member is as it is where nothing is stored: an empty text is something."""
    return member is None or member == []


def left_over(
    stored: Write | None, others: Iterable[Write], meta: Mapping[str, Value], broken: frozenset[str] = frozenset()
) -> list[str]:
    """Return the members that are wrong because they are those of another write.

    A null and an empty list are what a backend that loses a member shows as well, so they are not evidence.
    """
    rest = [expected_members(other) for other in others if other != stored]
    return [
        name
        for name in wrong_members(stored, meta, broken)
        if not _is_empty(meta.get(name)) and any(same(meta[name], other[name]) for other in rest)
    ]


def complaint(stored: Write | None, meta: Mapping[str, Value], broken: frozenset[str] = frozenset()) -> str | None:
    """Return why a meta is wrong for the stored write, or None if it is correct, except for what is `broken`."""
    wrong = wrong_members(stored, meta, broken)
    if not wrong:
        return None
    texts = {name: around_difference(show(meta.get(name)), show(value), 300) for name, value in wrong.items()}
    return ", ".join(f"{name} is {found} and not {right}" for name, (found, right) in texts.items())


def reads_as_unknown(meta: Mapping[str, Value]) -> bool:
    """Whether a meta is that of a task of which nothing is stored; one that was stored as PENDING can read like it."""
    return complaint(None, meta) is None and all(_is_empty(meta.get(name)) for name in MEMBER_RULES)


@dataclass(frozen=True)
class Change:
    """A store or a forget (`arriving` is None): what may have been stored before, and the requirement that decides.

    That is by the states alone: a write which a read has found was accepted, also if it was the first after `forget`.
    """

    before: Possible
    arriving: Write | None
    rule: str


@dataclass
class Model:
    """What is known about the store from a sequence of operations; methods change only this knowledge.

    `broken`: requirements that are known to be violated, so members about which they speak are not compared.
    `rules`: the requirement that decided the last change of each task; `wholeness`: the one that forbids mixing the
    current entry with another; `changes`: the changes since the last read; `written`: all writes.
    """

    late_unready: str | None
    broken: frozenset[str] = frozenset()
    entries: dict[str, Possible] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    wholeness: dict[str, str] = field(default_factory=dict)
    changes: dict[str, list["Change"]] = field(default_factory=dict)
    written: dict[str, list[Write]] = field(default_factory=dict)

    def possible(self, task_id: str) -> Possible:
        """Return what may be stored for a task."""
        return self.entries.get(task_id, NOTHING)

    def rule_for(self, task_id: str, arriving: Write) -> str:
        """Return the requirement that decides what a store of this write does now."""
        if self._is_forgotten(task_id):
            # until a read has seen an entry again, nothing shows that the first write after `forget` was accepted
            return "STATE-11"
        return self._rule_of_states(task_id, arriving)

    def rule_of_error(self, task_id: str, arriving: Write) -> str:
        """Return the requirement that a store of this write violates now if it ends in an error."""
        if self._is_forgotten(task_id) and self.possible(task_id) == NOTHING:
            return "STATE-11"
        return self._rule_of_states(task_id, arriving) if arriving in self._after(task_id, arriving) else "STATE-10"

    def _is_forgotten(self, task_id: str) -> bool:
        """Whether a task was forgotten, and no read has seen an entry since."""
        return any(change.rule == "READ-4" for change in self.changes.get(task_id, ()))

    def _after(self, task_id: str, arriving: Write) -> Possible:
        """Return what may be stored after a store of this write."""
        before = self.possible(task_id)
        return frozenset(kept for stored in before for kept in after_store(stored, arriving, self.late_unready))

    def _rule_of_states(self, task_id: str, arriving: Write) -> str:
        states = {stored.state if stored is not None else None for stored in self.possible(task_id)}
        return min(STATES.requirement(state, arriving.state) for state in states)

    def store(self, task_id: str, arriving: Write, *, certain: bool = True) -> None:
        """A store has returned; if not `certain`, its outcome is unknown."""
        before, after = self.possible(task_id), self._after(task_id, arriving)
        self.written.setdefault(task_id, []).append(arriving)
        self.rules[task_id] = self.rule_for(task_id, arriving)
        self.wholeness[task_id] = "STATE-8" if arriving in after else "STATE-9"
        self._note_change(task_id, arriving)
        self.entries[task_id] = after if certain else before | after

    def forget(self, task_id: str) -> None:
        """The task was forgotten."""
        self.rules[task_id] = self.wholeness[task_id] = "READ-4"
        self._note_change(task_id, None)
        self.entries[task_id] = NOTHING

    def _note_change(self, task_id: str, arriving: Write | None) -> None:
        rule = "READ-4" if arriving is None else self._rule_of_states(task_id, arriving)
        change = Change(self.possible(task_id), arriving, rule)
        self.changes.setdefault(task_id, []).append(change)

    def read(
        self,
        task_id: str,
        meta: Mapping[str, Value],
        alone: Callable[[Write], Mapping[str, Value] | None] | None = None,
    ) -> tuple[str, str | None]:
        """A read returned a meta: narrow what may be stored.

        Returns the requirement that was tested, and why no possibility explains the meta, or None if one does. `alone`
        returns how a write reads that is the only one of its task, if that can be seen: what is wrong even so is not a
        matter of other writes.
        """
        possible = self.possible(task_id)
        explained = frozenset(stored for stored in possible if complaint(stored, meta, self.broken) is None)
        if explained:
            self.entries[task_id] = explained
            self.changes.pop(task_id, None)
            return self.rules.get(task_id, "META-2"), None
        nearest = min(possible, key=lambda stored: len(wrong_members(stored, meta, self.broken)))
        control = alone(nearest) if nearest and alone else None
        lost = _wrong_alone(nearest, meta, control, self.broken) if nearest and control else None
        return self._blame(task_id, nearest, meta, lost), complaint(nearest, meta, self.broken)

    def _blame(self, task_id: str, nearest: Write | None, meta: Mapping[str, Value], lost: Sequence[str] | None) -> str:
        """Return the requirement that a wrong meta violates.

        `nearest` is the write that it resembles most; `lost` are those of its members that read so if it is alone, or
        None if that is not known.
        """
        rules = [member_rule(name, nearest.state) for name in lost or ()] if nearest else []
        if rules and set(lost or ()) >= wrong_members(nearest, meta, self.broken).keys():
            return rules[0]
        if lost is not None and reads_as_unknown(meta):
            # alone, the write of a PENDING is read: here, it was not accepted
            return self.rules[task_id]
        broken = self.broken.union(rules)
        # a PENDING without anything may be that of no write at all
        changes = () if reads_as_unknown(meta) else self.changes.get(task_id, ())
        # the meta is that of a write that must have been refused or replaced by a change
        ended = _rule_that_ended(changes, lambda stored: complaint(stored, meta, broken) is None)
        if ended:
            return ended
        wrong = wrong_members(nearest, meta, broken)
        if nearest is None or "status" in wrong:
            # or it is that of such a write, with other members that are wrong for reasons of their own
            ended = _rule_that_ended(changes, lambda stored: _has_state_and_result(stored, meta, self.broken))
            return ended or self.rules.get(task_id, "META-2")
        remains = left_over(nearest, self.written[task_id], meta, broken)
        if remains:
            return self.rules[task_id] if "result" in remains else self.wholeness[task_id]
        return member_rule(next(iter(wrong)), nearest.state)


def _rule_that_ended(changes: Sequence[Change], resembles: Callable[[Write], bool]) -> str:
    """Return the rule of the last change that should have ended or refused such a write, or an empty text."""
    for change in reversed(changes):
        if any(resembles(stored) for stored in (change.arriving, *change.before) if stored):
            return change.rule
    return ""


def _has_state_and_result(stored: Write, meta: Mapping[str, Value], broken: frozenset[str]) -> bool:
    return wrong_members(stored, meta, broken).keys().isdisjoint({"status", "result"})


def _wrong_alone(
    stored: Write, meta: Mapping[str, Value], alone: Mapping[str, Value], broken: frozenset[str]
) -> list[str]:
    """Return those wrong members of a write that read the same where it is alone."""
    found, control = _with_null_children(meta), _with_null_children(alone)
    return [name for name in wrong_members(stored, meta, broken) if same(found.get(name), control.get(name))]
