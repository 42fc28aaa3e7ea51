"""Names, signatures and defaults are those of the API reference of Celery 3.1."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from resultspec_reference import BaseBackend, DisabledBackend, KeyValueStoreBackend

METHODS: Mapping[type[BaseBackend], Mapping[str, str]] = {
    BaseBackend: {
        "__init__": "(app, serializer=None, max_cached_results=None, accept=None, url=None, **kwargs)",
        "as_uri": "(include_password=False)",
        "decode": "(payload)",
        "decode_result": "(payload)",
        "encode": "(data)",
        "encode_result": "(result, status)",
        "exception_to_python": "(exc)",
        "fail_from_current_stack": "(task_id, exc=None)",
        "forget": "(task_id)",
        "get_children": "(task_id)",
        "get_result": "(task_id)",
        "get_state": "(task_id)",
        "get_status": "(task_id)",
        "get_task_meta": "(task_id, cache=True)",
        "get_traceback": "(task_id)",
        "is_cached": "(task_id)",
        "mark_as_done": "(task_id, result, request=None)",
        "mark_as_failure": "(task_id, exc, traceback=None, request=None)",
        "mark_as_retry": "(task_id, exc, traceback=None, request=None)",
        "mark_as_revoked": "(task_id, reason='', request=None)",
        "mark_as_started": "(task_id, **meta)",
        "meta_from_decoded": "(meta)",
        "prepare_exception": "(exc, serializer=None)",
        "prepare_persistent": "(enabled=None)",
        "prepare_value": "(result)",
        "process_cleanup": "()",
        "reload_task_result": "(task_id)",
        "store_result": "(task_id, result, status, traceback=None, request=None, **kwargs)",
        "wait_for": "(task_id, timeout=None, interval=0.5, no_ack=True, on_interval=None)",
    },
    KeyValueStoreBackend: {
        "__init__": "(*args, **kwargs)",
        "delete": "(key)",
        "get": "(key)",
        "get_key_for_task": "(task_id, key='')",
        "key_t": "(s)",
        "mget": "(keys)",
        "set": "(key, value)",
    },
    DisabledBackend: {
        "__init__": "(app, serializer=None, max_cached_results=None, accept=None, url=None, **kwargs)",
        "as_uri": "(*args, **kwargs)",
        "get_many": "(*args, **kwargs)",
        "get_result": "(*args, **kwargs)",
        "get_state": "(*args, **kwargs)",
        "get_status": "(*args, **kwargs)",
        "get_traceback": "(*args, **kwargs)",
        "store_result": "(*args, **kwargs)",
        "wait_for": "(*args, **kwargs)",
    },
}

ATTRIBUTES: Mapping[str, Any] = {
    "EXCEPTION_STATES": frozenset({"FAILURE", "RETRY", "REVOKED"}),
    "READY_STATES": frozenset({"FAILURE", "REVOKED", "SUCCESS"}),
    "UNREADY_STATES": frozenset({"STARTED", "RECEIVED", "RETRY", "PENDING"}),
    "persistent": True,
    "retry_policy": {"interval_start": 0, "interval_max": 1, "max_retries": 20, "interval_step": 1},
    "subpolling_interval": None,
    "supports_autoexpire": False,
    "supports_native_join": False,
}

CASES = [(cls, name) for cls, methods in METHODS.items() for name in methods]


def without_types(signature: inspect.Signature) -> str:
    """Return a signature as the API reference prints it."""
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(bare[1:]))


@pytest.mark.parametrize(("cls", "name"), CASES, ids=lambda case: case if isinstance(case, str) else case.__name__)
def test_a_method_has_its_signature(cls: type[BaseBackend], name: str) -> None:
    """Parameters, their order and their defaults."""
    assert without_types(inspect.signature(getattr(cls, name))) == METHODS[cls][name]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_has_its_value(name: str) -> None:
    """As the API reference prints it."""
    assert getattr(BaseBackend, name) == ATTRIBUTES[name]


def test_the_rest() -> None:
    """The error of a wait, and the prefix of keys."""
    assert issubclass(BaseBackend.TimeoutError, Exception)
    assert KeyValueStoreBackend.task_keyprefix == "celery-task-meta-"
