"""Checks of chapter 11: the ids of groups, which are those of tasks in another namespace."""

import string
import uuid
from collections.abc import Mapping

from hypothesis import strategies as st

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.groups.groups import CACHED, of_members, require_done, require_restored
from resultspec_conformance.suite.tasks.identifiers import (
    EDGES,
    FOLDS,
    LENGTHS,
    LONGEST,
    NO_IDS,
    PAIRS,
    PATTERNS,
    new_uuid,
)
from resultspec_conformance.testkit.chords import FLAT_HEADERS, Chord
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import PORTABLE_ID_ALPHABET, odd_text, portable_text
from resultspec_conformance.wire.values import Value, show

ENDINGS = (".j", ".t", ".s", ".d", ".c")
OPERATIONS = ("save_group", "restore_group", "get_group_meta", "delete_group", "reload_group_result")


def _base(ctx: Context) -> str:
    """Return what ids of one example begin with; its end keeps `group-1` and `group-10` from being mixed up."""
    return ctx.new_id("Group") + "."


def _saved(group_id: str) -> Value:
    """Return a group that shows under which id it was saved."""
    return of_members(group_id, f"member of {group_id}")


def _attempt(client: Client, op: str, group_id: Value) -> Outcome:
    rest = {"result": of_members("any", "m")} if op == "save_group" else {}
    return client.attempt(op, group_id=group_id, **rest)


def _is_there(client: Client, group_id: Value) -> bool:
    """Whether a group is restored; a read that is refused or fails finds none."""
    outcome = client.attempt("restore_group", group_id=group_id)
    return outcome.kind == "ok" and outcome.value is not None


def _require_own(ctx: Context, client: Client, ids: Mapping[str, bool]) -> None:
    """Require that each id has the group that was saved under it, or none where none was."""
    for group_id, saved in ids.items():
        require_restored(ctx, "GROUP-8", client, group_id, _saved(group_id) if saved else None)


# -- the domain ------------------------------------------------------------------------------------


@check(
    "GROUP-8",
    given={"tails": st.lists(portable_text, min_size=2, max_size=3, unique_by=str.casefold), "long": st.booleans()},
    effort=0.2,
)
def portable_group_ids_are_taken(ctx: Context, tails: list[str], long: bool) -> None:
    """Ids of the portable domain, up to the longest, are all accepted, and each has its own group."""
    base = _base(ctx)
    room = LONGEST - len(base) - max(map(len, tails)) - 1
    # with a tilde at the end, so that no id ends like those of GROUP-12
    ids = {base + (PORTABLE_ID_ALPHABET * 3)[: room if long else 0] + tail + "~": True for tail in tails}
    for group_id in ids:
        ctx.client("writer").save_group(group_id, _saved(group_id))
    _require_own(ctx, ctx.client("reader"), ids)


@check("GROUP-8", cases=[{"length": length} for length in LENGTHS])
def group_ids_of_portable_lengths_are_taken(ctx: Context, length: int) -> None:
    """Ids of one length that differ only at their beginning or their end name different groups."""
    client, middle = ctx.client(), _base(ctx).ljust(length, "~")[: length - 2]
    # with last characters that make no ending of GROUP-12 of a dot before them
    ids = {f"{first}{middle}{last}": True for first, last in ("ab", "ax", "bb", "_~")}
    try:
        for group_id in ids:
            outcome = client.attempt("save_group", group_id=group_id, result=_saved(group_id))
            require_done(ctx, "GROUP-8", outcome, f"the portable id {show(group_id)} is taken")
        _require_own(ctx, ctx.client("reader"), ids)
    finally:
        for group_id in ids:
            ctx.clean_up(client, "delete_group", group_id=group_id)


@check("GROUP-8")
def every_portable_character_names_a_group(ctx: Context) -> None:
    """Each character of the portable domain is a group id by itself."""
    client = ctx.client()
    ids = {character: True for character in PORTABLE_ID_ALPHABET if character not in string.ascii_uppercase}
    try:
        for group_id in ids:
            client.save_group(group_id, _saved(group_id))
        _require_own(ctx, client, ids)
    finally:
        for group_id in ids:
            ctx.clean_up(client, "delete_group", group_id=group_id)


HARMLESS = (".J", ".jx", ".s.", ".", ".sd", "s", "-s", ":c", ".s-1", ".j.x", "_t")


