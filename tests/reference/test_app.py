"""The application: a Protocol, the smallest one, and a real Celery app."""

import datetime as dt
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest
from celery import Celery

from resultspec_reference import App, AppProtocol, DisabledBackend, current_app, set_current_app
from resultspec_reference.app import accepted, setting, time_zone
from resultspec_reference.errors import ImproperlyConfigured


def celery_app(**conf: object) -> Celery:
    """Return a Celery app that is not the current one."""
    app = Celery("tests", set_as_current=False)
    app.conf.update(conf)
    return app


def test_a_celery_app_satisfies_the_protocol() -> None:
    """Its settings are read as those of the smallest app are."""
    app = celery_app(
        result_serializer="yaml", result_accept_content=["yaml"], timezone="Asia/Tokyo", result_cache_max=5
    )
    assert isinstance(app, AppProtocol)
    backend = DisabledBackend(app)
    assert backend.serializer == "yaml"
    assert backend.accept == {"application/x-yaml"}
    assert time_zone(app) == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize("app", [App(), celery_app()], ids=["smallest", "celery"])
def test_the_defaults_are_the_same(app: AppProtocol) -> None:
    """But for the size of the cache, which a backend with Celery's default keeps too."""
    assert setting(app, "result_serializer") == "json"
    assert list(accepted(app, None)) == ["json"]
    assert setting(app, "result_expires") == dt.timedelta(days=1)
    assert setting(app, "result_cache_max") == -1
    assert time_zone(app) == dt.UTC


def test_the_reference_imports_no_celery() -> None:
    """Neither by itself nor through kombu."""
    code = "import sys, resultspec_reference; sys.exit('celery' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_accept_is_the_argument_or_a_setting() -> None:
    """The argument, else result_accept_content, else accept_content."""
    app = App(accept_content=["json", "yaml"])
    assert list(accepted(app, ["pickle"])) == ["pickle"]
    assert list(accepted(app, None)) == ["json", "yaml"]
    assert list(accepted(App(result_accept_content=["msgpack"]), None)) == ["msgpack"]


@pytest.mark.parametrize(
    ("conf", "zone"),
    [
        ({}, dt.UTC),
        ({"enable_utc": False}, None),
        ({"timezone": "UTC"}, dt.UTC),
        ({"timezone": "Asia/Tokyo", "enable_utc": False}, ZoneInfo("Asia/Tokyo")),
        ({"timezone": dt.timezone(dt.timedelta(hours=2))}, dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_the_time_zone(conf: dict[str, object], zone: dt.tzinfo | None) -> None:
    """That of the setting; else UTC, or the machine's where UTC is switched off."""
    assert time_zone(App(**conf)) == zone


def test_an_unknown_time_zone_is_refused() -> None:
    """When the backend is made."""
    with pytest.raises(ImproperlyConfigured, match="Atlantis"):
        DisabledBackend(App(timezone="Europe/Atlantis"))


def test_the_current_app() -> None:
    """The one that was named; else Celery's."""
    app = App()
    set_current_app(app)
    try:
        assert current_app() is app
    finally:
        set_current_app(None)
    assert isinstance(current_app(), AppProtocol)


def test_a_setting_that_is_not_there() -> None:
    """Has its default, or none."""
    assert setting(App(), "no_such_setting") is None
    with pytest.raises(AttributeError):
        _ = App().conf.no_such_setting
