"""Linearizability of the history of one task, by the search of Wing and Gong with memoisation.

An operation takes effect at one instant between its start and its end. The search repeatedly picks an
operation that may come next (no remaining one ended before it started), applies it to the model, and remembers
which pairs of remaining operations and stored entry have failed. An operation with an unknown outcome may take
effect at any time after its start, or never.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from resultspec_conformance.subject.history import Operation
from resultspec_conformance.testkit.task_model import Write, after_store, complaint
from resultspec_conformance.wire.values import Value


@dataclass(frozen=True)
class Step:
    """One operation on the task: a store of `write`, a read that returned `meta`, or a forget."""

    kind: Literal["store", "read", "forget"]
    start: float
    end: float
    write: Write | None = None
    meta: Value = None
    certain: bool = True


def steps_of(history: Sequence[Operation]) -> list[Step]:
    """Return the steps on the one task of a history; failed reads are left out.

    A write has its position in the history as its number.
    """
    found = []
    for number, operation in enumerate(history):
        outcome = operation.outcome
        if outcome is not None and outcome.kind == "fail":
            continue
        certain = outcome is not None and outcome.kind == "ok"
        end = operation.end if certain and operation.end is not None else inf
        if operation.op == "store_result":
            write = Write.of(number, operation.args)
            found.append(Step("store", operation.start, end, write=write, certain=certain))
        elif operation.op == "forget":
            found.append(Step("forget", operation.start, end, certain=certain))
        elif operation.op == "get_task_meta" and certain and outcome is not None:
            found.append(Step("read", operation.start, end, meta=outcome.value))
    return found


def _after(stored: Write | None, step: Step, late_unready: str | None) -> frozenset[Write | None]:
    """Return what may be stored after a step took effect; empty if the step is impossible."""
    if step.kind == "forget":
        return frozenset({None})
    if step.kind == "read":
        return frozenset({stored}) if complaint(stored, step.meta) is None else frozenset()
    if step.write is None:
        raise ValueError("a store without a write")
    return after_store(stored, step.write, late_unready)


def explain(steps: Sequence[Step], late_unready: str | None, initial: Write | None = None) -> list[Step] | None:
    """Return an order of the steps that explains what was read, or None if no order does."""
    everything = frozenset(range(len(steps)))
    failed: set[tuple[frozenset[int], Write | None]] = set()
    stack: list[tuple[frozenset[int], Write | None, tuple[int, ...]]] = [(everything, initial, ())]
    while stack:
        left, stored, order = stack.pop()
        if all(not steps[index].certain for index in left):
            return [steps[index] for index in order]
        if (left, stored) in failed:
            continue
        failed.add((left, stored))
        first_end = min(steps[index].end for index in left)
        for index in sorted(left, key=lambda candidate: steps[candidate].start, reverse=True):
            if steps[index].start <= first_end:
                stack.extend(
                    (left - {index}, after, (*order, index)) for after in _after(stored, steps[index], late_unready)
                )
    return None