@check("GROUP-8", cases=[{"ending": ending} for ending in HARMLESS])
def ids_with_a_harmless_ending_are_taken(ctx: Context, ending: str) -> None:
    """An id is accepted if it only seems to end as the keys of chords do."""
    client, group_id = ctx.client(), ctx.new_id("group") + ending
    outcome = client.attempt("save_group", group_id=group_id, result=_saved(group_id))
    require_done(ctx, "GROUP-8", outcome, f"the portable id {show(group_id)} is taken")
    _require_own(ctx, ctx.client("reader"), {group_id: True})


@check("GROUP-8", cases=PAIRS)
def group_ids_that_look_alike_are_two(ctx: Context, text: str, fold: str) -> None:
    """Ids that differ only in case, blanks or normalisation name different groups."""
    base, writer, reader = _base(ctx), ctx.client("writer"), ctx.client("reader")
    left, right = base + text, FOLDS[fold](base + text)
    if writer.attempt("save_group", group_id=left, result=_saved(left)).kind != "ok":
        raise Unobserved("the store does not take this id")
    got = f"{show(right)} is restored"
    ctx.require("GROUP-8", not _is_there(reader, right), got=got, allowed=f"nothing: only {show(left)} is saved")
    taken = writer.attempt("save_group", group_id=right, result=_saved(right)).kind == "ok"
    _require_own(ctx, reader, {left: True, right: True} if taken else {left: True})
    if taken and ctx.usable(["delete_group"]):
        writer.call("delete_group", group_id=right)
        _require_own(ctx, reader, {left: True})


@check(
    "GROUP-8",
    given={"odd": odd_text, "behind": st.booleans()},
    effort=0.2,
)
def odd_group_ids_are_kept_or_refused(ctx: Context, odd: str, behind: bool) -> None:
    """An id with any other character names a group of its own, or is refused with nothing saved."""
    base = _base(ctx)
    group_id = base + odd + "~" if behind else odd + base
    plain = "".join(character for character in group_id if character in PORTABLE_ID_ALPHABET)
    cut = [group_id.partition("\x00")[0], " ".join(group_id.split()), group_id.encode("ascii", "replace").decode()]
    _faithful_or_refused(ctx, group_id, [other for other in (base, plain, *cut) if base in other])


@check("GROUP-8", cases=[{"length": length} for length in (156, 250, 251, 255, 256, 257, 513, 1000)])
def long_group_ids_are_kept_or_refused(ctx: Context, length: int) -> None:
    """An id longer than the portable 155 characters is never cut: the group is saved under all of it, or refused."""
    group_id = ctx.new_id("group").ljust(length, "x")
    others = [group_id + "y", group_id[:-1] + "y", *(group_id[:cut] for cut in (length - 1, LONGEST, 250, 255, 512))]
    _faithful_or_refused(ctx, group_id, others)


def _faithful_or_refused(ctx: Context, group_id: str, others: list[str]) -> None:
    """Require ID-3 of a group id; `others` are ids under which a careless store would put it."""
    writer, reader = ctx.client("writer"), ctx.client("reader")
    outcome = writer.attempt("save_group", group_id=group_id, result=_saved(group_id))
    for other in others:
        if other and other != group_id:
            got = f"the group {show(group_id)} is found under {show(other)}"
            ctx.require("GROUP-8", not _is_there(reader, other), got=got, allowed="nothing there")
    if outcome.kind != "ok":
        ctx.require("GROUP-8", outcome.raised, got=ctx.describe(outcome), allowed="a group, or an error")
        got = f"refused ({outcome.error}), and saved"
        ctx.require("GROUP-8", not _is_there(reader, group_id), got=got, allowed="an untouched store")
        return
    _require_own(ctx, reader, {group_id: True})
    if ctx.usable(["delete_group"]):
        writer.call("delete_group", group_id=group_id)
        _require_own(ctx, reader, {group_id: False})


NEIGHBOURS = ("", "-a", "-abc", "-abd", "-a.x", "0")


@check("GROUP-8", cases=[{"pattern": pattern} for pattern in PATTERNS])
def group_id_is_not_a_pattern(ctx: Context, pattern: str) -> None:
    """What is done to an id with a special character is done to no other group."""
    client, reader, base = ctx.client("writer"), ctx.client("reader"), ctx.new_id("Group") + "_"
    special = pattern.replace("{b}", base)
    others = {base + tail: True for tail in NEIGHBOURS if base + tail != special}
    ctx.clean_up(client, "delete_group", group_id=special)
    if _is_there(client, special):
        raise Unobserved(f"the group {show(special)} could not be deleted (GROUP-6)")
    for group_id in others:
        client.save_group(group_id, _saved(group_id))
    got = f"{show(special)} is restored"
    ctx.require("GROUP-8", not _is_there(client, special), got=got, allowed="nothing: no such group was saved")
    for op in ctx.usable(("save_group", "restore_group", "delete_group")):
        _attempt(client, op, special)
    _require_own(ctx, reader, others)


