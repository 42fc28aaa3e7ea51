"""Celery's own result backends under test, each with an application of its own: `python:celery_factory.py:redis`.

A backend of Celery needs Celery's objects around it. `Client` makes them of what the suite gives, and puts what the
backend sends into the suite's outbox; everything else is the backend's own.
"""

import math
import os
import tempfile
from contextlib import contextmanager

import celery
from celery import _state as state
from celery.app.task import Context
from celery.backends import cache
from celery.exceptions import Retry
from celery.result import result_from_tuple

FOLDER = tempfile.TemporaryDirectory(prefix="celery-results-")
POLLED = []
"""What is in the queue of chord_unlock: the chords that a worker looks for again and again, whoever has begun them."""


class Client:
    """One client: Celery's backend, and what has to be converted for it."""

    def __init__(self, suite, url, serializer="json", accept=None, max_cached_results=-1, prefix="", **options):
        self.suite = suite
        self.app = celery.Celery("suite", broker="memory://", backend=url, set_as_current=False)
        self.app.conf.update(
            result_serializer=serializer,
            result_accept_content=accept or [serializer],
            result_cache_max=max_cached_results,
            result_expires=suite.conf.result_expires,
            result_extended=suite.conf.result_extended,
            result_backend_transport_options={"global_keyprefix": prefix},
            timezone=suite.conf.timezone,
            enable_utc=suite.conf.enable_utc,
            # one backend for all threads, as app.backend too, by which Celery restores groups
            result_backend_thread_safe=True,
            # a call that waits for parts which do not come is to return before it counts as hung
            result_chord_join_timeout=1.0,
            # with that, they decide how long a Redis holds the claim of a chord: 5 s
            task_publish_retry=False,
            broker_connection_timeout=0.1,
        )
        self.app.send_task = self.send
        self.app.control.revoke = lambda *args, **options: None
        self.unlock = self.app.tasks["celery.chord_unlock"]
        self.unlock.apply_async = lambda args, kwargs, **options: POLLED.append((args, kwargs))
        self.unlock.retry = retry
        self.backend, self.dead = self.app.backend, False
        if hasattr(self.backend, "client"):
            self.backend.client = MortalStore(self, self.backend.client)

    def __getattr__(self, name):
        try:
            return getattr(self.backend, name)
        except AttributeError:
            raise AttributeError(name=name, obj=self) from None

    # -- Celery's objects ----------------------------------------------------------------------

    def result(self, stand_in):
        """Return an AsyncResult or a GroupResult."""
        return result_from_tuple(stand_in.as_tuple(), self.app)

    def request(self, view):
        """Return the request of a task."""
        if view is None:
            return None
        given = dict(vars(view))
        children = [self.result(child) for child in given.pop("children", None) or ()]
        body = given.pop("chord", None)
        made = Context({"delivery_info": {}, **given, "chord": body and self.body(body)})
        made._children = children
        return made

    def body(self, given):
        """Return the body of a chord which, when it is called, is put into the suite's outbox as a whole."""
        body, letter = self.app.signature(dict(given)), self.suite.signature(given)

        def call(args=(), kwargs=None, **options):
            try:
                letter.apply_async(args, kwargs, **options)
            except BaseException as error:
                self.dead = not isinstance(error, Exception)
                raise

        body.apply_async = call
        return body

    def send(self, name, args=(), kwargs=None, **options):
        """Send a task, which is an errback."""
        sent = {"task": name, "args": [], "kwargs": dict(kwargs or {}), "options": {"task_id": options.get("task_id")}}
        self.suite.signature(sent).apply_async(args)

    @contextmanager
    def running(self):
        """Let the suite's current task be Celery's during the block, if there is one."""
        task = self.suite.current_task
        if task is None:
            yield
            return
        task.request = self.request(task.request)
        state._task_stack.push(task)
        try:
            yield
        finally:
            state._task_stack.pop()

    # -- what has a request --------------------------------------------------------------------

    def store_result(self, task_id, result, status, traceback=None, request=None):
        """Store."""
        with self.running():
            self.backend.store_result(task_id, result, status, traceback, self.request(request))

    def current_task_children(self, request=None):
        """Return the children of the current task, or of a request."""
        with self.running():
            return self.backend.current_task_children(self.request(request))

    def mark_as_done(self, task_id, result, request=None):
        """Store, and count."""
        self.backend.mark_as_done(task_id, result, self.request(request))

    def mark_as_failure(self, task_id, exc, traceback=None, request=None):
        """Store, and count."""
        self.backend.mark_as_failure(task_id, exc, traceback, self.request(request))

    def mark_as_retry(self, task_id, exc, traceback=None, request=None):
        """Store."""
        self.backend.mark_as_retry(task_id, exc, traceback, self.request(request))

    def mark_as_revoked(self, task_id, reason="", request=None):
        """Store, and count."""
        self.backend.mark_as_revoked(task_id, reason, self.request(request))

    # -- groups and chords ---------------------------------------------------------------------

    def save_group(self, group_id, result):
        """Save."""
        self.backend.save_group(group_id, self.result(result))

    def apply_chord(self, header, body):
        """Begin a chord."""
        group_id, members = header
        self.backend.apply_chord((group_id, [self.result(member) for member in members]), self.body(body))

    def add_to_chord(self, group_id, result):
        """Add a part."""
        self.backend.add_to_chord(group_id, self.result(result))

    def on_chord_part_return(self, request, status, result):
        """Count a part."""
        self.backend.on_chord_part_return(self.request(request), status, result)

    def settle(self, deadline):
        """Run chord_unlock once for every chord that is not complete yet, as a worker does."""
        for (group_id, body), options in [POLLED.pop(0) for _ in POLLED[:]]:
            try:
                self.unlock.run(group_id, self.body(body), **options)
            except Retry:
                POLLED.append(((group_id, body), options))

    # -- waiting, and the end ------------------------------------------------------------------

    def wait_for(self, task_id, **options):
        """Wait as users do, and return the meta: the exception of a task and that of the wait look alike."""
        result = self.app.AsyncResult(task_id)
        result.get(propagate=False, **options)
        return result._cache

    def close(self):
        """Close what is open: Celery has no method for it."""
        self.dead = False
        consumer, client = getattr(self.backend, "result_consumer", None), getattr(self.backend, "client", None)
        if consumer is not None:
            consumer.stop()
        if hasattr(client, "close"):
            client.close()


