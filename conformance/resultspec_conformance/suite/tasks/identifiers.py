"""Checks of chapter 2: which ids there are, when two of them are the same, and that they mean nothing else."""

import hashlib
import string
import unicodedata
import uuid
from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from resultspec import DOMAINS
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.tasks.meta import is_there
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import PORTABLE_ID_ALPHABET, boundaries, odd_text, portable_text
from resultspec_conformance.wire.values import Value, same, show

LONGEST = DOMAINS.id_max_length
LENGTHS = boundaries(2, LONGEST)


def _base(ctx: Context) -> str:
    """Return what ids of one example begin with; its end keeps `task-1` and `task-10` from being mixed up."""
    return ctx.new_id("Task") + "."


def _operations(ctx: Context) -> list[str]:
    """Return the operations with an id that this subject has, and that work."""
    names = ["store_result", "get_task_meta", "get_state", "get_result", "get_traceback", "get_children", "forget"]
    if "waiting" in ctx.capabilities.classes:
        names.append("wait_for")
    if "cache" in ctx.capabilities.provided:
        names += ["is_cached", "reload_task_result"]
    return ctx.usable(names)


def _attempt(client: Client, op: str, task_id: Value) -> Outcome:
    """Perform an operation on an id, with the fewest other arguments."""
    rest: Mapping[str, Value] = {"store_result": {"result": "x", "state": "SUCCESS"}, "wait_for": {"timeout": 0.05}}
    return client.attempt(op, task_id=task_id, **rest.get(op, {}))


def _require_own(ctx: Context, requirement: str, client: Client, stored: Mapping[str, Value]) -> None:
    """Require that each id reads as what was stored under it."""
    for task_id, value in stored.items():
        outcome = client.attempt("get_task_meta", task_id=task_id)
        holds = outcome.kind == "ok" and outcome.value["status"] == "SUCCESS" and outcome.value["result"] == value
        got = f"{show(task_id)} reads {ctx.describe(outcome)}"
        ctx.require(requirement, holds, got=got, allowed=f"{show(value)}, which was stored under this id")


@check(
    "ID-1",
    given={
        "tails": st.lists(portable_text, min_size=2, max_size=4, unique_by=str.casefold),
        "long": st.booleans(),
    },
    effort=0.4,
)
def portable_ids_are_taken(ctx: Context, tails: list[str], long: bool) -> None:
    """Ids of the portable domain, up to the longest, are all accepted, and each has its own entry."""
    base = _base(ctx)
    filler = PORTABLE_ID_ALPHABET[::-1] * 3
    room = LONGEST - len(base) - max(map(len, tails))
    stored = {base + (filler[:room] if long else "") + tail: f"of:{tail}" for tail in tails}
    for task_id, value in stored.items():
        ctx.client("writer").store(task_id, value)
    _require_own(ctx, "ID-1", ctx.client("reader"), stored)


@check("ID-1", cases=[{"length": length} for length in LENGTHS])
def ids_differ_in_their_ends(ctx: Context, length: int) -> None:
    """Ids of one length that differ only at their beginning or their end are kept apart."""
    base = _base(ctx).ljust(length - 2, "~")[-(length - 2) :] if length > 2 else ""
    stored = {f"{left}{base}{right}": f"{left}{right}" for left, right in ("ab", "ac", "bb", ".-", "_~")}
    for task_id, value in stored.items():
        ctx.make_unknown(ctx.client("writer"), task_id)
        ctx.client("writer").store(task_id, value)
    _require_own(ctx, "ID-1", ctx.client("reader"), stored)


@check("ID-1")
def every_portable_character_is_an_id(ctx: Context) -> None:
    """Each character of the portable domain is an id by itself."""
    client = ctx.client()
    # letters once: that case counts is another sentence
    stored = {
        character: ord(character) for character in PORTABLE_ID_ALPHABET if character not in string.ascii_uppercase
    }
    for task_id, value in stored.items():
        ctx.make_unknown(client, task_id)
        client.store(task_id, value)
    _require_own(ctx, "ID-1", client, stored)


FOLDS: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "casefold": str.casefold,
    "swapcase": str.swapcase,
    "blank behind": lambda text: text + " ",
    "blank in front": lambda text: " " + text,
    "two blanks": lambda text: text.replace(" ", "  "),
    "no-break space": lambda text: text.replace(" ", "\xa0"),
    "tab behind": lambda text: text + "\t",
    "newline behind": lambda text: text + "\n",
    "NFC": lambda text: unicodedata.normalize("NFC", text),
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "without accents": lambda text: unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode(),
    "zero-width space": lambda text: text + "\u200b",
    "variation selector": lambda text: text + "\ufe0f",
}
"""What coarse comparisons take for the same: each maps a text to another one that must not be the same id."""

