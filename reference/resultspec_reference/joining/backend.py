"""`JoiningBackend`: a result backend that can join many tasks, on any store.

A subclass defines `_open_join` and `_meta_of`, and its `JoinWatch` reads with `_answers`; see
`resultspec_reference.joining.loop`. `get_many` checks its arguments and runs the loop of that module.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from resultspec_reference import states
from resultspec_reference.base import BaseBackend
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.entries.unreadable import UNREADABLE, named
from resultspec_reference.errors import BackendError, ImproperlyConfigured
from resultspec_reference.ids import task_id_text
from resultspec_reference.joining.loop import JOIN_BATCH_SIZE, JoinAnswer, JoinLoop, JoinWatch, not_all_ready
from resultspec_reference.joining.machine import Join, passes
from resultspec_reference.waiting.machine import DEFAULT_INTERVAL, Phase, Terms


class JoiningBackend(BaseBackend):
    """A result backend with `get_many`."""

    supports_native_join = True

    join_batch = JOIN_BATCH_SIZE
    """The number of ids that a join reads from its store at a time."""

    def get_many(
        self,
        task_ids: Iterable[Any],
        timeout: float | None = None,
        interval: float | None = DEFAULT_INTERVAL,
        no_ack: bool = True,  # noqa: ARG002 - reading a store never consumes
        READY_STATES: Iterable[str] = states.READY_STATES,  # noqa: N803 - the name is Celery's
        *,
        on_message: Callable[[TaskMeta], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        max_iterations: int | None = None,
    ) -> Iterator[tuple[str, TaskMeta]]:
        """Return an iterator over the ids and metas of tasks, which yields each as soon as the task is ready.

        `timeout` and `interval` are in seconds, and start when the first item is requested; without a
        timeout there is no deadline. `max_iterations` limits the passes over the remaining ids. `on_interval` is called
        between reads. The call raises TypeError and ValueError for wrong arguments, and ImproperlyConfigured for
        `on_message`, since there are no messages. The iterator raises TimeoutError after the deadline, and what
        reading raises, once all ready tasks are yielded. Rules: chapter 10.
        """
        if on_message is not None:
            raise ImproperlyConfigured(f"{type(self).__name__} has no messages to call on_message with")
        if isinstance(task_ids, (str, bytes)):
            raise TypeError("task_ids must be an iterable of ids, not one id")
        wanted = dict.fromkeys(self._joined_ids(task_ids))
        terms, most = Terms.of(timeout, interval), passes(max_iterations)
        return self._join(wanted, terms, frozenset(READY_STATES), on_interval, most)

    def _joined_ids(self, task_ids: Iterable[Any]) -> Iterator[str]:
        """Return ids as text. Raises TypeError and ValueError for an id that the store does not accept (JOIN-10)."""
        return map(task_id_text, task_ids)

    def _join(
        self,
        task_ids: Iterable[str],
        terms: Terms,
        ready_states: frozenset[str],
        on_interval: Callable[[], object] | None,
        most: float,
    ) -> Iterator[tuple[str, TaskMeta]]:
        join = Join(task_ids, terms, time.monotonic(), self.reread_interval, most)
        retries = None if math.isfinite(join.deadline) else self.retry_policy["max_retries"]
        loop = JoinLoop(
            join,
            self._open_join,
            ready_states,
            on_interval,
            pause=self.subpolling_interval,
            max_losses=math.inf if retries is None else retries,
            batch=self.join_batch,
        )
        yield from loop.run()
        if join.phase is not Phase.GIVEN_UP:
            return
        if loop.last_error is not None and terms.timeout <= 0:
            raise loop.last_error
        raise not_all_ready(join, terms.timeout, loop.last_error) from loop.last_error

    def _answers(
        self, task_ids: Sequence[str], fetch: Callable[[Sequence[str]], Iterable[Any]]
    ) -> Iterator[JoinAnswer]:
        """Return the answers for some tasks: from the cache, or else by `fetch`, which is called before this returns.

        `fetch` returns for each id, in order, an argument for `_meta_of`, or the error of reading the entry.
        """
        cache = self._cache
        ticket = cache.ticket()
        held = {task_id: None for task_id in task_ids if task_id in cache} if cache else {}
        asked = [task_id for task_id in task_ids if task_id not in held] if held else task_ids
        entries = fetch(asked) if asked else ()
        return self._decoded(held, asked, entries, ticket)

    def _decoded(
        self, held: Iterable[str], asked: Iterable[str], entries: Iterable[Any], ticket: int
    ) -> Iterator[JoinAnswer]:
        for task_id in held:
            yield task_id, self.get_task_meta(task_id)
        cache = self._cache
        keeps = bool(cache)
        for task_id, entry in zip(asked, entries, strict=True):
            try:
                if isinstance(entry, BackendError):
                    raise entry
                found = self._meta_of(task_id, entry)
            except UNREADABLE as error:
                unreadable = named(error, task_id)
                unreadable.__cause__ = error
                yield task_id, unreadable
            else:
                if keeps:
                    cache.put(task_id, found, ticket)
                yield task_id, found

    # -- what a subclass defines ---------------------------------------------------------------

    def _open_join(self) -> AbstractContextManager[JoinWatch]:
        """Return the watch of a join."""
        raise NotImplementedError(f"{type(self).__name__} does not join tasks")

    def _meta_of(self, task_id: str, entry: Any) -> TaskMeta:
        """Return the meta of the store's entry of a task, which is None if absent. Raises what `UNREADABLE` lists."""
        raise NotImplementedError(f"{type(self).__name__} does not read entries")
