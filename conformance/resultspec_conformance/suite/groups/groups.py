"""Checks of chapter 11: saving, restoring and deleting groups, and the cache of them."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from threading import Barrier
from typing import Any

from hypothesis import strategies as st

from resultspec import DOMAINS
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.group_model import GroupModel
from resultspec_conformance.testkit.races import overlapped, run_concurrently
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import group_shapes
from resultspec_conformance.wire.values import Value, show

CACHED = {"max_cached_results": 100}


def task(task_id: str, parent: Value = None) -> Value:
    """Return the result tuple of a task."""
    return [[task_id, parent], None]


def group(group_id: str, members: list[Value], parent: Value = None) -> Value:
    """Return the result tuple of a group."""
    return [[group_id, parent], members]


def shaped(group_id: str, shape: Mapping[str, Value]) -> Value:
    """Return the result tuple of a group of some shape (`group_shapes`)."""
    return group(group_id, shape["members"], shape.get("parent"))


def of_members(group_id: str, *names: str) -> Value:
    """Return the result tuple of a group of tasks."""
    return group(group_id, [task(name) for name in names])


def require_restored(ctx: Context, requirement: str, client: Client, group_id: Value, expected: Value) -> None:
    """Require that a client restores a group, or nothing where None is expected."""
    outcome = client.attempt("restore_group", group_id=group_id)
    restored = outcome.kind == "ok" and outcome.value == expected
    allowed = "null: nothing is saved" if expected is None else show(expected)
    ctx.require(requirement, restored, got=ctx.describe(outcome), allowed=allowed)


def require_done(ctx: Context, requirement: str, outcome: Outcome, allowed: str) -> None:
    """Require that an operation succeeds."""
    ctx.require(requirement, outcome.kind == "ok", got=ctx.describe(outcome), allowed=allowed)


# -- saving and restoring --------------------------------------------------------------------------

SHAPES: Mapping[str, Mapping[str, Value]] = {
    "one": {"members": [task("m")]},
    "not in the order of their ids": {"members": [task(name) for name in ("m-2", "m-10", "m-1", "a", "Z")]},
    "in the opposite order": {"members": [task(f"m-{number}") for number in range(20, 0, -1)]},
    "one of them twice": {"members": [task("m-1"), task("m-2"), task("m-1")]},
    "with a parent": {"members": [task("m")], "parent": task("p", task("pp"))},
    "with a group as parent": {"members": [task("m")], "parent": group("before", [task("b-1"), task("b-2")])},
    "members with parents": {"members": [task("m-1", task("p")), task("m-2", task("q", task("qq"))), task("m-3")]},
    "a group among tasks": {"members": [task("m-1"), group("inner", [task("i-1"), task("i-2")]), task("m-2")]},
    "an empty group inside": {"members": [group("inner", []), task("m-1")]},
    "groups in groups": {"members": [group("a", [group("b", [group("c", [task("d")])], task("p")), task("e")])]},
    "a group of groups": {"members": [group("a", [task("a-1")]), group("b", [task("b-1")], task("p"))]},
}


@check("GROUP-1", cases=[{"shape": shape} for shape in SHAPES])
def group_of_every_shape_comes_back(ctx: Context, shape: str) -> None:
    """Members in their order, one of them twice, nested, with parents: a group is restored as it was saved.

    With every serializer.
    """
    for serializer in ctx.capabilities.serializers:
        group_id = ctx.new_id("group")
        saved = shaped(group_id, SHAPES[shape])
        ctx.client("writer", serializer=serializer).save_group(group_id, saved)
        for name in ("writer", "reader"):
            require_restored(ctx, "GROUP-1", ctx.client(name, serializer=serializer), group_id, saved)


@check("GROUP-1", "GROUP-2", given={"shape": group_shapes, "serializer": st.integers(0, 3)}, effort=0.25)
def group_comes_back(ctx: Context, shape: dict[str, Value], serializer: int) -> None:
    """Any group is restored as it was saved, with any serializer."""
    chosen = ctx.capabilities.serializers[serializer % len(ctx.capabilities.serializers)]
    group_id = ctx.new_id("group")
    saved = shaped(group_id, shape)
    outcome = ctx.client("writer", serializer=chosen).attempt("save_group", group_id=group_id, result=saved)
    require_done(ctx, "GROUP-1" if shape["members"] else "GROUP-2", outcome, "a group is saved")
    reader = ctx.client("reader", serializer=chosen)
    if not shape["members"]:
        _require_empty(ctx, reader, group_id)
    require_restored(ctx, "GROUP-1", reader, group_id, saved)


@check("GROUP-1")
def group_outlives_its_writer(ctx: Context) -> None:
    """Other clients can read a group, even after the one that saved it has closed."""
    writer, group_id = ctx.fresh_client("writer"), ctx.new_id("group")
    saved = of_members(group_id, "m-1", "m-2")
    writer.save_group(group_id, saved)
    require_restored(ctx, "GROUP-1", ctx.client("reader"), group_id, saved)
    writer.connection.close()
    for client in (ctx.client("reader"), ctx.fresh_client("newcomer")):
        require_restored(ctx, "GROUP-1", client, group_id, saved)


@check("GROUP-1", cases=[{"groups": 300}])
def many_groups_are_kept(ctx: Context, groups: int) -> None:
    """However many groups are saved, each of them can be restored."""
    writer, reader, base = ctx.client("writer"), ctx.client("reader"), ctx.new_id("group")
    for number in range(groups):
        writer.save_group(f"{base}.{number}-", of_members(f"{base}.{number}-", f"m-{number}"))
    for number in {0, 1, groups // 2, groups - 1}:
        require_restored(ctx, "GROUP-1", reader, f"{base}.{number}-", of_members(f"{base}.{number}-", f"m-{number}"))


@check("GROUP-2", cases=[{"parent": parent} for parent in (None, task("p"))])
def empty_group_is_a_group(ctx: Context, parent: Value) -> None:
    """A group without members comes back as such: not as null, and not as a task."""
    group_id = ctx.new_id("group")
    saved = group(group_id, [], parent)
    outcome = ctx.client("writer").attempt("save_group", group_id=group_id, result=saved)
    require_done(ctx, "GROUP-2", outcome, "a group without members is saved")
    for name in ("writer", "reader"):
        _require_empty(ctx, ctx.client(name), group_id)


def _require_empty(ctx: Context, client: Client, group_id: str) -> None:
    """Require that a group is restored and has no members; whether its parent is right is for GROUP-1."""
    outcome = client.attempt("restore_group", group_id=group_id)
    empty = outcome.kind == "ok" and outcome.value is not None and outcome.value[1] == []
    ctx.require("GROUP-2", empty, got=ctx.describe(outcome), allowed="a group without members")


def _nested(group_id: str, depth: int) -> Value:
    inner = task("core")
    for level in range(depth - 1, 0, -1):
        inner = group(f"level-{level}", [inner])
    return group(group_id, [inner])


def _descended(group_id: str, depth: int) -> Value:
    parent = None
    for level in range(depth, 0, -1):
        parent = task(f"parent-{level}", parent)
    return group(group_id, [task("m")], parent)


def _large(group_id: str, members: int) -> Value:
    return group(group_id, [task(f"d2b5dc4e-3ddf-4c34-a5b7-{number:012x}") for number in range(members)])


LARGE = {"members": _large, "groups in groups": _nested, "parents": _descended}


@check(
    "GROUP-3",
    cases=[
        *({"what": "members", "number": number} for number in (1300, DOMAINS.group_max_members)),
        *({"what": what, "number": DOMAINS.group_max_depth} for what in ("groups in groups", "parents")),
    ],
)
def large_group_comes_back(ctx: Context, what: str, number: int) -> None:
    """A group of 10,000 members is saved and restored, and so is one of 32 levels."""
    group_id = ctx.new_id("group")
    saved = LARGE[what](group_id, number)
    outcome = ctx.client("writer").attempt("save_group", group_id=group_id, result=saved)
    require_done(ctx, "GROUP-3", outcome, f"a group of {number} {what} is saved")
    require_restored(ctx, "GROUP-3", ctx.client("reader"), group_id, saved)


@check("GROUP-4", cases=[{"tail": tail} for tail in ("", "-x", ".y", "0" * 60)])
def unknown_group_is_null(ctx: Context, tail: str) -> None:
    """A group that nobody saved reads as null, by both operations and past the cache, and however often."""
    client, group_id = ctx.client(), ctx.new_id("unknown") + tail
    for op in ctx.usable(("restore_group", "get_group_meta")):
        for options in ({}, {"cache": False}):
            outcome = client.attempt(op, group_id=group_id, **options)
            absent = outcome.kind == "ok" and outcome.value is None
            ctx.require("GROUP-4", absent, got=f"{op}: {ctx.describe(outcome)}", allowed="null")


REPLACED = ("one", "a group among tasks", "with a parent", "members with parents", "in the opposite order")


@check(
    "GROUP-5",
    cases=[
        {"first": first, "second": second, "by": by}
        for first in REPLACED
        for second in [shape for shape in REPLACED if shape != first]
        for by in ("writer", "other")
    ],
)
def saving_again_replaces(ctx: Context, first: str, second: str, by: str) -> None:
    """The second save succeeds, by any client, and nothing of the first group is left."""
    writer, group_id, twin = ctx.client("writer"), ctx.new_id("group"), ctx.new_id("group")
    writer.save_group(twin, shaped(twin, SHAPES[second]))
    saved_once = writer.restore_group(twin)
    if saved_once is None:
        raise Unobserved("a group that was saved is not restored")
    writer.save_group(group_id, shaped(group_id, SHAPES[first]))
    outcome = ctx.client(by).attempt("save_group", group_id=group_id, result=shaped(group_id, SHAPES[second]))
    require_done(ctx, "GROUP-5", outcome, "a group can be saved again")
    (_, parent), members = saved_once
    for name in ("writer", "other"):
        require_restored(ctx, "GROUP-5", ctx.client(name), group_id, group(group_id, members, parent))


@check("GROUP-5")
def saving_again_can_empty_a_group(ctx: Context) -> None:
    """A group that is saved again without members has none left; saving the same group twice changes nothing."""
    client, group_id = ctx.client("writer"), ctx.new_id("group")
    full, empty = of_members(group_id, "m-1", "m-2"), group(group_id, [])
    for saved in (full, full, empty):
        outcome = client.attempt("save_group", group_id=group_id, result=saved)
        require_done(ctx, "GROUP-5", outcome, "a group can be saved again")
        require_restored(ctx, "GROUP-5", ctx.client("reader"), group_id, saved)


# -- deleting --------------------------------------------------------------------------------------


@check("GROUP-6", cases=[{"by": by, "shape": shape} for by in ("writer", "other") for shape in SHAPES])
def deleted_group_is_gone(ctx: Context, by: str, shape: str) -> None:
    """After `delete_group`, by whichever client, a group reads as null, and can be saved again."""
    writer, group_id = ctx.client("writer"), ctx.new_id("group")
    writer.save_group(group_id, shaped(group_id, SHAPES[shape]))
    outcome = ctx.client(by).attempt("delete_group", group_id=group_id)
    require_done(ctx, "GROUP-6", outcome, "a group can be deleted")
    for name in ("writer", "other", "third"):
        require_restored(ctx, "GROUP-6", ctx.client(name), group_id, None)
    second = of_members(group_id, "new")
    writer.save_group(group_id, second)
    require_restored(ctx, "GROUP-6", ctx.client("other"), group_id, second)


@check("GROUP-6")
def deleting_is_idempotent(ctx: Context) -> None:
    """Deleting a group that does not exist is not an error, the first time or the third."""
    client, other, never, once = ctx.client("writer"), ctx.client("other"), ctx.new_id("group"), ctx.new_id("group")
    client.save_group(once, of_members(once, "m"))
    for who, group_id in ((client, never), (client, never), (client, once), (client, once), (other, once)):
        require_done(ctx, "GROUP-6", who.attempt("delete_group", group_id=group_id), "no error")


@check("GROUP-6", cases=[{"state": state} for state in ("SUCCESS", "STARTED")])
def deleting_leaves_members_and_other_groups(ctx: Context, state: str) -> None:
    """The tasks of a group, its parent, the groups within it and groups of like names outlive it."""
    writer, base = ctx.client("writer"), ctx.new_id("group")
    group_id, tasks = base + ".", [f"{base}-member", f"{base}-inner-member", f"{base}-parent"]
    inner, alike = base + "-inner", [base, base + ".x", base + "..", "x" + base + "."]
    for task_id in tasks:
        writer.store(task_id, f"of {task_id}", state)
    for other in (inner, *alike):
        writer.save_group(other, of_members(other, tasks[1]))
    writer.save_group(group_id, group(group_id, [task(tasks[0]), of_members(inner, tasks[1])], task(tasks[2])))
    writer.call("delete_group", group_id=group_id)
    reader = ctx.client("reader")
    for task_id in tasks:
        meta = reader.meta(task_id)
        left = meta["status"] == state and meta["result"] == f"of {task_id}"
        ctx.require("GROUP-6", left, got=meta, allowed=f"the {state} of a task that was in the group")
    for other in (inner, *alike):
        require_restored(ctx, "GROUP-6", reader, other, of_members(other, tasks[1]))


# -- several clients -------------------------------------------------------------------------------


@check(
    "GROUP-7",
    cases=[{"saves": saves, "there": there} for saves in [1, 1, 1, 3] * 3 for there in (False, True)],
    deadline=120.0,
)
def parallel_saves_do_not_mix(ctx: Context, saves: int, there: bool) -> None:
    """When groups are saved under one id at the same time, one of them is kept whole, and no save fails."""
    group_id, savers = ctx.new_id("group"), ("rival-1", "rival-2", "rival-3")
    barrier, reader = Barrier(len(savers) + 1), ctx.client("reader")
    tried = {
        name: [group(group_id, [task(f"{name}.{turn}.{place:02}") for place in range(60)]) for turn in range(saves)]
        for name in savers
    }
    saved: list[Outcome] = []
    seen: list[Outcome] = []
    before = of_members(group_id, "before")
    if there:
        reader.save_group(group_id, before)

    def save(client: Client) -> None:
        barrier.wait()
        for one in tried[client.name]:
            saved.append(client.attempt("save_group", group_id=group_id, result=one))

    def read() -> None:
        barrier.wait()
        while there and len(saved) < saves * len(savers) and len(seen) < 200:
            seen.append(reader.attempt("restore_group", group_id=group_id))

    run_concurrently(ctx, [*(partial(save, ctx.client(name)) for name in savers), read])
    if not overlapped(ctx):
        raise Unobserved("no two of the racing operations overlapped")
    whole = [before, *(one for groups in tried.values() for one in groups)]
    for outcome in saved:
        require_done(ctx, "GROUP-7", outcome, "every save succeeds")
    for outcome in seen:
        right = outcome.kind == "ok" and outcome.value in whole
        ctx.require("GROUP-7", right, got=ctx.describe(outcome), allowed="one of the groups that were saved, whole")
    after = [ctx.client(name).attempt("restore_group", group_id=group_id) for name in (*savers, "reader")]
    for outcome in after:
        last = outcome.kind == "ok" and outcome.value in [groups[-1] for groups in tried.values()]
        ctx.require("GROUP-7", last, got=ctx.describe(outcome), allowed="the last group of one of them, whole")
        agreed = outcome.value == after[0].value
        ctx.require("GROUP-7", agreed, got=ctx.describe(outcome), allowed=f"the same for all: {show(after[0].value)}")


# -- the cache -------------------------------------------------------------------------------------

READS: Mapping[str, tuple[str, dict[str, Value]]] = {
    "restore_group": ("restore_group", {}),
    "get_group_meta": ("get_group_meta", {}),
    "reload_group_result": ("reload_group_result", {}),
    "restore_group with cache=False": ("restore_group", {"cache": False}),
    "get_group_meta with cache=False": ("get_group_meta", {"cache": False}),
}


def _usable_read(ctx: Context, how: str, otherwise: str) -> tuple[str, dict[str, Value]]:
    """Return a read, or another one if its operation is known not to work."""
    return READS[how] if ctx.usable([READS[how][0]]) else READS[otherwise]


def _look(ctx: Context, client: Client, group_id: str, how: str) -> None:
    op, options = _usable_read(ctx, how, "restore_group")
    for _ in range(2):
        client.call(op, group_id=group_id, **options)


@check("GROUP-13", cases=[{"read": how, "then": then} for how in READS for then in ("save", "delete")])
def own_changes_reach_the_cache(ctx: Context, read: str, then: str) -> None:
    """A client that has restored a group and then saves or deletes it sees its own change."""
    cached, group_id = ctx.client("cached", **CACHED), ctx.new_id("group")
    ctx.client("writer").save_group(group_id, of_members(group_id, "first"))
    _look(ctx, cached, group_id, read)
    expected = of_members(group_id, "second") if then == "save" else None
    if then == "save":
        with ctx.accusing("GROUP-5"):
            cached.save_group(group_id, expected)
    else:
        cached.call("delete_group", group_id=group_id)
    require_restored(ctx, "GROUP-13", cached, group_id, expected)
    for op in ctx.usable(["get_group_meta"]):
        meta = cached.call(op, group_id=group_id)
        found = None if meta is None else meta["result"]
        ctx.require("GROUP-13", found == expected, got=show(meta), allowed=f"{show(expected)} as the result")


@check("GROUP-13", cases=[{"read": how, "deleted": deleted} for how in READS for deleted in (False, True)])
def absence_is_not_cached(ctx: Context, read: str, deleted: bool) -> None:
    """A client with a cache that has found no group finds the one that another client saves later."""
    cached, writer, group_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id("group")
    if deleted:
        cached.save_group(group_id, of_members(group_id, "first"))
        cached.call("delete_group", group_id=group_id)
    with ctx.accusing("GROUP-4"):
        _look(ctx, cached, group_id, read)
    saved = of_members(group_id, "saved")
    writer.save_group(group_id, saved)
    require_restored(ctx, "GROUP-13", cached, group_id, saved)


PASSING = [how for how in READS if how != "restore_group" and how != "get_group_meta"]


@check("GROUP-14", cases=[{"read": how, "then": then} for how in PASSING for then in ("saved", "deleted")])
def cache_of_groups_can_be_passed(ctx: Context, read: str, then: str) -> None:
    """With `cache=False`, and after `reload_group_result`, a client restores what is in the store now."""
    cached, writer, group_id = ctx.client("cached", **CACHED), ctx.client("writer"), ctx.new_id("group")
    writer.save_group(group_id, of_members(group_id, "first"))
    _look(ctx, cached, group_id, "restore_group")
    expected = of_members(group_id, "second") if then == "saved" else None
    if then == "saved":
        with ctx.accusing("GROUP-5"):
            writer.save_group(group_id, expected)
    else:
        writer.call("delete_group", group_id=group_id)
    op, options = _usable_read(ctx, read, "restore_group with cache=False")
    found = cached.call(op, group_id=group_id, **options)
    if op == "reload_group_result":
        found = cached.call("restore_group", group_id=group_id)
    elif op == "get_group_meta" and found is not None:
        found = found["result"]
    ctx.require("GROUP-14", found == expected, got=show(found), allowed=f"{show(expected)}, by {read}")


# -- whose group it is -----------------------------------------------------------------------------


def _spoil(found: Any) -> None:
    """Change a handle, a map or a list wherever it can be changed, all the way down."""
    inside = list(found.values()) if isinstance(found, dict) else found if isinstance(found, (list, tuple)) else None
    if inside is None:
        inside = [getattr(found, name, None) for name in ("results", "parent")] if hasattr(found, "as_tuple") else []
    for member in list(inside):
        _spoil(member)
    if isinstance(found, dict):
        found.update(dict.fromkeys(found, "spoilt"))
    elif isinstance(found, list):
        found.append("spoilt")
    elif hasattr(found, "as_tuple"):
        for name in ("id", "parent"):
            with suppress(Exception):  # what cannot be changed need not be
                setattr(found, name, "spoilt")


@check(
    "GROUP-15",
    cases=[{"method": method, "cached": cached} for method in ("restore_group", "get_group_meta") for cached in (0, 1)],
)
def restored_group_belongs_to_the_caller(ctx: Context, method: str, cached: int) -> None:
    """Whatever a caller does to the group or the meta that it was given, the next answer is as the first one was."""
    if cached and "cache" not in ctx.capabilities.provided:
        raise Unobserved("the subject has no cache")
    client, group_id = ctx.client("reader", **CACHED if cached else {}), ctx.new_id("group")
    saved = group(group_id, [task("m-1", task("p")), group("inner", [task("i-1")])], task("pp"))
    ctx.client("writer").save_group(group_id, saved)
    first = client.restore_group(group_id)
    if first is None:
        raise Unobserved("a group that was saved is not restored")
    for _ in range(3):
        _spoil(ctx.direct(client, method, group_id))
        require_restored(ctx, "GROUP-15", client, group_id, first)


@check("GROUP-16", cases=[{"shape": shape, "cached": cached} for shape in SHAPES for cached in (False, True)])
def meta_has_the_group(ctx: Context, shape: str, cached: bool) -> None:
    """`get_group_meta` has as its result what `restore_group` returns, also out of a cache."""
    group_id = ctx.new_id("group")
    reader = ctx.client("reader", **CACHED if cached and "cache" in ctx.capabilities.provided else {})
    ctx.client("writer").save_group(group_id, shaped(group_id, SHAPES[shape]))
    for _ in range(2):
        restored = reader.attempt("restore_group", group_id=group_id)
        if restored.kind != "ok" or restored.value is None:
            raise Unobserved(f"the group is not restored: {ctx.describe(restored)}")
        outcome = reader.attempt("get_group_meta", group_id=group_id)
        alike = outcome.kind == "ok" and outcome.value is not None and outcome.value["result"] == restored.value
        allowed = f"a map with the result {show(restored.value)}"
        ctx.require("GROUP-16", alike, got=ctx.describe(outcome), allowed=allowed)


# -- any sequence ----------------------------------------------------------------------------------

_steps = st.fixed_dictionaries(
    {
        "client": st.sampled_from(["a", "b", "cached", "hoarding"]),
        "group": st.integers(0, 1),
        "do": st.sampled_from([*READS, "restore_group", "restore_group", "delete_group", "save", "save", "save"]),
        "shape": st.sampled_from(["one", "with a parent", "a group among tasks", "none"]),
    }
)


_OPERATIONS = {"save": "save_group", "delete_group": "delete_group", **{how: op for how, (op, _) in READS.items()}}

BY_THE_MODEL = ("GROUP-5", "GROUP-1", "GROUP-2", "GROUP-4", "GROUP-6", "GROUP-13", "GROUP-14")


@check(*BY_THE_MODEL, given={"program": st.lists(_steps, min_size=2, max_size=14)}, effort=0.6, by_chance=BY_THE_MODEL)
def any_sequence_of_group_operations(ctx: Context, program: list[dict[str, Value]]) -> None:
    """Any sequence of saves, reads and deletes by clients with and without caches goes as the model of the spec says.

    The program is drawn as data, so that the smallest failing one can be written down.
    """
    cache = "cache" in ctx.capabilities.provided
    options: Mapping[str, dict[str, Any]] = {"cached": CACHED, "hoarding": {"max_cached_results": 0}}
    model, ids = GroupModel(frozenset(options) if cache else frozenset()), [ctx.new_id("first"), ctx.new_id("second")]
    for number, step in enumerate(program):
        if not ctx.usable([_OPERATIONS[step["do"]]]):
            continue
        caching = cache and step["client"] in options
        client = ctx.client(step["client"], **(options[step["client"]] if caching else {}))
        group_id = ids[step["group"]]
        if step["do"] == "save":
            _save(ctx, model, client, _stamped(group_id, step["shape"], number))
        elif step["do"] == "delete_group":
            require_done(ctx, "GROUP-6", client.attempt("delete_group", group_id=group_id), "no error")
            model.delete(client.name, group_id)
        else:
            _read(ctx, model, client, group_id, step["do"], caching=caching)


def _stamped(group_id: str, shape: str, number: int) -> Value:
    """Return a group that shares its last member with no other, or one without members."""
    if shape == "none":
        return group(group_id, [])
    members = [*SHAPES[shape]["members"], task(f"step-{number}")]
    return group(group_id, members, SHAPES[shape].get("parent"))


def _save(ctx: Context, model: GroupModel, client: Client, saved: Value) -> None:
    group_id = saved[0][0]
    rule = model.rule(saved, [*model.all_saved.get(group_id, []), saved])
    require_done(ctx, rule, client.attempt("save_group", group_id=group_id, result=saved), "the group is saved")
    model.save(client.name, group_id, saved)


def _alone(ctx: Context, client: Client, saved: Value) -> Value:
    """Return what is restored of a group that is saved only once, under an id of its own, as if that were its id."""
    group_id, (head, members) = ctx.new_id("alone"), saved
    with ctx.off_the_record():
        client.attempt("save_group", group_id=group_id, result=[[group_id, *head[1:]], members])
        restored = client.attempt("restore_group", group_id=group_id).value
    if isinstance(restored, list) and restored and isinstance(restored[0], list) and restored[0][:1] == [group_id]:
        return [[head[0], *restored[0][1:]], *restored[1:]]
    return restored


def _read(ctx: Context, model: GroupModel, client: Client, group_id: str, how: str, *, caching: bool) -> None:
    op, options = READS[how]
    outcome = client.attempt(op, group_id=group_id, **options)
    rule, cached = model.expectation(group_id), caching and not options
    require_done(ctx, rule, outcome, "the group is read")
    if op == "reload_group_result":
        model.reload(client.name, group_id)
        return
    found = outcome.value["result"] if isinstance(outcome.value, Mapping) else outcome.value
    allowed = " or ".join(show(one) for one in model.allowed(client.name, group_id, cached=cached))
    broken = model.read(client.name, group_id, found, cached=cached, alone=partial(_alone, ctx, client))
    if broken is not None and op == "get_group_meta":
        restored = client.attempt("restore_group", group_id=group_id, **options)
        agreed = restored.value == found or restored.value not in model.allowed(client.name, group_id, cached=cached)
        ctx.require("GROUP-16", agreed, got=show(found), allowed=f"{show(restored.value)}, as restore_group returns")
    ctx.require(broken or rule, broken is None, got=show(found), allowed=allowed)
