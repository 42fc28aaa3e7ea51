"""Calls that are known to fail, and which sentence of the specification their failure violates.

A call that hangs or ends the process is made once: the run remembers its *cause*, which is the operation and the kinds
of its arguments, and does not make such a call again. An operation that fails although its arguments are ordinary is
remembered with its error. An example in which such a call occurs can accuse nothing else.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from string import ascii_letters, digits
from typing import Any, Final

from resultspec import DOMAINS, OPERATIONS, REQUIREMENTS, STATES
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.wire.values import ExceptionData, Value

NOT_CALLED_AGAIN: Final = "not called again"
"""The beginning of an outcome's message if a call was not made because it is known to hang or to end the process."""

HUNG: Final = "hung"
DIED: Final = "died"

_ORDINARY: Final = ""
_GIVEN: Final = "given"
_NOT_AN_ID: Final = "not an id"
_VERY_LARGE: Final = 1e6
_ENDLESS: Final = 100 * 365 * 24 * 3600
"""A hundred years in seconds: waits of up to so many have a rule of their own (WAIT-6, WAIT-16)."""
_USUAL_LENGTH: Final = 64
_USUAL_ID: Final = frozenset(ascii_letters + digits + "-_")
_NUMBERS: Final = frozenset({"timeout", "interval", "life", "size"})
_IDS: Final = frozenset({"task_id", "group_id"})
_VALUES: Final = frozenset({"result", "exc", "reason"})
_OPTIONS: Final = frozenset({"traceback", "request", "max_iterations"})
_CHANGING: Final = re.compile(r"[^\s'\"]*\d[^\s'\"]*|'[^']*'|\"[^\"]*\"")
"""What differs from call to call in the message of one error: words with a digit, as ids are, and quoted values."""

_BY_KIND: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("wait_for", "timeout"): {
        "NaN": "WAIT-7",
        "not a number": "WAIT-7",
        "0": "WAIT-5",
        "negative": "WAIT-5",
        "None": "WAIT-6",
        "very large": "WAIT-6",
        "endless": "WAIT-16",
    },
    ("store_result", "state"): {"custom": "STATE-1"},
    ("wait_for", "interval"): {"NaN": "WAIT-7", "not a number": "WAIT-7", "negative": "WAIT-7"},
    ("get_many", "timeout"): {
        "NaN": "JOIN-10",
        "not a number": "JOIN-10",
        "0": "JOIN-9",
        "negative": "JOIN-9",
        "very large": "JOIN-1",
        "endless": "JOIN-1",
    },
    ("get_many", "interval"): {"NaN": "JOIN-10", "not a number": "JOIN-10", "negative": "JOIN-10"},
}
"""The requirement that a call violates where an argument is not ordinary, by operation, argument and kind."""

_BY_ID: Mapping[str, Mapping[str, str]] = {
    "task_id": {"unusual": "ID-1", "not portable": "ID-3", _NOT_AN_ID: "ID-4", "UUID": "ID-5"},
    "group_id": {"unusual": "GROUP-8", "not portable": "GROUP-8", _NOT_AN_ID: "GROUP-9", "UUID": "GROUP-10"},
}
"""The requirement that any operation violates where an id is not ordinary, by argument and kind."""

_BY_ARGUMENT: Mapping[tuple[str, str], str] = {
    ("store_result", "result"): "VALUE-1",
    ("store_result", "traceback"): "META-5",
    ("store_result", "request"): "META-7",
    ("wait_for", "interval"): "WAIT-4",
    ("get_many", "interval"): "JOIN-7",
    ("get_many", "max_iterations"): "JOIN-13",
    ("get_many", "timeout"): "JOIN-1",
    ("expire", "life"): "EXP-8",
}
"""The same for all other kinds of an argument that are not ordinary."""

_LATE: Mapping[str, str] = {"wait_for": "WAIT-4", "get_many": "JOIN-7"}
"""The requirement that a wait violates if it does not end although its arguments are ordinary."""


def _number_kind(value: Value) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "not a number"
    if value != value:
        return "NaN"
    if value <= 0:
        return "negative" if value < 0 else "0"
    if value > _ENDLESS:
        return "endless"
    return "very large" if value > _VERY_LARGE else _ORDINARY


def _id_kind(value: Value) -> str:
    if isinstance(value, uuid.UUID):
        return "UUID"
    if not isinstance(value, str) or not value:
        return _NOT_AN_ID
    if len(value) > DOMAINS.id_max_length or not set(DOMAINS.id_alphabet).issuperset(value):
        return "not portable"
    return _ORDINARY if len(value) <= _USUAL_LENGTH and _USUAL_ID.issuperset(value) else "unusual"


def _value_kind(value: Value) -> str:
    if isinstance(value, ExceptionData):
        return f"exception {value.type}"
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return _ORDINARY
    return type(value).__name__


def _state_kind(value: Value) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    if value == "SUCCESS":
        return _ORDINARY
    return value if value in STATES.named else "custom"


def _given_kind(value: Value) -> str:
    return _ORDINARY if value is None else _GIVEN


