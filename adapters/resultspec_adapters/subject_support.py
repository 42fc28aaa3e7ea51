"""What the adapters have in common: how a backend of the reference becomes a subject of the suite."""

from collections.abc import Callable
from typing import Any, Final

from resultspec_reference.base import BaseBackend

SERIALIZERS: Final = ("json", "pickle", "yaml", "msgpack")

FEATURES: Final = frozenset({"cache", "uuid", "surrogates", "base-exceptions"}) | {
    "worker-calls",
    "current-task",
    "current-stack",
}
"""The features of every backend that is based on the reference."""


def factory(make: Callable[..., BaseBackend], prefix: str = "") -> Callable[..., BaseBackend]:
    """Return a factory that makes a backend from the options of a client of the suite (`ClientOptions`).

    `make` takes an app and options of the reference. `prefix` is that of the run; the client's own follows it.
    """

    def made(app: Any, **options: Any) -> BaseBackend:
        options.pop("extended", None)  # the app already has it as a setting
        own_serializer = options.get("serializer", "json")
        options["accept"] = list(options.get("accept") or [own_serializer])
        if prefix or "prefix" in options:
            options["global_keyprefix"] = prefix + options.pop("prefix", "")
        return make(app, **options)

    return made


CHORD_LEASE: Final = 2.0
"""Seconds that the claim of a chord lasts while a backend is judged. It is short because checks wait for its end."""


_CONSTRUCT: Final = """
from {module} import {name}
from resultspec_reference.app import App


def make(url, timezone=None, **options):
    \"""Return a backend.\"""
    app = App(
        result_expires=options.pop("expires", 3600),
        result_extended=options.pop("extended", False),
        timezone=timezone,
        enable_utc=timezone is None,
    )
    options["accept"] = list(options.get("accept") or [options.get("serializer", "json")])
    options["global_keyprefix"] = "resultspec-script:" + options.pop("prefix", "")
    return {name}(app, url={url}, **options)
"""


def construct(cls: type[BaseBackend], url: str = "url") -> str:
    """Return the source by which a standalone script makes a backend (`Adapter.construct`); `url` is an expression."""
    return _CONSTRUCT.format(module=cls.__module__, name=cls.__name__, url=url)
