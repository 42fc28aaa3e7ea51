"""What the tests of adapters share: servers, and prefixes of one's own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any
from uuid import uuid4

import pytest
import redis

from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import SubjectError
from resultspec_reference import App

CELERY_DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql", "mysql": "mysql+pymysql"}
"""The drivers that Celery needs in its URLs; the adapters choose them by themselves."""


@pytest.fixture(name="raw")
def open_raw(redis_url: str) -> Iterator[Any]:
    """Yield a client of the tests' own."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


@pytest.fixture(name="prefix")
def make_prefix() -> str:
    """Return a global key prefix that no other test has."""
    return f"test-{uuid4().hex}:"


@pytest.fixture(name="server_url", scope="session")
def start_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Yield what returns the URL of a database by its kind, and starts a server where that takes one."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/results.db"}
    missing: dict[str, str] = {}
    with ExitStack() as servers:

        def url(kind: str) -> str:
            if kind not in urls and kind not in missing:
                try:
                    urls[kind] = servers.enter_context(running(kind)).url
                except SubjectError as error:
                    missing[kind] = f"no {kind}: {error}"
            if kind in missing:
                pytest.skip(missing[kind])
            return urls[kind]

        yield url


@pytest.fixture(name="kind", params=["sqlite", "postgresql", "mariadb"])
def name_of_database(request: pytest.FixtureRequest) -> str:
    """Return the kind of database that a test runs on: on each of them."""
    return str(request.param)


@pytest.fixture(name="database_url")
def url_of_database(kind: str, server_url: Callable[[str], str]) -> str:
    """Return the URL of the database of a test."""
    return server_url(kind)


# -- tables of one's own -----------------------------------------------------------------------------
# a machine without SQLAlchemy or Celery collects the other tests: so they are imported where they are used


@pytest.fixture(name="table_prefix")
def make_table_prefix() -> str:
    """Return a prefix for tables that no other test has."""
    return f"test_{uuid4().hex[:12]}_"


@pytest.fixture(name="new_app")
def name_kind_of_app() -> Callable[[], App]:
    """Return what makes the app of a SQL backend; a module may have one of its own."""
    return App


@pytest.fixture(name="usual_options")
def name_usual_options() -> Mapping[str, Any]:
    """Return the options that the SQL backends of a module have, unless others are given."""
    return {}


@pytest.fixture(name="make")
def make_sql_backends(
    database_url: str, table_prefix: str, new_app: Callable[[], App], usual_options: Mapping[str, Any]
) -> Iterator[Callable[..., Any]]:
    """Yield what makes SQL backends over the tables of the test, which are removed at its end."""
    from resultspec_adapters.sql import SqlBackend

    def make(**options: Any) -> SqlBackend:
        app = options.pop("app", None) or new_app()
        usual = {"table_prefix": table_prefix, "accept": [options.get("serializer", "json")], **usual_options}
        return SqlBackend(app, database_url, **{**usual, **options})

    yield make
    make().remove_tables()


@pytest.fixture(name="backend")
def make_sql_backend(make: Callable[..., Any]) -> Any:
    """Return a SQL backend with the usual options."""
    return make()


@pytest.fixture(name="task_table")
def make_task_table() -> str:
    """Return the name of a table that no other test has."""
    return f"test_{uuid4().hex[:12]}"


@pytest.fixture(name="app")
def make_celery_app_on_database(database_url: str, task_table: str) -> Iterator[Any]:
    """Yield a Celery app whose results and groups are in tables of the test, which are removed at its end."""
    import sqlalchemy as sa
    from celery import Celery

    url = sa.make_url(database_url)
    url = url.set(drivername=CELERY_DRIVERS.get(url.drivername, url.drivername))
    app = Celery("tests", broker="memory://", set_as_current=False)
    app.conf.result_backend = f"db+{url.render_as_string(hide_password=False)}"
    app.conf.database_table_names = {"task": task_table, "group": f"{task_table}_group"}
    yield app
    app.close()
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    for name in (task_table, f"{task_table}_group"):
        with engine.begin() as connection:
            sa.Table(name, sa.MetaData()).drop(connection, checkfirst=True)