def _kind(name: str, value: Value) -> str:
    if name in _NUMBERS:
        return _number_kind(value)
    if name in _IDS:
        return _id_kind(value)
    if name in _VALUES:
        return _value_kind(value)
    if name == "state":
        return _state_kind(value)
    return _given_kind(value) if name in _OPTIONS else _ORDINARY


Kinds = tuple[tuple[str, str], ...]
"""The arguments of a call that are not ordinary, by name, each with its kind."""


def kinds_of(args: Mapping[str, Value]) -> Kinds:
    """Return the arguments of a call that are not ordinary, each with its kind."""
    named = ((name, _kind(name, value)) for name, value in sorted(args.items()))
    return tuple((name, kind) for name, kind in named if kind != _ORDINARY)


def are_usual(kinds: Kinds) -> bool:
    """Whether arguments are of kinds that many calls have."""
    return all(kind == _GIVEN or name == "state" for name, kind in kinds)


def signature(message: str) -> str:
    """Return what is the same in the messages of one error: its first line without numbers and quoted texts."""
    return _CHANGING.sub("…", message.partition("\n")[0])[:200]


def sentence_about(op: str, args: Mapping[str, Value], how: str) -> str:
    """Return the requirement that a call violates if it fails; `how` is HUNG, DIED or the name of an error."""
    kinds = kinds_of(args)
    # what is to be refused is refused whatever the other arguments are
    by_id = {kind: _BY_ID[name][kind] for name, kind in kinds if name in _BY_ID}
    if _NOT_AN_ID in by_id:
        return by_id[_NOT_AN_ID]
    for name, kind in kinds:
        if kind in _BY_KIND.get((op, name), {}):
            return _BY_KIND[op, name][kind]
    if by_id:
        return next(iter(by_id.values()))
    for name, _ in kinds:
        if (op, name) in _BY_ARGUMENT:
            return _BY_ARGUMENT[op, name]
    return _LATE[op] if how == HUNG and op in _LATE else OPERATIONS[op].requirement


@dataclass(frozen=True)
class CallFailure:
    """A call that is known to fail.

    `op`: the operation. `kinds`: of its arguments; None if it fails whatever they are. `how`: HUNG, DIED or the name of
    an error. `text`: the signature of the error's message, or how the process ended. `requirement`: what its failure
    violates. `check`: the check in which the cause holds; empty for all.
    """

    op: str
    kinds: Kinds | None
    how: str
    requirement: str
    text: str = ""
    check: str = ""

    @property
    def usual(self) -> bool:
        """Whether its arguments are as in many calls: it can hang because of what was done before."""
        return are_usual(self.kinds or ())

    @property
    def call(self) -> str:
        """The call in words, such as `wait_for(timeout NaN)`."""
        return f"{self.op}({', '.join(f'{name} {kind}' for name, kind in self.kinds)})" if self.kinds else self.op

    @property
    def reason(self) -> str:
        """Why a check was not finished, in a few words."""
        return f"{self.call} {self.said} ({self.requirement})"

    @property
    def cause(self) -> str:
        """The call and how it ended, such as `forget: TypeError`; the same for all failures with one cause."""
        if self.how in (HUNG, DIED):
            return f"{self.call} {self.said}"
        return f"{self.op}: {self.text or self.how}"

    @property
    def said(self) -> str:
        """What the call did."""
        return {HUNG: "did not return", DIED: "ended the process"}.get(self.how, "failed")

    @property
    def outcome(self) -> Outcome:
        """The outcome of such a call where it is not made again."""
        ended = f": {self.text}" if self.text else ""
        return Outcome("info", error="Unknown", message=f"{NOT_CALLED_AGAIN}, since it {self.said} before{ended}")

    def blames(self, requirement: str) -> bool:
        """Whether a hang violates the requirement that a check names for hangs: it must be about such a call.

        An operation that hangs whatever it is asked violates the sentence about it, and a hang because of an unusual
        argument the one about that argument; neither violates anything else.
        """
        if self.how != HUNG or not requirement or self.kinds is None or not self.usual:
            return False
        about = REQUIREMENTS[requirement]
        named = f"`{self.op}`" in about.statement or about.conformance_class == "disabled"
        return named or OPERATIONS[self.op].effect == "wait"

    def covers(self, op: str, args: Mapping[str, Value], check: str) -> bool:
        """Whether a call of a check must not be made, because it would hang or end the process."""
        if self.op != op or self.how not in (HUNG, DIED) or self.check not in ("", check):
            return False
        return self.kinds is None or self.kinds == kinds_of(args)

    def explains(self, op: str, outcome: Outcome) -> bool:
        """Whether the outcome of a call is this failure once more."""
        return self.op == op and self.how == outcome.error and self.text == signature(outcome.message)

    def to_json(self) -> dict[str, Any]:
        """Return the failure as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CallFailure":
        """Return the failure that `to_json` described."""
        kinds = data["kinds"]
        return cls(**{**data, "kinds": None if kinds is None else tuple((name, kind) for name, kind in kinds)})


def first_that_covers(
    failures: Iterable[CallFailure], op: str, args: Mapping[str, Value], check: str
) -> CallFailure | None:
    """Return the failure because of which a call must not be made, or None."""
    return next((failure for failure in failures if failure.covers(op, args, check)), None)
