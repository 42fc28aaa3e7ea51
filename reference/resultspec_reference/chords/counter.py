"""Counting a chord: what a worker does with a part that has returned, as `resultspec_reference.chords.ledger` says."""

import functools
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from resultspec_reference import states
from resultspec_reference.app import AppProtocol, send
from resultspec_reference.chords import body as chord_body
from resultspec_reference.chords import header as chord_header
from resultspec_reference.chords.ledger import ChordStore, ChordTerms, Claim, Claimed, Event, Outcome, Part, Step, rest
from resultspec_reference.entries import exceptions
from resultspec_reference.entries.extended import member_of
from resultspec_reference.entries.groups import group_id_text
from resultspec_reference.errors import ChordError, ContentDisallowed, DecodeError, EncodeError, SecurityError
from resultspec_reference.ids import task_id_text

logger: Final = logging.getLogger(__name__)


class Backend(Protocol):
    """What counting needs of a backend."""

    app: AppProtocol

    def encode(self, data: Any) -> bytes: ...  # noqa: D102
    def decode(self, payload: bytes) -> Any: ...  # noqa: D102
    def encode_result(self, result: Any, status: str) -> Any: ...  # noqa: D102
    def exception_to_python(self, exc: Any) -> BaseException | None: ...  # noqa: D102
    def store_result(self, task_id: Any, result: Any, status: str, traceback: Any = None) -> Any: ...  # noqa: D102
    def on_chord_part_return(self, task: Any, state: str, result: Any) -> Any: ...  # noqa: D102


# -- the client ------------------------------------------------------------------------------------


def apply(backend: Backend, store: ChordStore, group_id: object, header: Any, body: Any) -> chord_body.Signature:
    """Open the ledger of a chord, and return its body, which now has an id.

    A header without tasks has no part that could return, so its body is called at once. Raises TypeError and
    ValueError for an invalid header or id.
    """
    text, shape = group_id_text(group_id), chord_header.shape_of(header)
    signature = chord_body.with_id(body, text)
    leaves = chord_header.leaves(shape)
    if leaves == 0:
        send(backend.app, signature, shape)
    else:
        store.open(text, leaves, backend.encode(shape) if chord_header.is_nested(shape) else None)
    return signature


def resize(store: ChordStore, group_id: object, size: object) -> None:
    """Set the number of parts of a chord. Raises TypeError and ValueError for anything but an integer from 1 on."""
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"the size of a chord must be a number of parts, not {type(size).__name__}")
    if size < 1:
        raise ValueError(f"a chord must have at least one part, not {size}")
    store.resize(group_id_text(group_id), size, uuid.uuid4().hex)


# -- the worker ------------------------------------------------------------------------------------


def part_returned(
    backend: Backend, store: ChordStore, terms: ChordTerms, request: object, state: str, result: Any
) -> None:
    """Count a part, and decide the chord if it was the last one.

    A request without a chord and a state that is not ready count nothing (CHORD-3). Raises DecodeError for
    bookkeeping that this version does not know, and what the store raises.
    """
    group_id, task_id, body = (member_of(request, name) for name in ("group", "id", "chord"))
    if not group_id or not task_id or not body or not states.is_ready(state):
        return
    part = part_of(backend, task_id_text(task_id), member_of(request, "group_index"), state, result)
    size = body.get("chord_size")
    hint = member_of(request, "chord_size") if size is None else size
    _PartDelivery(backend, store, terms, task_id_text(group_id), body, part, hint).run()


def part_of(backend: Backend, task_id: str, index: int | None, state: str, result: Any) -> Part:
    """Return a part as it is recorded; if the serializer cannot carry its value, the part has failed.

    The payload also contains the index, so that no two parts have equal payloads. Celery writes a constant
    there and ignores it when reading.
    """
    try:
        payload = backend.encode([index, task_id, state, backend.encode_result(result, state)])
    except EncodeError as error:
        failed = backend.encode_result(error, states.FAILURE)
        payload = backend.encode([index, task_id, states.FAILURE, failed])
    return Part(task_id, index, payload)


