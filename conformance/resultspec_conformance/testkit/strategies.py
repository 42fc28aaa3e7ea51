"""Hypothesis strategies for the examples of checks: ids, states, values, requests. They generate only values."""

import datetime as dt
import math

from hypothesis import strategies as st

from resultspec import DOMAINS, STATES
from resultspec_conformance.subject import exception_samples as samples
from resultspec_conformance.wire.values import SAFE_INTEGER, ExceptionData, Opaque, Value

PORTABLE_ID_ALPHABET = DOMAINS.id_alphabet

scalar_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
"""Text of Unicode scalar values other than NUL."""

portable_scalars: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-SAFE_INTEGER, SAFE_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
    scalar_text,
)

portable_values: st.SearchStrategy[Value] = st.recursive(
    portable_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(scalar_text.filter(lambda key: not key.startswith("__")), inner, max_size=5),
    ),
    max_leaves=12,
)
"""Values of the portable domain: null, booleans, numbers, text, and lists and maps of these."""

custom_states = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=STATES.custom_max_length
).filter(lambda name: STATES.row(name) == "custom")
"""Custom states of the lengths that every backend accepts."""

named_states = st.sampled_from([*STATES.named, *STATES.reserved])

states = st.one_of(named_states, st.just("PROGRESS"))
"""States for histories: the named and the reserved states, and one custom state."""

ids = st.text("abcdef0123456789-", min_size=1, max_size=8)
"""Ids for members of requests: short, since only their identity matters."""


def _result_tuple(members: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    parent = st.one_of(st.none(), ids.map(lambda task_id: [[task_id, None], None]))
    return st.tuples(st.tuples(ids, parent).map(list), members).map(list)


task_tuples = _result_tuple(st.none())
result_tuples: st.SearchStrategy[Value] = st.one_of(
    task_tuples,
    _result_tuple(st.lists(st.one_of(task_tuples, _result_tuple(st.lists(task_tuples, max_size=2))), max_size=3)),
)
"""Result tuples of tasks and of groups, nested and with parents."""

_nested_groups: st.SearchStrategy[Value] = st.recursive(
    task_tuples, lambda inner: _result_tuple(st.lists(inner, max_size=4)), max_leaves=10
)

group_shapes: st.SearchStrategy[Value] = st.fixed_dictionaries(
    {"members": st.lists(_nested_groups, max_size=6)},
    optional={"parent": result_tuples},
)
"""Members and parent of a group, which become a result tuple once its id is known."""

requests: st.SearchStrategy[Value] = st.fixed_dictionaries(
    {"id": ids},
    optional={
        "group": ids,
        "parent_id": ids,
        "children": st.lists(result_tuples, max_size=3),
    },
)
"""Requests with the members that go into the task meta."""

exceptions: st.SearchStrategy[Value] = st.builds(
    ExceptionData,
    type=st.sampled_from(["ValueError", "KeyError", "RuntimeError"]),
    module=st.just("builtins"),
    args=st.lists(portable_scalars, max_size=3).map(tuple),
)
"""Exceptions of classes that every Python has, with portable arguments."""


def results_for(state: str) -> st.SearchStrategy[Value]:
    """Return a strategy for the results to store in a state: exceptions in exception states."""
    return exceptions if state in STATES.sets["EXCEPTION"] else portable_values


# -- chapter 2: ids ------------------------------------------------------------------------------


def boundaries(smallest: int, largest: int) -> list[int]:
    """Return the sizes of a range at which limits lie: beside and at its ends, and powers of two and of ten."""
    powers = {base**exponent for base in (2, 10) for exponent in range(1, largest.bit_length() + 1)}
    found = {power + step for power in (*powers, smallest, largest) for step in (-1, 0, 1)}
    return sorted(one for one in found if smallest <= one <= largest)


portable_text = st.text(PORTABLE_ID_ALPHABET, max_size=8)
"""Parts of portable ids."""

_ODD_PIECES = [
    "\x00", "\n", "\r\n", "\t", " ", "/", "//", "..", "../", "./", "\\", "*", "?", "[a-z]", "%s", "%", "{0}", "{", "}",
    "'", '"', ";", "--", "$", "#", "&", "=", "+", "@", "|", "<", ">", "(", ")", "^", "`", ",", "!", "\x7f", "\x1b",
    "\x85",
    "\xa0", "\u200b", "\u2028", "\u202e", "\ufeff", "\ufffd", "\uffff", "é", "e\u0301", "ß", "İ", "ı", "漢", "ﷺ",
    "\U0001f600",
    "\U0001f469\u200d\U0001f680", "\U0010ffff", "a", "Z", "0", "-", "_", ".", ":", "~",
]  # fmt: skip

odd_text = st.lists(st.sampled_from(_ODD_PIECES), min_size=1, max_size=6).map("".join)
"""Text of Unicode scalar values for ids outside the portable domain."""

# -- chapter 5: values ---------------------------------------------------------------------------

_CONTAINERS = ("bare", "list", "map", "deep")


def in_container(value: Value, container: str) -> Value:
    """Return a value inside a list, a map or both, or alone: its position may decide whether it can be carried."""
    inside = {"bare": value, "list": [1, value], "map": {"": value}, "deep": {"a": [{"b": [value, None]}]}}
    return inside[container]


def in_any_container(values: "st.SearchStrategy[Value]") -> "st.SearchStrategy[Value]":
    """Return a strategy for values that are alone or in lists and maps."""
    return st.builds(in_container, values, st.sampled_from(_CONTAINERS))


def nested(depth: int) -> Value:
    """Return a text in `depth` alternating lists and maps."""
    value: Value = "core"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


nonportable_json_values: st.SearchStrategy[Value] = st.one_of(
    st.text("a\x00\x01\x1f\x7f\x85\u2028\ufeff\uffff\U0001f600", max_size=8).map(lambda text: text + "\x00"),
    st.integers(101, 150).map(nested),
)
"""Values outside the portable domain that plain JSON carries: text with NUL, and deep nesting."""

_surrogates = st.text(st.sampled_from("ab\ud800\udbff\udc00\udfffé"), min_size=1, max_size=5)
_offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
_datetimes = st.datetimes(timezones=st.one_of(st.none(), _offsets))
_decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3).filter(lambda number: abs(number) < 10**9)
_odd_keys = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 1e300]),
    st.sampled_from(["1", "null", "true", "0.5", "$type", "__type__", "__proto__", "\x00", "\ud800"]),
    st.sampled_from([b"1", b"\xff"]),
    st.sampled_from([(1, 2), ()]),
)

