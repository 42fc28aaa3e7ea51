"""Races: actions that start at the same time, and whether they overlapped."""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from resultspec_conformance.testkit.context import Context


def overlapped(ctx: Context) -> bool:
    """Whether two operations of the history ran at the same time."""
    spans = sorted((operation.start, operation.end or operation.start) for operation in ctx.history)
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def run_concurrently(ctx: Context, actions: Sequence[Callable[[], Any]]) -> None:
    """Run actions at the same time, each in a thread of its own, and wait for all of them.

    Python switches threads every few milliseconds, in which a store in memory finishes its work: make it switch often.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for future in [ctx.background(action) for action in actions]:
            future.result(timeout=60)
    finally:
        sys.setswitchinterval(usual)