# -- types -----------------------------------------------------------------------------------------


@check("GROUP-9", cases=[{"group_id": group_id} for group_id in NO_IDS])
def invalid_group_id_is_refused(ctx: Context, group_id: Value) -> None:
    """Every operation on groups refuses what is neither text nor a UUID, and nothing is saved under its text."""
    client = ctx.client()
    texts = [text for text in (str(group_id), f"{group_id!r}", "null", "None") if text]
    for text in texts if ctx.usable(["delete_group"]) else ():
        client.attempt("delete_group", group_id=text)
    before = [text for text in texts if _is_there(client, text)]
    for op in ctx.usable(OPERATIONS):
        outcome = _attempt(client, op, group_id)
        refused = outcome.kind == "fail" and outcome.error in ("ValueError", "TypeError")
        got = f"{op} of {show(group_id)} ended {ctx.describe(outcome)}"
        ctx.require("GROUP-9", refused, got=got, allowed="ValueError or TypeError")
    for text in texts:
        got = f"a group is saved under the text {show(text)}"
        untouched = text in before or not _is_there(client, text)
        ctx.require("GROUP-9", untouched, got=got, allowed="an untouched store")


@check(
    "GROUP-10",
    cases=[
        {"group_id": group_id, "by_uuid": by_uuid, "cached": cached}
        for cached in (False, True)
        for by_uuid in (False, True)
        for group_id in (uuid.UUID("D2B5DC4E-3DDF-4C34-A5B7-3E7A1E4ECDD9"), *EDGES)
    ],
)
def uuid_of_a_group_is_its_text(ctx: Context, group_id: uuid.UUID, by_uuid: bool, cached: bool) -> None:
    """A UUID and its text are one group id, whichever of them a group is saved, read, reloaded or deleted by."""
    options = CACHED if cached and "cache" in ctx.capabilities.provided else {}
    can_delete = bool(ctx.usable(["delete_group"]))
    # an edge is the id of several examples: what one has left has to be deleted by the next
    group_id = new_uuid(ctx, group_id if can_delete else uuid.uuid5(uuid.NAMESPACE_URL, str(group_id)))
    client, text = ctx.client("client", **options), str(group_id)
    saved = of_members(text, "m")
    forms: tuple[Value, ...] = (group_id, text) if by_uuid else (text, group_id)
    if can_delete and _is_there(client, text):
        client.call("delete_group", group_id=text)
    client.save_group(forms[0], saved)
    for form in forms:
        require_restored(ctx, "GROUP-10", client, form, saved)
        for op in ctx.usable(["get_group_meta"]):
            meta = client.attempt(op, group_id=form)
            found = meta.kind == "ok" and meta.value is not None and meta.value["result"] == saved
            ctx.require("GROUP-10", found, got=ctx.describe(meta), allowed="the entry of the group")
        for op in ctx.usable(["reload_group_result"]):
            require_done(ctx, "GROUP-10", client.attempt(op, group_id=form), "a UUID is an id for every operation")
    if not can_delete:
        return
    client.call("delete_group", group_id=forms[1])
    if _is_there(client, forms[1]):
        raise Unobserved("deleting a group does not delete it, in whichever form its id is given")
    require_restored(ctx, "GROUP-10", client, forms[0], None)


# -- two namespaces --------------------------------------------------------------------------------


def _require_task(ctx: Context, requirement: str, client: Client, task_id: str, expected: list[Value]) -> None:
    outcome = client.attempt("get_task_meta", task_id=task_id)
    holds = outcome.kind == "ok" and [outcome.value.get("status"), outcome.value.get("result")] == expected
    ctx.require(requirement, holds, got=ctx.describe(outcome), allowed=f"the task, {expected}, and not the group")


BOTH: list[dict[str, Value]] = [
    {"group_first": group_first, "state": state} for group_first in (False, True) for state in ("SUCCESS", "PROGRESS")
]