nonportable_values: st.SearchStrategy[Value] = in_any_container(
    st.one_of(
        st.integers(SAFE_INTEGER + 1, 2**200),
        st.integers(-(2**200), -SAFE_INTEGER - 1),
        st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 2**63, 2**64, -(2**63) - 1]),
        _surrogates,
        st.binary(max_size=8),
        st.lists(st.integers(0, 3), max_size=3).map(tuple),
        st.sets(st.integers(0, 9), max_size=3),
        st.frozensets(st.text("ab", max_size=2), max_size=3),
        st.dictionaries(_odd_keys, st.integers(0, 3), min_size=1, max_size=3),
        _datetimes,
        st.dates(),
        st.times(timezones=st.one_of(st.none(), st.just(dt.UTC))),
        st.timedeltas(dt.timedelta(-10_000), dt.timedelta(10_000)),
        st.uuids(),
        _decimals,
    )
)
"""Values outside the portable domain that only a subject with tagged values accepts."""

opaque_values: st.SearchStrategy[Value] = in_any_container(st.sampled_from(["<handle>", "", None]).map(Opaque))
"""Objects that no serializer carries, alone and in lists and maps."""

# -- chapter 6: exceptions -----------------------------------------------------------------------

sample_exceptions: st.SearchStrategy[Value] = st.builds(
    ExceptionData,
    type=st.sampled_from(["Plain", "Outer.Inner", "Falsy", "Lengthless", "Outer.Inner.Innermost"]),
    module=st.just(samples.MODULE),
    args=st.lists(portable_scalars, max_size=3).map(tuple),
)
"""Exceptions of those classes of the suite that keep their arguments, with portable arguments."""