class Died(BaseException):
    """What a worker that has died would have done after that."""


class MortalStore:
    """The client of a store, which does nothing more when the suite has let the worker die.

    The suite lets a worker die by an exception. Celery cleans up after one, which a worker that was killed does not.
    """

    def __init__(self, worker, client):
        self.worker, self.client = worker, client

    def __getattr__(self, name):
        if self.worker.dead:
            raise Died
        return getattr(self.client, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def retry(**options):
    """Give up for now: what chord_unlock does if a chord is not complete."""
    raise Retry


class MemoryProbe:
    """A look into the map that is the store of `cache+memory`."""

    def __init__(self, prefix):
        self.store, self.prefix = cache._DUMMY_CLIENT_CACHE, prefix

    def get(self, key):
        """Return what is under a key."""
        found = self.store.get(key.encode("utf-8", "surrogatepass"))
        return found.encode() if isinstance(found, str) else found

    def set(self, key, value):
        """Put bytes under a key."""
        self.store[key.encode("utf-8", "surrogatepass")] = value

    def delete(self, *keys):
        """Remove keys."""
        for key in keys:
            self.store.pop(key.encode("utf-8", "surrogatepass"), None)

    def keys(self):
        """Return all keys."""
        return frozenset(key.decode("utf-8", "replace") for key in list(self.store))

    def read(self, task_id):
        """Return the entry of a task."""
        return self.get(f"{self.prefix}celery-task-meta-{task_id}")

    def write(self, task_id, payload):
        """Replace the entry of a task."""
        self.set(f"{self.prefix}celery-task-meta-{task_id}", payload)

    def read_group(self, group_id):
        """Return the entry of a group."""
        return self.get(f"{self.prefix}celery-taskset-meta-{group_id}")

    def write_group(self, group_id, payload):
        """Replace the entry of a group."""
        self.set(f"{self.prefix}celery-taskset-meta-{group_id}", payload)

    def remaining(self, task_id):
        """Return for ever: the map takes no notice of lives."""
        return None if self.read(task_id) is None else math.inf

    def age(self, task_id, seconds):
        """Change nothing."""
        return False


# -- the factories -------------------------------------------------------------------------------


def factory(url, classes, features="", **said):
    """Return a factory of one of Celery's backends, with what it says of itself."""

    def make(app, **options):
        return Client(app, url, **options)

    every = "cache uuid surrogates base-exceptions worker-calls current-task current-stack"
    make.wait_returns = "meta"
    make.capabilities = {
        "spec": "0.1",
        "implementation": {"name": "celery", "version": celery.__version__, "language": "Python"},
        "classes": ["core", "waiting", "atomic", "groups", "chords", "extended", "expiry", *classes.split()],
        "serializers": ["json", "pickle", "yaml", "msgpack"],
        "values": "tagged",
        "features": [*every.split(), *features.split()],
        # no two processes share a folder of this module, so each of a run can judge
        "sharing": "thread",
        "payload_limit": None,
        **said,
    }
    return make


REDIS = os.environ.get("CELERY_REDIS", "redis://localhost:6379/0")
MEMCACHED = os.environ.get("CELERY_MEMCACHED", "memcached://localhost:11211/")
DATABASE = os.environ.get("CELERY_DATABASE", f"sqlite:///{FOLDER.name}/results.db")
POLLED_CHORDS = {"chord_completion": "polled"}

memory = factory("cache+memory://", "kv-wire join", "prefix expire", chord_lease=1)
memory.probe = MemoryProbe

redis = factory(
    REDIS, "kv-wire join", "prefix expire connection notify",
    sharing="host", store=REDIS, expiry_resolution=1, chord_lease=5,
)  # fmt: skip

memcached = factory(
    f"cache+{MEMCACHED}", "kv-wire join", "prefix expire",
    sharing="host", store=MEMCACHED, expiry_resolution=1, chord_lease=1,
)  # fmt: skip
memcached.overlap = False
memcached.errors = {
    "MemcacheIllegalInputError": "ValueError",
    "MemcacheError": "OperationalError",
    "builtins.TimeoutError": "OperationalError",
}

file = factory(
    f"file://{FOLDER.name}", "kv-wire", "prefix",
    store=f"file://{FOLDER.name}", choices={**POLLED_CHORDS, "expiry": "cleanup-all"},
)  # fmt: skip

database = factory(f"db+{DATABASE}", "sql-wire", store=DATABASE, choices={**POLLED_CHORDS, "expiry": "cleanup"})
