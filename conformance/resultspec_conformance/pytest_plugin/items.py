"""Checks as pytest items: passed, failed with the rendering of the failure, skipped, or expected to fail."""

from collections.abc import Iterable

import pytest

from resultspec_conformance.pytest_plugin.names import MARK, VERDICT
from resultspec_conformance.pytest_plugin.session import CheckSession
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.verdicts import EXIT_CODES, Judgement


def _verdict_text(judgement: Judgement) -> str:
    lines = [f"{judgement.verdict}: {', '.join(f'{one.name}: {one.summary}' for one in judgement.classes)}"]
    return "\n".join([*lines, *judgement.reasons])


def _run_verdict(checks: CheckSession) -> None:
    __tracebackhide__ = True
    judgement = checks.judgement()
    if EXIT_CODES[judgement.verdict]:
        pytest.fail(_verdict_text(judgement), pytrace=False)


def run_item(checks: CheckSession, name: str) -> None:
    """Run a check as the body of a test. Raises pytest's exceptions for a failure, a skip or an expected failure."""
    __tracebackhide__ = True
    if name == VERDICT:
        _run_verdict(checks)
        return
    if name in checks.plan.skipped:
        pytest.skip(checks.plan.skipped[name])
    try:
        result = checks.result(name)
        _judge(checks, result)
    except SubjectError as error:
        pytest.fail(str(error), pytrace=False)


def _judge(checks: CheckSession, result: CheckResult) -> None:
    """Raise pytest's exception for a result that is not simply passed. Raises SubjectError if a baseline is lost."""
    __tracebackhide__ = True
    if result.status == "passed":
        return
    if result.status == "unobserved":
        pytest.skip(f"observed nothing: {result.message}")
    if result.status == "blocked":
        pytest.skip(f"not tested: {result.reasons}")
    judged = [failure for failure in result.failures if failure.requirement not in checks.plan.deselected]
    if result.failures and not judged:
        pytest.skip(f"found only violations of {', '.join(result.accused)}, which is deselected")
    excuses = {failure.key: checks.excuse(result, failure) for failure in judged}
    counted = [failure for failure in judged if not excuses[failure.key]]
    if judged and not counted:
        pytest.xfail("; ".join(dict.fromkeys(excuses.values())))
    pytest.fail(checks.failure_text(result, counted), pytrace=False)


def registered(config: pytest.Config, marks: Iterable[str]) -> list[pytest.MarkDecorator]:
    """Return marks by their names, and register those that pytest does not know yet, which --strict-markers wants."""
    known = config.getini("markers")
    for mark in marks:
        line = f"{mark}: tests of resultspec"
        if mark != MARK and line not in known:
            config.addinivalue_line("markers", line)
    return [getattr(pytest.mark, mark) for mark in marks]


class CheckItem(pytest.Item):
    """A check of the target that `--resultspec` names."""

    checks: CheckSession

    def runtest(self) -> None:
        """Run the check."""
        run_item(self.checks, self.name)

    def reportinfo(self) -> tuple[str, None, str]:
        """Name the check in the headline of a failure."""
        return "resultspec", None, f"resultspec {self.checks.target} {self.name}"


class TargetCollector(pytest.Collector):
    """The checks of one target."""

    checks: CheckSession

    def collect(self) -> list[CheckItem]:
        """Return an item for each check, and one for the verdict."""
        items = [CheckItem.from_parent(self, name=name) for name in [*self.checks.names, VERDICT]]
        for item in items:
            item.checks = self.checks
            for mark in registered(self.config, self.checks.marks(item.name)):
                item.add_marker(mark)
        return items
