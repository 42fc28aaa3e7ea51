"""The pytest plugin, and the few-line test module of an author, as pytest itself runs them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resultspec_conformance import conformance_tests
from resultspec_conformance.pytest_plugin.api import target_of
from resultspec_conformance.subject import UsageError
from resultspec_conformance.verdict.replay_token import Counterexample, encode_token

pytest_plugins = "pytester"

BACKEND = """
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.baseline.server import Server

SERVER = Server()

class Backend(Correct):
    {body}

def factory(app, **options):
    return Backend(SERVER, **options)
"""

MODULE = """
from resultspec_conformance import conformance_tests
{backend}

test_conformance = conformance_tests({arguments})
"""


@pytest.fixture
def author(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Return a function that runs an author's test module with a backend and arguments of conformance_tests."""

    def run(arguments: str, body: str = "pass", *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_mine=MODULE.format(backend=BACKEND.format(body=body), arguments=arguments))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rsfx", *options)

    return run


def test_a_target_on_the_command_line_is_an_item_for_each_check(pytester: pytest.Pytester) -> None:
    """Named as the check is, chosen by -k, and with a verdict at the end."""
    arguments = ["--resultspec", "broken:no-op", "--resultspec-examples", "3", "--resultspec-seed", "5"]
    listed = pytester.runpytest_subprocess("--collect-only", "-q", *arguments, "--resultspec-class", "atomic")
    listed.stdout.fnmatch_lines(["resultspec::concurrency.success_survives_a_race", "resultspec::verdict"])
    assert "waiting." not in listed.stdout.str()
    done = pytester.runpytest_subprocess(*arguments, "-v", "-k", "wrong_state_is_refused or every_pair")
    done.assert_outcomes(passed=2, deselected=done.parseoutcomes()["deselected"])
    done.stdout.fnmatch_lines(["*resultspec::states.every_pair PASSED*"])