PAIRS: list[dict[str, Value]] = [
    {"text": text, "fold": fold}
    for text, folds in {
        "Task-aZ": ["upper", "lower", "swapcase", "blank behind", "blank in front", "tab behind", "newline behind"],
        "with blank ": ["two blanks", "no-break space", "blank behind"],
        "é": ["NFD", "upper", "without accents", "zero-width space"],
        "e\u0301": ["NFC"],
        "ﬁ": ["NFKC", "casefold"],
        "\u212b": ["NFC", "NFKC"],
        "Å": ["NFD", "without accents"],
        "straße": ["casefold", "upper"],
        "İ": ["lower", "NFD"],
        "ı": ["upper"],
        "Ａ": ["NFKC"],
        "☺": ["variation selector"],
    }.items()
    for fold in folds
]


def _keep_apart(ctx: Context, left: str, right: str) -> None:
    """Require ID-2 of two ids, of which each may be refused."""
    writer, reader = ctx.client("writer"), ctx.client("reader")
    first = writer.attempt("store_result", task_id=left, result="left", state="SUCCESS")
    if first.kind != "ok":
        return
    unknown = not is_there(reader, right)
    ctx.require(
        "ID-2", unknown, got=f"{show(right)} reads as an entry", allowed=f"nothing: only {show(left)} is stored"
    )
    second = writer.attempt("store_result", task_id=right, result="right", state="SUCCESS")
    stored = {left: "left"} if second.kind != "ok" else {left: "left", right: "right"}
    _require_own(ctx, "ID-2", reader, stored)
    forgets = second.kind == "ok" and bool(ctx.usable(["forget"]))
    if forgets and writer.attempt("forget", task_id=right).kind == "ok":
        _require_own(ctx, "ID-2", reader, {left: "left"})


@check("ID-2", cases=PAIRS)
def ids_that_look_alike_are_two(ctx: Context, text: str, fold: str) -> None:
    """Ids that differ only in case, blanks or normalisation are different ids."""
    base = _base(ctx)
    _keep_apart(ctx, base + text, FOLDS[fold](base + text))


@check(
    "ID-2",
    given={"text": st.text("aB é\u0301ßİﬁÅΣς\u200b", max_size=6), "fold": st.sampled_from(sorted(FOLDS))},
    effort=0.3,
)
def no_fold_makes_two_ids_one(ctx: Context, text: str, fold: str) -> None:
    """No comparison coarser than that of code points decides which ids are the same."""
    base = _base(ctx)
    left, right = base + text, FOLDS[fold](base + text)
    if left == right:
        left, right = base + text, base + text + " "
    _keep_apart(ctx, left, right)


def _faithful_or_refused(ctx: Context, task_id: str, others: list[str]) -> None:
    """Require ID-3 of an id; `others` are ids under which a careless store would put its entry."""
    writer, reader = ctx.client("writer"), ctx.client("reader")
    outcome = writer.attempt("store_result", task_id=task_id, result="mine", state="SUCCESS")
    for other in others:
        if other and other != task_id:
            got = f"the entry of {show(task_id)} is found under {show(other)}"
            ctx.require("ID-3", not is_there(reader, other), got=got, allowed="nothing there")
    if outcome.kind != "ok":
        ctx.require("ID-3", outcome.raised, got=ctx.describe(outcome), allowed="an entry, or an error")
        there = is_there(reader, task_id)
        ctx.require("ID-3", not there, got=f"refused ({outcome.error}), and stored", allowed="an untouched store")
        ctx.require("ID-7", outcome.kind == "fail", got=ctx.describe(outcome), allowed="a definite error")
        return
    # an id that is taken has no refusal that could be indefinite
    ctx.require("ID-7", True, got="", allowed="")
    found = reader.attempt("get_task_meta", task_id=task_id)
    holds = found.kind == "ok" and found.value["status"] == "SUCCESS" and found.value["result"] == "mine"
    ctx.require("ID-3", holds, got=ctx.describe(found), allowed="the entry, since the id was not refused")
    named = found.value.get("task_id")
    ctx.require("ID-3", named == task_id, got=f"the meta names {show(named)}", allowed=f"the id {show(task_id)}")
    if _can_forget(ctx):
        writer.forget(task_id)
        left = is_there(reader, task_id)
        ctx.require("ID-3", not left, got="forget left it", allowed="an entry that can be forgotten")


def _can_forget(ctx: Context) -> bool:
    """Whether an ordinary task can be forgotten: if it cannot, that is not a matter of ids."""
    if not ctx.usable(["forget"]):
        return False
    client, task_id = ctx.client("writer"), ctx.new_id()
    client.attempt("store_result", task_id=task_id, result=1, state="SUCCESS")
    return client.attempt("forget", task_id=task_id).kind == "ok" and not is_there(client, task_id)