@dataclass
class _PartDelivery:
    """Processing of one delivery of one part."""

    backend: Backend
    store: ChordStore
    terms: ChordTerms
    group_id: str
    body: chord_body.Signature
    part: Part
    hint: int | None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    rests: int = 0
    claim: Claim = field(default_factory=lambda: Claim(Claimed.OPEN))
    message: Callable[[], None] = lambda: None

    def run(self) -> None:
        perform: Mapping[Step, Callable[[], Outcome]] = {
            Step.RECORD: lambda: self.store.record(self.group_id, self.part, self.hint),
            Step.CLAIM: self._take_claim,
            Step.REST: self._rest,
            Step.JUDGE: self._judge,
            Step.SEND: self._send,
            Step.FINISH: self._finish,
        }
        step = Step.RECORD
        while step is not Step.END:
            step = self.terms.following(step, perform[step]())

    def _take_claim(self) -> Outcome:
        self.claim = self.store.claim(self.group_id, self.token, self.terms.lease, self.hint)
        return self.claim.kind

    def _rest(self) -> Outcome:
        time.sleep(rest(self.claim.seconds, self.rests))
        self.rests += 1
        return Event.RESTED

    def _judge(self) -> Outcome:
        body = chord_body.with_id(self.body, self.group_id)
        try:
            values = results_of(self.backend, self.claim)
        except ChordError as error:
            fail_body(self.backend, body, error)
            self.message = functools.partial(call_errbacks, self.backend.app, body)
        else:
            self.message = functools.partial(call_body, self.backend, body, values)
        return Event.JUDGED

    def _send(self) -> Outcome:
        self.message()
        return Event.SENT

    def _finish(self) -> Outcome:
        return Event.FINISHED if self.store.finish(self.group_id, self.token) else Event.LOST


def results_of(backend: Backend, claim: Claim) -> list[Any]:
    """Return the results of the parts in the shape of the header. Raises ChordError if a part has failed."""
    try:
        parts = [returned(backend, payload) for payload in claim.payloads]
        shape = None if claim.header is None else backend.decode(claim.header)
    except (DecodeError, ContentDisallowed) as error:
        raise ChordError(f"a part cannot be read: {error}") from error
    for part in parts:
        if part.state in states.PROPAGATE_STATES:
            raise ChordError(f"Dependency {part.task_id} raised {exceptions.text_of(part.value)}")
    return chord_header.arranged(parts, shape)


def returned(backend: Backend, payload: bytes) -> chord_header.Returned:
    """Return what a part returned, which is an exception if it failed. Raises DecodeError."""
    try:
        _, task_id, state, value = backend.decode(payload)
    except (TypeError, ValueError):
        raise DecodeError("a part of a chord must be [index, id, state, result]") from None
    if state not in states.PROPAGATE_STATES:
        return chord_header.Returned(task_id, state, value)
    try:
        error = backend.exception_to_python(value)
    except SecurityError as refused:
        error = refused
    return chord_header.Returned(task_id, state, error)


# -- the outcome -----------------------------------------------------------------------------------


def call_body(backend: Backend, body: chord_body.Signature, values: Sequence[Any]) -> None:
    """Call the body with the results; a body that cannot be called has failed (CHORD-13)."""
    try:
        send(backend.app, body, values)
    except Exception as error:  # a broker may raise anything
        logger.exception("the body of a chord could not be called")
        fail_body(backend, body, ChordError(f"the body could not be called: {exceptions.text_of(error)}"))
        call_errbacks(backend.app, body)


def fail_body(backend: Backend, body: chord_body.Signature, error: BaseException, traceback: str | None = None) -> None:
    """Store FAILURE for every task of a body that has an id; count those that are parts of an enclosing chord."""
    for task in chord_body.tasks_of(body):
        task_id = chord_body.id_of(task)
        if task_id is None:
            continue
        backend.store_result(task_id, error, states.FAILURE, traceback=traceback)
        request = chord_body.enclosing(task, task_id)
        if request is not None:
            backend.on_chord_part_return(request, states.FAILURE, error)


def call_errbacks(app: AppProtocol, body: chord_body.Signature) -> None:
    """Call the errbacks of a body, each with the id of its task."""
    for errback, task_id in chord_body.errbacks_of(body):
        try:
            send(app, errback, task_id)
        except Exception:  # an errback that cannot be called must not prevent the others
            logger.exception("an errback of a chord could not be called")


def unlock_signature(group_id: str, body: Any, result: Iterable[Any] | None, countdown: float, options: Any) -> Any:
    """Return the signature of the task that polls for the results of a chord, for a store that cannot count."""
    results = [] if result is None else list(result)
    return {
        "task": "celery.chord_unlock",
        "args": [group_id, body],
        "kwargs": {**options, "result": results},
        "options": {"countdown": countdown},
        "subtask_type": None,
        "immutable": True,
    }
