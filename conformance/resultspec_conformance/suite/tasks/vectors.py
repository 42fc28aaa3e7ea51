"""Checks that have a reader read the vectors: stored payloads, and what each must be read as or refused with."""

import json
from collections.abc import Mapping
from dataclasses import replace

from resultspec import REQUIREMENTS, Vector, vectors
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.tasks.meta import json_client, reader_of_extended_members, require_instant
from resultspec_conformance.suite.tasks.values import uncompressed
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.task_model import instant
from resultspec_conformance.wire.values import Value, decode, same, show

_ALL: Mapping[str, Vector] = {vector.name: vector for kind in ("valid", "invalid") for vector in vectors(kind)}


FAITHFUL_OR_REFUSED = "VALUE-15"
"""The requirement whose vectors a reader may also refuse."""

COMPRESSED = "VALUE-11"
"""The requirement that compressed payloads are read."""


def _names(*, valid: bool, applies: str = "") -> list[dict[str, Value]]:
    """Return the names of vectors as examples, the most special first, so that the right sentence is blamed.

    A vector about an exception may be compressed, and anything may be one about releases (META-14), not vice versa.
    """
    order = {requirement: position for position, requirement in enumerate(REQUIREMENTS)}
    order |= {requirement: -1 for requirement in order if requirement.startswith("EXC")} | {"META-14": len(order)}
    own = FAITHFUL_OR_REFUSED
    chosen = [one for one in _ALL.values() if (one.valid, one.applies) == (valid, applies) and one.requirement != own]
    return [{"vector": vector.name} for vector in sorted(chosen, key=lambda vector: order[vector.requirement])]


def _cited(principal: str, cases: list[dict[str, Value]]) -> list[str]:
    """Return the requirements of some vectors, the principal one first."""
    return [principal, *sorted({_ALL[case["vector"]].requirement for case in cases} - {principal})]


def _read(ctx: Context, vector: Vector) -> Outcome:
    reader = reader_of_extended_members(ctx) if vector.applies == "extended" else json_client(ctx)
    ctx.plant(vector.task_id, vector.stored)
    return reader.attempt("get_task_meta", task_id=vector.task_id)


def _current(child: Value) -> Value:
    """Return a result tuple in the current form: up to 4.1, that of a group began with its bare id."""
    if not isinstance(child, list) or len(child) != 2:
        return child
    head, members = child
    return [
        [head, None] if isinstance(head, str) else head,
        [_current(member) for member in members] if isinstance(members, list) else members,
    ]


def _children(found: Value) -> Value:
    """Return children in the current form, empty ones as null."""
    return [_current(child) for child in found] if isinstance(found, list) and found else found or None


def _stored_date(vector: Vector) -> Value:
    """Return the date in a payload."""
    date: Value = json.loads(uncompressed(vector.stored)).get("date_done")
    return date


def _require_read(ctx: Context, name: str) -> None:
    """Require that a valid vector is read as it says: its own requirement, META-15 of its date, META-16 of its id."""
    vector = _ALL[name]
    outcome = _read(ctx, vector)
    allowed = f"{vector.description} It reads as {show(dict(vector.meta))}"
    if vector.requirement == FAITHFUL_OR_REFUSED and outcome.raised:
        ctx.require(vector.requirement, True, got="", allowed=allowed)
        return
    ctx.require(vector.requirement, outcome.kind == "ok", got=ctx.describe(outcome), allowed=allowed)
    rules = {"task_id": "META-16"}
    # what a vector is about is looked at before what is in all of them
    for member, encoded in sorted(vector.meta.items(), key=lambda member: member[0] in ("task_id", "date_done")):
        found, expected = outcome.value.get(member), decode(encoded)
        if member == "date_done" and expected is not None:
            moment = instant(expected)
            assert moment is not None
            require_instant(ctx, found, moment, _stored_date(vector))
            continue
        rule = rules.get(member, vector.requirement)
        as_expected = _says(member, found, expected)
        # of a compressed payload that reads as without the compression, this is not the sentence
        holds = as_expected or (rule == COMPRESSED and _says(member, found, _read_plain(ctx, vector).get(member)))
        got = f"{member} {show(found)}"
        ctx.require(rule, holds, got=got, allowed=f"{vector.description} {show(expected)}")


