"""Hypothesis strategies for what checks try: ids, states, values, requests. All of them make values only."""

import string

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.values import SAFE_INTEGER, ExceptionData, Value

PORTABLE_ID_ALPHABET = string.ascii_letters + string.digits + "-_.:~"

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
        st.lists(inner, max_size=5), st.dictionaries(scalar_text.filter(lambda key: not key.startswith("__")), inner, max_size=5)
    ),
    max_leaves=12,
)
"""Values of the portable domain: null, booleans, numbers, text, and lists and maps of these."""

custom_states = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=STATES.custom_max_length
).filter(lambda name: STATES.row(name) == "custom")
"""Custom states of the length that every backend takes."""

named_states = st.sampled_from([*STATES.named, *STATES.reserved])

states = st.one_of(named_states, st.sampled_from(["PROGRESS", "success", "Failure"]))
"""States for histories: the named and the reserved ones, and a few custom ones that look like them."""

ids = st.text("abcdef0123456789-", min_size=1, max_size=8)
"""Ids for members of requests: short, since only their identity counts."""


def _result_tuple(members: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    parent = st.one_of(st.none(), ids.map(lambda task_id: [[task_id, None], None]))
    return st.tuples(st.tuples(ids, parent).map(list), members).map(list)


task_tuples = _result_tuple(st.none())
result_tuples: st.SearchStrategy[Value] = st.one_of(
    task_tuples, _result_tuple(st.lists(st.one_of(task_tuples, _result_tuple(st.lists(task_tuples, max_size=2))), max_size=3))
)
"""Result tuples of tasks and of groups, nested and with parents."""

requests: st.SearchStrategy[Value] = st.fixed_dictionaries(
    {"id": ids},
    optional={
        "group": ids,
        "parent_id": ids,
        "children": st.lists(result_tuples, max_size=3),
    },
)
"""Requests, as far as the members of the task meta come from them."""

exceptions: st.SearchStrategy[Value] = st.builds(
    ExceptionData,
    type=st.sampled_from(["ValueError", "KeyError", "RuntimeError"]),
    module=st.just("builtins"),
    args=st.lists(portable_scalars, max_size=3).map(tuple),
)
"""Exceptions of classes that every Python has, with portable arguments."""


def results_for(state: str) -> st.SearchStrategy[Value]:
    """Return a strategy for what is stored as the result in a state: an exception in exception states."""
    return exceptions if state in STATES.sets["EXCEPTION"] else portable_values
