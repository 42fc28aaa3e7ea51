"""The application to which a backend belongs: the source of its settings.

A backend reads settings as attributes of `app.conf`; a missing setting has its default. A real
`celery.Celery` app is such an app, and `App` is the smallest one. The names of the settings are Celery's.
"""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, timedelta, tzinfo
from typing import Any, Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from resultspec_reference.errors import ImproperlyConfigured


@runtime_checkable
class AppProtocol(Protocol):
    """What a backend needs of an application: settings, which are attributes of `conf`."""

    @property
    def conf(self) -> Any: ...  # noqa: D102


class Sendable(Protocol):
    """What an application makes of a signature: an object that can be sent, as Celery's signatures can."""

    def apply_async(self, args: tuple[Any, ...]) -> Any: ...  # noqa: D102


@runtime_checkable
class SendingApp(AppProtocol, Protocol):
    """An application that can send tasks, such as the body of a chord and errbacks."""

    def signature(self, varies: Mapping[str, Any]) -> Sendable: ...  # noqa: D102


DEFAULTS: Final[dict[str, Any]] = {
    "accept_content": ["json"],
    "enable_utc": True,
    "result_accept_content": None,
    "result_backend_transport_options": {},
    "result_cache_max": -1,
    "result_expires": timedelta(days=1),
    "result_extended": False,
    "result_persistent": None,
    "result_serializer": "json",
    "timezone": None,
}
"""The settings that backends read, and their defaults."""


class Settings(dict[str, Any]):
    """Settings that can also be read as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no setting {name!r}") from None


class App:
    """The smallest application. Its settings are the given ones and otherwise the defaults."""

    def __init__(self, **conf: Any) -> None:
        self.conf = Settings(DEFAULTS | conf)


class _Current:
    app: AppProtocol | None = None


def set_current_app(app: AppProtocol | None) -> None:
    """Set the app for backends that are unpickled in this process."""
    _Current.app = app


def current_app() -> AppProtocol:
    """Return the app that was set, else Celery's current app if Celery is loaded, else one with default settings."""
    if _Current.app is not None:
        return _Current.app
    celery = sys.modules.get("celery")
    if celery is not None:
        found: AppProtocol = celery.current_app
        return found
    return App()


def setting(app: AppProtocol, name: str) -> Any:
    """Return a setting of the app, or its default where the app does not have it."""
    return getattr(app.conf, name, DEFAULTS.get(name))


def send(app: AppProtocol, signature: Mapping[str, Any], *args: Any) -> None:
    """Send a task; the positional arguments come before those of its signature.

    Raises ImproperlyConfigured if the app cannot send, and whatever sending raises.
    """
    if not isinstance(app, SendingApp):
        raise ImproperlyConfigured(f"the app {type(app).__name__} cannot send tasks: it has no method `signature`")
    app.signature(signature).apply_async(args)


def accepted(app: AppProtocol, accept: Iterable[str] | None) -> Iterable[str]:
    """Return the content types that may be read: the argument, else `result_accept_content`, else `accept_content`."""
    for found in (accept, setting(app, "result_accept_content"), setting(app, "accept_content")):
        if found is not None:
            return list(found)
    return list(DEFAULTS["accept_content"])


def current_request(app: AppProtocol) -> Any:
    """Return the request of the app's `current_task`, the task that runs in this thread; None if no task runs."""
    return getattr(getattr(app, "current_task", None), "request", None)


def time_zone(app: AppProtocol) -> tzinfo | None:
    """Return the time zone of the app; None means the zone of the machine.

    Raises ImproperlyConfigured for an unknown zone.
    """
    zone = setting(app, "timezone")
    if not zone:
        return UTC if setting(app, "enable_utc") else None
    if isinstance(zone, tzinfo):
        return zone
    if zone == "UTC":
        return UTC
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, TypeError, OSError):
        raise ImproperlyConfigured(f"unknown time zone {zone!r}") from None
