"""The pytest plugin: `pytest --resultspec TARGET`, and the tests of `conformance_tests`.

It is loaded in every run of pytest where the package is installed, so it imports the suite only when it is used.
"""

from typing import TYPE_CHECKING

import pytest

from resultspec_conformance.limits import EXAMPLES
from resultspec_conformance.pytest_plugin.names import MARK, PARAMETER

if TYPE_CHECKING:
    from resultspec_conformance.pytest_plugin.session import CheckSession


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("resultspec", "conformance of task result backends")
    group.addoption(
        "--resultspec", metavar="TARGET", help="judge this target: memory://, redis, python:pkg.module:factory"
    )
    group.addoption("--resultspec-class", metavar="CLASS", action="append", default=[], help="judge only this class")
    group.addoption(
        "--resultspec-select", metavar="S", action="append", default=[], help="judge only this id, check, or glob"
    )
    group.addoption(
        "--resultspec-deselect", metavar="S", action="append", default=[], help="do not judge this id, check, or glob"
    )
    group.addoption("--resultspec-known-failures", metavar="FILE", help="a TOML list of known violations")
    group.addoption("--resultspec-baseline", metavar="TARGET|FILE", default="", help="do not count what this fails too")
    group.addoption("--resultspec-examples", metavar="N", type=int, default=EXAMPLES, help="examples of a property")
    group.addoption("--resultspec-seed", metavar="N", type=int, default=0, help="repeat a run")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of all tests of the suite; those of classes and requirements follow when they are collected."""
    config.addinivalue_line(
        "markers",
        f"{MARK}: a test of the conformance suite for result backends; it also has the marks of its classes, such as "
        f"{MARK}_core, and of its requirements, such as STATE-3",
    )


def _open(config: pytest.Config) -> "CheckSession":
    import sys
    from pathlib import Path

    from resultspec_conformance.pytest_plugin.session import CheckSession
    from resultspec_conformance.runner.options import Options
    from resultspec_conformance.suite import all_checks
    from resultspec_conformance.verdict.known_failures import read
    from resultspec_conformance.verdict.selection import Selection

    examples = config.getoption("--resultspec-examples")
    if examples < 1:
        raise pytest.UsageError("--resultspec-examples must be a number of at least 1")
    listed = config.getoption("--resultspec-known-failures")
    options = Options(
        selection=Selection(
            classes=tuple(config.getoption("--resultspec-class")),
            patterns=tuple(config.getoption("--resultspec-select")),
            deselected=tuple(config.getoption("--resultspec-deselect")),
        ),
        examples=examples,
        seed=config.getoption("--resultspec-seed"),
        known=read(Path(listed), all_checks()) if listed else (),
        baseline=config.getoption("--resultspec-baseline"),
        sys_path=tuple(sys.path),
    )
    return CheckSession(config.getoption("--resultspec"), options)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks of the target that `--resultspec` names, before -k and -m choose among all items."""
    if config.getoption("--resultspec") is None:
        return
    from resultspec_conformance.pytest_plugin.items import TargetCollector
    from resultspec_conformance.subject.errors import SubjectError
    from resultspec_conformance.text.redaction import redact_text

    try:
        checks = _open(config)
    except SubjectError as error:
        raise pytest.UsageError(redact_text(f"--resultspec: {error}")) from error
    config.add_cleanup(checks.close)
    collector = TargetCollector.from_parent(session, name="resultspec", nodeid="resultspec")
    collector.checks = checks
    # through the hooks, so that pytest counts these items like others
    report = session.ihook.pytest_make_collect_report(collector=collector)
    session.ihook.pytest_collectreport(report=report)
    items.extend(report.result)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every check for a function that `conformance_tests` returned."""
    suite = getattr(metafunc.function, "resultspec_suite", None)
    if suite is None:
        return
    from resultspec_conformance.pytest_plugin.items import registered
    from resultspec_conformance.subject.errors import SubjectError
    from resultspec_conformance.text.redaction import redact_text

    try:
        tests = suite.tests()
    except SubjectError as error:
        pytest.fail(redact_text(str(error)), pytrace=False)
    metafunc.config.add_cleanup(suite.close)
    params = [pytest.param(name, marks=registered(metafunc.config, marks), id=name) for name, marks in tests.items()]
    metafunc.parametrize(PARAMETER, params)
