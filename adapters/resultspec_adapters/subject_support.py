"""What the adapters of this package have in common: how a backend of the reference becomes a subject of the suite."""

from collections.abc import Callable
from typing import Any, Final

from resultspec_reference.base import BaseBackend

SERIALIZERS: Final = ("json", "pickle", "yaml", "msgpack")

FEATURES: Final = frozenset({"cache", "uuid", "surrogates", "base-exceptions"}) | {
    "worker-calls",
    "current-task",
    "current-stack",
}
"""The features of every backend that stands on the reference."""


def factory(make: Callable[..., BaseBackend], prefix: str = "") -> Callable[..., BaseBackend]:
    """Return what makes a backend from the options of a client of the suite (`ClientOptions`).

    `make` takes an app and options of the reference; `prefix` is that of the run, and goes before the client's.
    """

    def made(app: Any, **options: Any) -> BaseBackend:
        options.pop("extended", None)  # the app that is given has it as its setting
        own_serializer = options.get("serializer", "json")
        options["accept"] = list(options.get("accept") or [own_serializer])
        if prefix or "prefix" in options:
            options["global_keyprefix"] = prefix + options.pop("prefix", "")
        return make(app, **options)

    return made


CHORD_LEASE: Final = 2.0
"""Seconds of the lease of a chord's claim while a backend is judged: checks wait for its end."""


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
    """Return what a standalone script needs to make a backend (`Adapter.construct`); `url` is source of its URL."""
    return _CONSTRUCT.format(module=cls.__module__, name=cls.__name__, url=url)
