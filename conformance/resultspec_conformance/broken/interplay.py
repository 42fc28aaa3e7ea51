"""Which members of the small backend a defect cuts off, or newly comes to, by overriding others.

A method that is overridden without `super` no longer calls what the original called, so a defect of that would not
show; and one that calls what the original did not call brings the defects of that to where they do not belong. Both
can be read from the names in the code. What cannot be read from them is in the table of those that meet.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from types import CodeType
from typing import Any


def _names(code: CodeType) -> frozenset[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(*inner)


def _code(member: Any) -> CodeType | None:
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    found = getattr(function, "__code__", None)
    return found if isinstance(found, CodeType) else None


def named_in(classes: Iterable[type]) -> frozenset[str]:
    """Return the names in the code of the members of some classes."""
    codes = (_code(member) for cls in classes for member in vars(cls).values())
    return frozenset[str]().union(*(_names(code) for code in codes if code is not None))


def used_by(cls: type, name: str) -> frozenset[str]:
    """Return the names in the code of a member of a class, and of those that it overrides and calls by `super`."""
    used: set[str] = set()
    for base in cls.__mro__:
        code = _code(vars(base).get(name))
        if code is not None:
            used |= _names(code)
            if "super" not in _names(code):
                break
    return frozenset(used)


@cache
def _uses(cls: type) -> Mapping[str, frozenset[str]]:
    """Return for each member of a class the other members in its code."""
    members = frozenset(dir(cls))
    return {name: used_by(cls, name) & members for name in members}


def reached(cls: type, names: Iterable[str]) -> frozenset[str]:
    """Return the members of a class that some of its members use, directly or through others, with these themselves."""
    uses, found, left = _uses(cls), set[str](), list(names)
    while left:
        name = left.pop()
        if name in uses and name not in found:
            found.add(name)
            left.extend(uses[name])
    return frozenset(found)


MEETING: Mapping[frozenset[str], str] = {
    frozenset({"option-ignored", "entries-of-yesterday-refused"}): "no entry of today could be read any more",
    frozenset({"null-result-not-encoded", "null-result-is-a-decode-error"}): "no null could be read any more",
    frozenset({"null-result-not-encoded", "success-that-cannot-be-decoded-replaced"}): "no null would stay a result",
    frozenset({"groups-flattened", "group-meta-without-parents"}): "no group would have a parent to leave out",
    frozenset({"parent-of-a-group-dropped", "group-meta-without-parents"}): "no group would have a parent to leave out",
    frozenset({"added-part-forgotten", "parts-added-to-an-older-run-are-awaited"}): "no part would be added",
    frozenset({"failure-keeps-its-date", "unready-meta-without-a-date"}): "no wrong date would be shown",
    frozenset({"falsy-value-is-null", "falsy-values-dropped"}): "what one loses the other would have lost",
    frozenset(
        {"unready-rows-dated", "date-of-unready-rows-shown"}
    ): "the dates of tasks that are not ready would be read",
    frozenset({"join-checks-at-the-first-item", "clock-of-a-join-begins-at-the-call"}): "the call would be late itself",
    frozenset({"mark-for-as-long-as-results", "mark-without-lifetime"}): "a mark would have no life at all",
    frozenset({"late-failure-refused-loudly", "refused-store-raises"}): "each refused write would raise, as is known",
    frozenset({"ids-normalised", "refused-after-storing"}): "no id that is normalised would be taken",
    frozenset({"limit-of-a-megabyte", "bomb-goes-off"}): "one sets anew the limit that the other halves",
    frozenset({"date-without-an-offset", "date-not-looked-at"}): "nobody would say that the date is in UTC",
    frozenset({"nothing-ends", "milliseconds-in-32-bits"}): "no life would end early",
    frozenset({"nothing-ends", "cleanup-at-half-the-life"}): "half of an endless life would be over never",
}
"""Pairs of defects that do something else together than each alone, though no member connects them, and what."""


_END_OF_LIFE = frozenset({"EXP-3", "EXP-4", "EXP-5", "EXP-7", "EXP-10", "EXP-15", "EXP-16", "EXP-17"})

HIDES: Mapping[str, frozenset[str]] = {
    "nothing-ends": _END_OF_LIFE,
    "cleanup-removes-nothing": _END_OF_LIFE | {"EXP-6", "EXP-11", "EXP-12", "EXP-13"},
    "texts-cut": frozenset({"STATE-15"}),
    "option-ignored": frozenset({"EXT-4", "EXT-6", "EXT-7", "EXT-10"}),
    "called-by-every-delivery-of-a-full-chord": frozenset({"CHORD-16"}),
    "unknown-module-is-an-error": frozenset({"WORK-3"}),
    "children-lost": frozenset({"WORK-7"}),
}
"""What nobody can see of a backend with a defect: how a life ends, for one, where no life ends."""


SHOWN_WITH: Mapping[str, str] = {"parts-added-to-an-older-run-are-awaited": "add_to_chord"}
"""Defects that show only after a call of an operation which does not come to what they change."""


ABOUT_DATES = frozenset({"META-9", "META-10", "META-15"})
"""What is about dates. Where lives end by cleanup they go by dates, and a wrong date is a wrong life."""


@cache
def disturbed(backend: type, family: type, overridden: frozenset[str]) -> frozenset[str]:
    """Return the members of a family that a backend, which overrides some of them, cuts off or newly comes to."""
    found: set[str] = set()
    for name in overridden:
        before, now = reached(family, [name]), reached(family, used_by(backend, name))
        found |= (before ^ now) - {name}
    return frozenset(found) - overridden