def test_a_failing_item_shows_our_rendering_and_no_traceback(pytester: pytest.Pytester) -> None:
    """The sentence, the timeline and the replay line, as on the console; the verdict fails too."""
    done = pytester.runpytest_subprocess(
        "--resultspec", "broken:success-overwritten", "--resultspec-examples", "3", "-k", "every_pair"
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["STATE-3  MUST, class core, loss*", "*store_result(*", "resultspec replay e*"])
    done.stdout.fnmatch_lines(["*1 failed*"])
    done.stdout.re_match_lines([r"collected \d+ items / \d+ deselected / 1 selected"])
    assert "Traceback (most recent call last)" not in done.stdout.str()
    assert "pytest_items.py" not in done.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resultspec", "memory"], "Did you mean memory://?"),
        (["--resultspec", "redis://:s3cret@localhost:1/0"], "cannot be reached"),
        (["--resultspec", "memory://", "--resultspec-class", "cores"], "Did you mean core"),
        (["--resultspec", "memory://", "--resultspec-examples", "0"], "at least 1"),
    ],
)
def test_wrong_use_is_a_usage_error_of_pytest(pytester: pytest.Pytester, arguments: list[str], said: str) -> None:
    """No traceback, exit code 4, no password."""
    done = pytester.runpytest_subprocess(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    text = done.stderr.str() + done.stdout.str()
    assert said in text
    assert "Traceback" not in text
    assert "s3cret" not in text


def test_without_the_option_the_plugin_does_nothing(pytester: pytest.Pytester) -> None:
    """Whoever has the package installed sees no difference."""
    pytester.makepyfile(test_theirs="def test_theirs(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_few_lines_are_an_authors_test_module(author: Callable[..., pytest.RunResult]) -> None:
    """A factory in the module itself, claimed classes, declared choices; what cannot be seen is skipped."""
    done = author("factory, classes=['core'], choices={'late_unready': 'latest'}, select=['STATE-*'], examples=3")
    outcomes = done.parseoutcomes()
    assert done.ret == 0, done.stdout.str()
    assert outcomes["passed"] >= 6
    assert (
        "test_mine.py::test_conformance[verdict]"
        in author("factory, select=['STATE-*']", "pass", "--collect-only", "-q").stdout.str()
    )


def test_what_is_deselected_is_not_a_test(author: Callable[..., pytest.RunResult]) -> None:
    """Neither a check that is named, nor one that has nothing else to say."""
    arguments = "factory, select=['STATE-2', 'META-1'], deselect=['META-1', 'states.every_pair'], examples=3"
    listed = author(arguments, "pass", "--collect-only", "-q").stdout.str()
    assert "states.every_pair" not in listed
    assert "meta.meta_has_its_members" not in listed
    assert "[verdict]" in listed


def test_a_check_that_found_only_what_is_deselected_is_skipped(author: Callable[..., pytest.RunResult]) -> None:
    """It says so."""
    done = author("'broken:success-overwritten', select=['states.every_pair'], deselect=['STATE-3'], examples=3")
    done.stdout.fnmatch_lines(["SKIPPED*found only violations of STATE-3, which is deselected"])


def test_options_select_and_deselect_for_a_target(pytester: pytest.Pytester) -> None:
    """As --select and --deselect of the command do."""
    arguments = ["--resultspec-select", "STATE-*", "--resultspec-deselect", "STATE-3"]
    deselected = [*arguments, "--resultspec-deselect", "states.every_pair", "--collect-only", "-q"]
    listed = pytester.runpytest_subprocess("--resultspec", "broken:no-op", *deselected).stdout.str()
    assert "states.any_sequence_of_operations" in listed
    assert "states.every_pair" not in listed
    assert "meta." not in listed


CHOSEN = [
    (["-k", "STATE-3"], ["states.every_pair", "states.any_sequence_of_operations"], ["meta.meta_has_its_members"]),
    (["-m", "STATE-1"], ["states.every_pair"], ["states.wrong_state_is_refused", "verdict"]),
    (["-m", "resultspec_core"], ["states.every_pair", "meta.meta_has_its_members"], ["waiting.", "verdict"]),
    (["-m", "resultspec_waiting and not WAIT-4"], ["waiting."], ["states.every_pair", "verdict"]),
    (["-m", "resultspec"], ["states.every_pair", "waiting.", "verdict"], ["test_other"]),
]


@pytest.mark.parametrize(("options", "with_", "without"), CHOSEN, ids=[" ".join(chosen[0]) for chosen in CHOSEN])
def test_k_and_m_choose_by_requirement_and_class(
    author: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    options: list[str],
    with_: list[str],
    without: list[str],
) -> None:
    """The marks are known to --strict-markers, and are those of the module and those of the command line."""
    pytester.makepyfile(test_other="def test_other(): pass")
    quiet = ["--collect-only", "-q", "--strict-markers", "-W", "error", *options]
    in_module = author("factory", "pass", *quiet).stdout.str()
    named = pytester.runpytest_subprocess("--resultspec", "broken:no-op", "--ignore", "test_mine.py", *quiet)
    for listed in (in_module, named.stdout.str()):
        assert [name for name in with_ if name not in listed] == []
        assert [name for name in without if name in listed] == []


def test_what_is_not_claimed_is_not_collected(author: Callable[..., pytest.RunResult]) -> None:
    """Neither a class nor a feature; what is claimed and cannot be seen is skipped, with what is missing."""
    listed = author("factory", "pass", "--collect-only", "-q").stdout.str()
    for unclaimed in ("groups.", "expiry.", "reads.only_success_is_cached", "identifiers.uuid_is_its_text"):
        assert unclaimed not in listed
    done = author("factory, select=['meta.missing_members_are_null', 'meta.meta_has_its_members'], examples=3")
    done.stdout.fnmatch_lines(["SKIPPED*needs probe"])
    done.assert_outcomes(passed=2, skipped=1)


def test_choices_of_the_author_are_what_is_judged(author: Callable[..., pytest.RunResult]) -> None:
    """A backend that does latest and declares ready-sticky is wrong."""
    done = author("factory, choices={'late_unready': 'ready-sticky'}, select=['STATE-7'], examples=3")
    done.stdout.fnmatch_lines(["STATE-7  MUST*", "*FAILED*verdict*"])


def test_a_violation_fails_its_check_and_the_verdict(author: Callable[..., pytest.RunResult]) -> None:
    """The check shows how, the verdict says that the class is not conformant."""
    body = "get_task_meta = lambda self, task_id, cache=True: {**super().get_task_meta(task_id), 'status': 'PENDING'}"
    done = author("factory, select=['STATE-1'], examples=3", body)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*STATE-1  MUST*", "*violated: core: violated*"])


def test_known_failures_are_expected_failures(
    author: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """As recorded they are xfailed and the verdict passes; a stale entry fails the verdict with its line."""
    arguments = "select=['states.custom_state_comes_back'], examples=20, known_failures='known.toml'"
    pytester.path.joinpath("known.toml").write_text('[[known]]\nrequirement = "STATE-1"\nreason = "wip"\n')
    done = author(f"'broken:custom-states-upper-cased', {arguments}")
    assert done.ret == 0, done.stdout.str()
    done.assert_outcomes(passed=1, xfailed=1)
    stale = author(f"'broken:no-op', {arguments}")
    assert stale.ret == pytest.ExitCode.TESTS_FAILED
    stale.stdout.fnmatch_lines(['*known.toml, line 2: requirement = "STATE-1"*', "*remove the entry*"])


def test_what_is_new_beside_a_known_failure_fails(
    author: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """A check that finds both shows what is new alone."""
    body = """def get_task_meta(self, task_id, cache=True):
        meta = super().get_task_meta(task_id, cache)
        odd = {"REVOKED": {"status": "RETRY"}, "STARTED": {"traceback": "odd"}}
        return {**meta, **odd.get(meta["status"], {})}"""
    listed = "".join(f'[[known]]\nrequirement = "{one}"\nreason = "wip"\n' for one in ("STATE-1", "STATE-6"))
    pytester.path.joinpath("known.toml").write_text(listed)
    done = author("factory, select=['states.every_pair'], examples=3, known_failures='known.toml'", body)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["STATE-5  MUST*"])
    assert "STATE-1  MUST" not in done.stdout.str()


def test_what_a_baseline_fails_too_is_expected_to_fail(
    author: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """Given as a target or as a report, in a module and on the command line."""
    arguments = "'broken:success-overwritten', select=['STATE-3'], examples=5, baseline="
    done = author(f"{arguments}'broken:success-overwritten'")
    assert done.ret == 0, done.stdout.str()
    done.stdout.fnmatch_lines(["XFAIL*shared with the baseline: STATE-3"])
    assert author(f"{arguments}'memory://'").ret == pytest.ExitCode.TESTS_FAILED
    options = ["--resultspec-select", "STATE-3", "--resultspec-examples", "5", "-rx", "--ignore", "test_mine.py"]
    named = pytester.runpytest_subprocess(
        "--resultspec", "broken:success-overwritten", *options, "--resultspec-baseline", "broken:success-overwritten"
    )
    assert named.ret == 0, named.stdout.str()
    named.stdout.fnmatch_lines(["XFAIL*shared with the baseline: STATE-3"])


def test_a_list_of_known_failures_on_the_command_line(pytester: pytest.Pytester) -> None:
    """As in a module; one that cannot be read is wrong use."""
    pytester.path.joinpath("known.toml").write_text('[[known]]\nrequirement = "STATE-3"\nreason = "wip"\n')
    options = ["--resultspec", "broken:success-overwritten", "--resultspec-select", "states.every_pair", "-rx"]
    done = pytester.runpytest_subprocess(*options, "--resultspec-known-failures", "known.toml")
    assert done.ret == 0, done.stdout.str()
    done.stdout.fnmatch_lines(["XFAIL*known: wip"])
    wrong = pytester.runpytest_subprocess(*options, "--resultspec-known-failures", "none.toml")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot read the known failures in none.toml" in wrong.stderr.str()


def test_a_backend_that_dies_fails_the_verdict(author: Callable[..., pytest.RunResult]) -> None:
    """No vacuous green: the check fails, and so does the verdict."""
    body = "def store_result(self, *args, **kwargs):\n        import os; os._exit(3)"
    done = author("factory, select=['states.odd_state_comes_back'], examples=3", body)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*store_result ended the process*", "STATE-1 is violated"])


def test_what_a_backend_prints_is_shown_where_it_fails(author: Callable[..., pytest.RunResult]) -> None:
    """In the section of captured output, as that of any test; with -s at once."""
    body = """def get_task_meta(self, task_id, cache=True):
        print("asked for", task_id)
        return {**super().get_task_meta(task_id, cache), "status": "ODD"}"""
    arguments = "factory, select=['states.custom_state_comes_back'], examples=3"
    done = author(arguments, body)
    done.stdout.fnmatch_lines(["*Captured stderr call*", "asked for *"])
    live = author(arguments, body, "-s")
    assert "Captured stderr" not in live.stdout.str()
    assert "asked for " in live.stderr.str()


def test_a_target_that_cannot_be_opened_is_an_error_of_collection(author: Callable[..., pytest.RunResult]) -> None:
    """Said in our words."""
    done = author("'redis://:s3cret@localhost:1/0'")
    assert done.ret != 0
    done.stdout.fnmatch_lines(["*cannot be reached*"])
    assert "s3cret" not in done.stdout.str().replace("conformance_tests('redis://:s3cret@localhost:1/0')", "")


def _inner() -> Callable[..., object]:
    def factory(app: object, **options: object) -> object:
        return object()

    return factory


@pytest.mark.parametrize("factory", [lambda app: object(), _inner(), object().__str__])
def test_a_factory_without_a_name_is_answered_with_the_cure(factory: Callable[..., object]) -> None:
    """The suite calls it in another process and has to find it."""
    with pytest.raises(UsageError, match="at the top level of a module"):
        conformance_tests(factory)


def module_factory(app: object, **options: object) -> object:
    """Stand at the top level of this module."""
    return object()


def test_a_factory_is_found_by_module_or_by_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its module where a fresh process finds that, else by the file."""
    from resultspec_adapters.memory.backend import MemoryBackend

    assert target_of(MemoryBackend) == "python:resultspec_adapters.memory.backend:MemoryBackend"
    # `python -m pytest` puts the current directory on the path, and so this very module within reach of its name
    root = Path(__file__).parents[3]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry or ".").resolve() != root])
    assert target_of(module_factory) == f"python:{Path(__file__)}:module_factory"


def test_a_counterexample_of_a_known_failure_is_tried(
    author: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """An entry with a counterexample that passes is stale, though the run has no failure at all."""
    token, _ = encode_token(Counterexample("python:x:y", "states.odd_state_comes_back", "STATE-1", {"state": "S"}))
    pytester.path.joinpath("known.toml").write_text(
        f'[[known]]\nrequirement = "STATE-1"\nreason = "wip"\nreplay = "{token}"\n'
    )
    done = author("factory, select=['states.odd_state_comes_back'], known_failures='known.toml'")
    done.stdout.fnmatch_lines(["*its counterexample was tried and it did not fail: remove the entry*"])
