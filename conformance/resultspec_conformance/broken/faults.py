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

Kind = Literal["hangs", "dies", "lacks"]

KINDS: tuple[Kind, ...] = get_args(Kind)

EXIT_CODE = 86
"""Of a process that died of a fault."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


VALUES: Mapping[str, Callable[[Any], bool]] = {
    "nan": lambda value: _is_number(value) and value != value,
    "inf": lambda value: _is_number(value) and value == math.inf,
    "0": lambda value: _is_number(value) and value == 0,
    "negative": lambda value: _is_number(value) and value < 0,
    "null": lambda value: value is None,
    "false": lambda value: value is False,
    "given": lambda value: value is not None,
}
"""Kinds of arguments, by the names that they have in a fault."""

SENTENCES: Mapping[str, str] = {
    "forget": "READ-4",
    "get_state": "READ-3",
    "get_result": "READ-3",
    "get_traceback": "READ-3",
    "get_children": "READ-3",
    "is_cached": "READ-9",
    "reload_task_result": "READ-6",
    "wait_for": "WAIT-1",
    "wait_for-timeout=nan": "WAIT-7",
    "wait_for-timeout=negative": "WAIT-5",
    "wait_for-timeout=0": "WAIT-5",
    "wait_for-timeout=inf": "WAIT-6",
    "wait_for-interval=0": "WAIT-4",
    "wait_for-interval=null": "WAIT-4",
    "wait_for-interval=negative": "WAIT-7",
    "get_many": "JOIN-1",
    "get_many-timeout=nan": "JOIN-10",
    "get_many-timeout=negative": "JOIN-9",
    "get_many-timeout=0": "JOIN-9",
    "get_many-timeout=inf": "JOIN-6",
    "get_many-interval=0": "JOIN-7",
    "get_many-interval=negative": "JOIN-10",
    "get_many-max_iterations=given": "JOIN-13",
    "save_group": "GROUP-1",
    "restore_group": "GROUP-1",
    "restore_group-cache=false": "GROUP-14",
    "delete_group": "GROUP-6",
    "get_group_meta": "GROUP-16",
    "reload_group_result": "GROUP-14",
    "mark_as_started": "WORK-1",
    "mark_as_done": "WORK-2",
    "mark_as_failure": "WORK-2",
    "mark_as_retry": "WORK-2",
    "mark_as_revoked": "WORK-3",
    "fail_from_current_stack": "WORK-9",
    "process_cleanup": "WORK-10",
    "on_task_call": "WORK-11",
    "current_task_children": "WORK-8",
    "cleanup": "EXP-14",
    "expire": "EXP-16",
    "apply_chord": "CHORD-1",
    "set_chord_size": "CHORD-5",
    "add_to_chord": "CHORD-22",
    "on_chord_part_return": "CHORD-1",
}
"""The sentence about a call: the requirement that is violated if it has a fault."""

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
        """The requirement that is violated."""
        return SENTENCES[self.call]

    @property
    def breaks(self) -> frozenset[str]:
        """The requirement that is violated, and what it entails."""
        return with_entailed((self.violates,))

    def applies(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments meets it."""
        if not self.argument:
            return True
        return self.argument in arguments and VALUES[self.value](arguments[self.argument])


def _all_faults() -> Iterable[Fault]:
    for call in SENTENCES:
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