@check("ID-3", "ID-7", given={"odd": odd_text, "behind": st.booleans()}, effort=0.4)
def odd_ids_are_kept_or_refused(ctx: Context, odd: str, behind: bool) -> None:
    """An id with any other character is stored as it is, or refused with nothing stored."""
    base = _base(ctx)
    task_id = base + odd if behind else odd + base
    plain = "".join(character for character in task_id if character in PORTABLE_ID_ALPHABET)
    replaced = task_id.encode("ascii", "replace").decode()
    others = [base, plain, replaced, task_id.partition("\x00")[0], " ".join(task_id.split())]
    _faithful_or_refused(ctx, task_id, [other for other in others if base in other])


@check(
    "ID-3", "ID-7", cases=[{"length": length} for length in (156, 192, 250, 251, 255, 256, 257, 511, 513, 767, 1000)]
)
def long_ids_are_kept_or_refused(ctx: Context, length: int) -> None:
    """An id longer than the portable 155 characters is never cut: it is stored whole, or refused."""
    task_id = ctx.new_id().ljust(length, "x")
    others = [task_id + "y", task_id[:-1] + "y", task_id[:-1], *(task_id[:cut] for cut in (LONGEST, 250, 255, 512))]
    _faithful_or_refused(ctx, task_id, others)


@check("ID-3", "ID-7", needs=["surrogates"], cases=[{"odd": odd} for odd in ("\ud800", "\udfff", "a\udc80b", "\udce9")])
def ids_with_lone_surrogates_are_kept_or_refused(ctx: Context, odd: str) -> None:
    """An id that is not a sequence of Unicode scalar values is kept as it is, or refused."""
    base = _base(ctx)
    task_id = base + odd
    others = [base, task_id.encode("utf-8", "replace").decode(), task_id.encode("utf-8", "ignore").decode()]
    others += [base + odd.replace(character, "\ufffd") for character in odd]
    _faithful_or_refused(ctx, task_id, others)


NO_IDS: list[Value] = ["", None, 0, 7, True, False, 1.5, [], ["a"], {}, {"id": "a"}]


@check("ID-4", cases=[{"task_id": task_id} for task_id in NO_IDS])
def invalid_id_is_refused(ctx: Context, task_id: Value) -> None:
    """Every operation refuses what is neither text nor a UUID, and nothing is stored under its text."""
    client = ctx.client()
    texts = [text for text in (str(task_id), f"{task_id!r}", "null", "None") if text]
    for text in texts:
        ctx.make_unknown(client, text)
    # what a client has in its memory is no matter of the store
    for op in [name for name in _operations(ctx) if name != "is_cached"]:
        outcome = _attempt(client, op, task_id)
        refused = outcome.kind == "fail" and outcome.error in ("ValueError", "TypeError")
        got = f"{op} of {show(task_id)} ended {ctx.describe(outcome)}"
        ctx.require("ID-4", refused, got=got, allowed="ValueError or TypeError")
    for text in texts:
        got = f"the text {show(text)} has an entry"
        ctx.require("ID-4", not is_there(client, text), got=got, allowed="an untouched store")


EDGES = (uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=0xABCDEF))
UUIDS = st.one_of(st.uuids(), st.sampled_from(EDGES))


def new_uuid(ctx: Context, drawn: uuid.UUID) -> uuid.UUID:
    """Return a UUID that no example had before, made of `drawn`; one of the edges stays as it is."""
    if drawn in EDGES:
        return drawn
    digest = hashlib.sha256(ctx.new_id().encode()).digest()
    return uuid.UUID(int=drawn.int ^ int.from_bytes(digest[:16]))


@check("ID-5", given={"task_id": UUIDS, "by_uuid": st.booleans()}, effort=0.2)
def uuid_is_its_text(ctx: Context, task_id: uuid.UUID, by_uuid: bool) -> None:
    """A UUID and its text are one id, whichever of them a result is stored under."""
    task_id = new_uuid(ctx, task_id)
    client, text = ctx.client(), str(task_id)
    if is_there(client, text):
        raise Unobserved("the id was used before")
    client.store(task_id if by_uuid else text, "x")
    for form in (task_id, text):
        found = client.meta(form)
        got = f"by {show(form)}: {show(found)}"
        ctx.require("ID-5", found["result"] == "x", got=got, allowed="the one entry")
        ctx.require("ID-5", found.get("task_id") == text, got=got, allowed=f"the task_id {show(text)}")
    # an edge, which is given more than once, would be one that was forgotten
    if task_id in EDGES or not _can_forget(ctx):
        return
    client.forget(text if by_uuid else task_id)
    for form in (task_id, text):
        ctx.require("ID-5", not is_there(client, form), got=f"an entry by {show(form)}", allowed="a forgotten task")


