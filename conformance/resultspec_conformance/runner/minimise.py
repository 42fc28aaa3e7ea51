"""One greedy pass over a failing example: every step is left out without which it still fails in the same way.

Hypothesis shrinks the choices from which an example was drawn, and may stop before each step is needed.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from resultspec_conformance.wire.values import Value

Path = tuple[str, ...]
"""Where a list is in an example: the names of the members that lead to it."""


def _lists(value: Value, path: Path = ()) -> Iterator[Path]:
    """Yield where an example has lists, except inside of lists."""
    if isinstance(value, list):
        yield path
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _lists(member, (*path, name))


def _at(value: Value, path: Path) -> Value:
    return _at(value[path[0]], path[1:]) if path else value


def _with(value: Value, path: Path, replacement: Value) -> Value:
    return {**value, path[0]: _with(value[path[0]], path[1:], replacement)} if path else replacement


def without_superfluous_steps(
    example: Mapping[str, Value], fails: Callable[[Mapping[str, Value]], bool], until: float
) -> Mapping[str, Value]:
    """Return an example without the items of its lists that are not needed for `fails` to hold, but with one of each.

    The pass ends at `until`, by the monotonic clock.
    """
    for path in list(_lists(dict(example))):
        for place in reversed(range(len(_at(example, path)))):
            items = _at(example, path)
            if time.monotonic() > until or len(items) == 1:
                break
            smaller = _with(example, path, [*items[:place], *items[place + 1 :]])
            if fails(smaller):
                example = smaller
    return example
