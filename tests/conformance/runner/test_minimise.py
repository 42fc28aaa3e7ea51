"""One greedy pass: what is left is needed."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from resultspec_conformance.runner.minimise import without_superfluous_steps


def _needs(*steps: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda example: set(steps) <= set(example["program"])


@pytest.mark.parametrize("needed", [(1,), (0, 9), (3, 4, 5)])
def test_only_the_needed_steps_are_left(needed: tuple[int, ...]) -> None:
    """In their order, wherever they stood."""
    example = {"program": list(range(10)), "other": 1}
    found = without_superfluous_steps(example, _needs(*needed), time.monotonic() + 60)
    assert found == {"program": list(needed), "other": 1}


def test_one_step_is_always_left() -> None:
    """A check is not asked for nothing."""
    assert without_superfluous_steps({"program": [1, 2]}, lambda _: True, time.monotonic() + 60) == {"program": [1]}


def test_the_pass_ends_in_time() -> None:
    """What was left out by then stays out."""
    example = {"program": [1, 2, 3]}
    assert without_superfluous_steps(example, lambda _: True, time.monotonic() - 1) == example