@check("ID-5", cases=[{"task_id": uuid.UUID("D2B5DC4E-3DDF-4C34-A5B7-3E7A1E4ECDD9")}])
def every_operation_takes_a_uuid(ctx: Context, task_id: uuid.UUID) -> None:
    """Every operation takes a UUID for its canonical text, the client's cache included."""
    text = str(task_id)
    options = {"max_cached_results": 10} if "cache" in ctx.capabilities.provided else {}
    by_uuid, by_text = ctx.fresh_client("by UUID", **options), ctx.fresh_client("by text", **options)
    writer = ctx.client("writer")
    ctx.make_unknown(writer, text)
    request = {"id": text, "children": [[["child", None], None]]}
    writer.store(text, "x", traceback="trace", request=request)
    for op in _operations(ctx):
        if op in ("store_result", "forget"):
            continue
        expected, outcome = _attempt(by_text, op, text), _attempt(by_uuid, op, task_id)
        holds = outcome.kind == expected.kind and same(outcome.value, expected.value)
        got = f"{op}: {ctx.describe(outcome)}"
        ctx.require("ID-5", holds, got=got, allowed=f"what it does for the text {text}: {ctx.describe(expected)}")
    if not _can_forget(ctx):
        return
    writer.forget(task_id)
    ctx.require("ID-5", not is_there(writer, text), got="forget of the UUID left the entry", allowed="no entry")


NEIGHBOURS = ("", "-a", "-abc", "-abd", "-a.c", "0")
"""What follows the base in the ids of tasks that must not be touched."""

PATTERNS = (
    "*", "{b}*", "{b}-*", "{b}-a?c", "{b}-[a-z]bc", "{b}-ab[!x]", "{b}-ab{c,d}", "**/{b}-abc",
    "%", "{b}%", "{b}-a_c", "{b}-___", "{b}-a.c.", "{b}-.*", "^{b}", "{b}$", "{b}|x", "(?:{b}-abc)", ".", "..",
    "./{b}-abc", "{b}-abc/", "{b}-abc/.", "{b}-abc/../{b}-abd", "x/../{b}-abc", "../{b}-abc", "/{b}-abc", "//{b}-abc",
    "{b}\\-abc", "\\{b}-abc", "{b}-abc\\", "{b}%2Dabc", "{b}-ab%63", "{b}&#45;abc", "{b}\\u002dabc", "{b}\\x2dabc",
    "{b}-abc\x00", "{b}-abc\x00x", "{b}-abc\n", "{b}-abc#x", "{b}-abc?x=1", "{b}-abc;", "{b}-abc,{b}-a",
    "{b}-abc {b}-a",
    "' OR '1'='1", "{b}-abc' --", '{b}-abc"', "`{b}-abc`", "${b}-abc", "%s", "{b}-%s", "{0}{b}", "{b}{}",
    "{b}-{task_id}",
    "celery-task-meta-{b}-abc", "celery-task-meta-{b}", "-abc", "abc", "~", "{b}-abc.lock", "{b}-abc:1", "@{b}-abc",
)  # fmt: skip
"""Ids that a careless store takes for a pattern, a path, a format or the key of another task; `{b}` is the base."""


SPECIAL = ("{b}", "-abc", "-a", "*", "?", "/", "..", "%", "_", "\\", "[", "]", "\x00")


@check("ID-6", cases=[{"pattern": pattern} for pattern in PATTERNS])
def id_is_not_a_pattern(ctx: Context, pattern: str) -> None:
    """What is done to an id with a special character is done to no other task."""
    base = _base(ctx)
    _require_left_alone(ctx, base, pattern.replace("{b}", base))


@check(
    "ID-6",
    given={"pieces": st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=5)},
    effort=0.15,
)
def ids_of_special_characters_touch_no_other(ctx: Context, pieces: list[str]) -> None:
    """What is done to an id of any special characters is done to no other task."""
    base = _base(ctx)
    _require_left_alone(ctx, base, "".join(pieces).replace("{b}", base))


def _require_left_alone(ctx: Context, base: str, special: str) -> None:
    """Require that operations on `special` do nothing to the tasks whose ids begin with `base`."""
    client, reader = ctx.client("writer"), ctx.client("reader")
    others = {base + tail: f"of:{tail}" for tail in NEIGHBOURS if base + tail != special}
    if is_there(client, special):
        client.attempt("forget", task_id=special)
        if is_there(client, special):
            raise Unobserved(f"the entry of {show(special)} could not be forgotten (READ-4)")
    for task_id, value in others.items():
        client.store(task_id, value)
    there = is_there(client, special)
    ctx.require("ID-6", not there, got=f"{show(special)} reads an entry", allowed="nothing: no such id was stored")
    for op in ctx.usable(("store_result", "get_result", "forget")):
        _attempt(client, op, special)
        _require_own(ctx, "ID-6", reader, others)