def _says(member: str, found: Value, expected: Value) -> bool:
    """Whether a member reads as expected; children in whichever form."""
    return same(_children(found), _children(expected)) if member == "children" else same(found, expected)


def _read_plain(ctx: Context, vector: Vector) -> Mapping[str, Value]:
    """Return how the payload of a vector is read without its compression; nothing, if it is not read at all."""
    outcome = _read(ctx, replace(vector, stored=uncompressed(vector.stored)))
    return outcome.value if outcome.kind == "ok" else {}


def _require_refused(ctx: Context, name: str) -> None:
    """Require that an invalid vector is refused."""
    vector = _ALL[name]
    outcome = _read(ctx, vector)
    allowed = f"an error: {vector.description}"
    ctx.require(vector.requirement, outcome.raised, got=ctx.describe(outcome), allowed=allowed)


def _require_named(ctx: Context, name: str) -> None:
    """Require that an invalid vector is refused with the error that it names."""
    vector = _ALL[name]
    outcome = _read(ctx, vector)
    named = outcome.kind == "fail" and outcome.error == vector.error
    ctx.require("VALUE-13", named, got=ctx.describe(outcome), allowed=f"{vector.error}: {vector.description}")


_VALID = _names(valid=True)
_TAGGED = _names(valid=True, applies="tagged")
_EXTENDED = _names(valid=True, applies="extended")
_INVALID = _names(valid=False)
_INVALID_TAGGED = _names(valid=False, applies="tagged")


@check(*dict.fromkeys([*_cited("META-14", _VALID), "META-15", "META-16"]), needs=["payload"], cases=_VALID)
def valid_vector_is_read(ctx: Context, vector: str) -> None:
    """What each release of Celery, or a foreign writer, may have stored is read as the vectors say."""
    _require_read(ctx, vector)


@check(
    FAITHFUL_OR_REFUSED, "META-15", "META-16",
    needs=["payload"],
    cases=[{"vector": name} for name, vector in _ALL.items() if vector.requirement == FAITHFUL_OR_REFUSED],
)  # fmt: skip
def vector_beyond_a_library_is_read_or_refused(ctx: Context, vector: str) -> None:
    """What a json library may round or replace is read as it is stored, or refused."""
    _require_read(ctx, vector)


@check(*dict.fromkeys([*_cited("VALUE-10", _TAGGED), "META-15", "META-16"]), needs=["payload"], cases=_TAGGED)
def vector_with_type_tags_is_read(ctx: Context, vector: str) -> None:
    """What the json serializer writes as a type tag is read as the value that it stands for."""
    _require_read(ctx, vector)


@check(*dict.fromkeys([*_cited("EXT-9", _EXTENDED), "META-15", "META-16"]), needs=["extended"], cases=_EXTENDED)
def vector_with_extended_members_is_read(ctx: Context, vector: str) -> None:
    """What each release of Celery stores of a call is passed on as it was stored."""
    _require_read(ctx, vector)


@check(*_cited("VALUE-9", _INVALID), needs=["payload"], cases=_INVALID)
def invalid_vector_is_refused(ctx: Context, vector: str) -> None:
    """What is not a meta is refused, however close to one it is."""
    _require_refused(ctx, vector)


@check("VALUE-13", needs=["payload"], cases=_INVALID)
def invalid_vector_is_refused_as_it_says(ctx: Context, vector: str) -> None:
    """The error of what is not a meta is the one that the vector names."""
    _require_named(ctx, vector)


@check(*_cited("VALUE-9", _INVALID_TAGGED), needs=["payload", "tagged"], cases=_INVALID_TAGGED)
def invalid_type_tag_is_refused(ctx: Context, vector: str) -> None:
    """A known type tag with a value that its type does not have is refused."""
    _require_refused(ctx, vector)
