"""Faults that any operation may have: it hangs, the process dies in it, or the backend does not have it.

They are data: `hangs-forget`, `dies-save_group`, `lacks-get_many`, `hangs-wait_for-timeout=nan`. Only calls from
outside meet them: what the backend itself does with its own methods works.
"""

import functools
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from resultspec.requirements import with_entailed
from resultspec_conformance.subject.call_failures import DIED, HUNG, sentence_about
from resultspec_conformance.wire.values import Value

Kind = Literal["hangs", "dies", "lacks"]

KINDS: tuple[Kind, ...] = get_args(Kind)

HOW: Mapping[Kind, str] = {"hangs": HUNG, "dies": DIED, "lacks": "Unknown"}
"""How a call with a fault of each kind ends."""

EXIT_CODE = 86
"""Of a process that died of a fault."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


VALUES: Mapping[str, tuple[Callable[[Any], bool], Value]] = {
    "nan": (lambda value: _is_number(value) and value != value, math.nan),
    "inf": (lambda value: _is_number(value) and value == math.inf, math.inf),
    "0": (lambda value: _is_number(value) and value == 0, 0),
    "negative": (lambda value: _is_number(value) and value < 0, -1),
    "null": (lambda value: value is None, None),
    "given": (lambda value: value is not None, 2),
}
"""Kinds of arguments by the names that they have in a fault: which values are of the kind, and one of them."""

CALLS = (
    "forget", "get_state", "get_result", "get_traceback", "get_children", "is_cached", "reload_task_result",
    "wait_for", "wait_for-timeout=nan", "wait_for-timeout=negative", "wait_for-timeout=0", "wait_for-timeout=inf",
    "wait_for-interval=0", "wait_for-interval=null", "wait_for-interval=negative",
    "get_many", "get_many-timeout=nan", "get_many-timeout=negative", "get_many-timeout=0", "get_many-timeout=inf",
    "get_many-interval=0", "get_many-interval=negative", "get_many-max_iterations=given",
    "save_group", "restore_group", "delete_group", "get_group_meta", "reload_group_result",
    "mark_as_started", "mark_as_done", "mark_as_failure", "mark_as_retry", "mark_as_revoked",
    "fail_from_current_stack", "process_cleanup", "on_task_call", "current_task_children",
    "cleanup", "expire", "apply_chord", "set_chord_size", "add_to_chord", "on_chord_part_return",
)  # fmt: skip
"""The calls that may have a fault. Without `store_result` and `get_task_meta` nothing is left to judge."""

CLASSES: Mapping[str, str] = {
    "wait_for": "waiting",
    "get_many": "join",
    "save_group": "groups",
    "restore_group": "groups",
    "apply_chord": "chords",
    "on_chord_part_return": "chords",
}
"""The conformance class of which little is left to judge without an operation."""


@dataclass(frozen=True)
class Fault:
    """A fault of an operation. `argument` and `value` say in which calls, or are empty for all."""

    kind: Kind
    operation: str
    argument: str = ""
    value: str = ""

    @property
    def call(self) -> str:
        """The operation, and the kind of argument."""
        return f"{self.operation}-{self.argument}={self.value}" if self.argument else self.operation

    @property
    def name(self) -> str:
        """The name, by which `parsed` finds it."""
        return f"{self.kind}-{self.call}"

    @property
    def violates(self) -> str:
        """The requirement that is violated: the sentence about the call."""
        arguments = {self.argument: VALUES[self.value][1]} if self.argument else {}
        return sentence_about(self.operation, arguments, HOW[self.kind])

    @property
    def breaks(self) -> frozenset[str]:
        """The requirement that is violated, and what it entails."""
        return with_entailed((self.violates,))

    def applies(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments meets it."""
        if not self.argument:
            return True
        return self.argument in arguments and VALUES[self.value][0](arguments[self.argument])


def _all_faults() -> Iterable[Fault]:
    for call in CALLS:
        operation, _, rest = call.partition("-")
        argument, _, value = rest.partition("=")
        # a method that is there cannot be missing for some arguments only
        for kind in KINDS if not argument else KINDS[:2]:
            yield Fault(kind, operation, argument, value)


FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _all_faults()}
"""All faults, by name."""


def _strike(kind: Kind) -> None:
    if kind == "hangs":
        threading.Event().wait()
    os._exit(EXIT_CODE)


class Faulty:
    """A backend as seen from outside, where some calls meet a fault."""

    def __init__(self, backend: Any, faults: Iterable[Fault]) -> None:
        self._backend = backend
        self._faults = tuple(faults)

    def __getattr__(self, name: str) -> Any:
        mine = [fault for fault in self._faults if fault.operation == name]
        if any(fault.kind == "lacks" for fault in mine) or not hasattr(self._backend, name):
            raise AttributeError(f"this backend has no {name}", name=name, obj=self)
        found = getattr(self._backend, name)
        return self._struck(found, mine) if mine else found

    @staticmethod
    def _struck(method: Callable[..., Any], faults: Iterable[Fault]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **arguments: Any) -> Any:
            for fault in faults:
                if fault.applies(arguments):
                    _strike(fault.kind)
            return method(*args, **arguments)

        return call