@check("GROUP-11", cases=BOTH)
def task_and_group_of_one_id_are_two(ctx: Context, group_first: bool, state: str) -> None:
    """A task and a group of the same id are stored, read and removed without touching each other."""
    _require_two(ctx, "GROUP-11", ctx.client("client"), group_first, state)


@check("GROUP-24", cases=BOTH)
def task_and_group_of_one_id_are_cached_apart(ctx: Context, group_first: bool, state: str) -> None:
    """The same holds for a client with a cache."""
    _require_two(ctx, "GROUP-24", ctx.client("client", **CACHED), group_first, state)


def _require_two(ctx: Context, requirement: str, client: Client, group_first: bool, state: str) -> None:
    one = ctx.new_id("both")
    saved, stored, unknown = of_members(one, "m"), [state, "of the task"], client.meta(ctx.new_id("unknown"))

    def save() -> None:
        client.save_group(one, saved)
        require_restored(ctx, requirement, client, one, saved)

    def store() -> None:
        client.store(one, stored[1], state)
        _require_task(ctx, requirement, client, one, stored)

    (save if group_first else store)()
    if group_first:
        _require_task(ctx, requirement, client, one, [unknown["status"], unknown["result"]])
    else:
        require_restored(ctx, requirement, client, one, None)
    (store if group_first else save)()
    for _ in range(2):
        require_restored(ctx, requirement, client, one, saved)
        _require_task(ctx, requirement, client, one, stored)
    if group_first:
        client.forget(one)
        require_restored(ctx, requirement, client, one, saved)
    else:
        client.call("delete_group", group_id=one)
        _require_task(ctx, requirement, client, one, stored)


@check("GROUP-24", acts=["reload_task_result", "reload_group_result"])
def cached_group_is_not_a_cached_task(ctx: Context) -> None:
    """`is_cached` and `reload_task_result` do not see cached groups, and the other way round."""
    client, writer = ctx.client("client", **CACHED), ctx.client("writer")
    first, second = ctx.new_id("both"), ctx.new_id("both")
    saved = of_members(first, "m")
    writer.save_group(first, saved)
    client.restore_group(first)
    if ctx.usable(["is_cached"]):
        found = client.call("is_cached", task_id=first)
        ctx.require(
            "GROUP-24", found is False, got=f"is_cached is {found} of a group", allowed="false: no task was read"
        )
    if ctx.usable(["reload_task_result"]):
        client.call("reload_task_result", task_id=first)
        require_restored(ctx, "GROUP-24", client, first, saved)
    writer.store(second, "of the task")
    client.meta(second)
    client.save_group(second, of_members(second, "m"))
    for op in ctx.usable(["reload_group_result", "delete_group"]):
        client.call(op, group_id=second)
        _require_task(ctx, "GROUP-24", client, second, ["SUCCESS", "of the task"])


# -- the endings of chords -------------------------------------------------------------------------


@check("GROUP-25", cases=[{"ending": ending, "before": before} for ending in ENDINGS for before in ("", ".s", "-x")])
def ending_of_a_chord_is_refused(ctx: Context, ending: str, before: str) -> None:
    """A group whose id ends as the keys of chords do is refused with ValueError, and nothing is saved."""
    client, base = ctx.client(), ctx.new_id("group") + before
    group_id = base + ending
    ctx.require_refused("GROUP-25", _attempt(client, "save_group", group_id), "ValueError")
    there = _is_there(client, group_id) or _is_there(client, base)
    ctx.require("GROUP-25", not there, got=f"{group_id} is refused, and saved", allowed="an untouched store")


@check("GROUP-12", cases=[{"ending": ending, "returned": returned} for ending in ENDINGS for returned in (0, 1)])
def chord_is_not_disturbed_by_a_group(ctx: Context, ending: str, returned: int) -> None:
    """A chord is decided as usual, whatever is done to a group whose id is that of the chord with an ending."""
    client = ctx.client()
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    for index in range(returned):
        chord.deliver(client, index, f"result {index}")
    for op in ctx.usable(OPERATIONS):
        _attempt(client, op, chord.group_id + ending)
    for index in range(returned, 2):
        chord.store(client, index, f"result {index}")
        counted = chord.count(client, index, f"result {index}", "SUCCESS")
        ctx.require("GROUP-12", counted.kind == "ok", got=ctx.describe(counted), allowed="the part is counted")
    chord.settle(client)
    chord.require_called_with("GROUP-12", ["result 0", "result 1"], count="GROUP-12")
