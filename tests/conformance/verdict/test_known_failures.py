"""The list of known failures: read once, its errors quote the user's line, and its entries match or complain."""

from pathlib import Path

import pytest

from resultspec_conformance.subject import UsageError
from resultspec_conformance.subject.call_failures import CallFailure
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.known_failures import (
    AS_RECORDED,
    NOT_JUDGED,
    NOT_TRIED,
    STILL_UNTESTED,
    TESTED,
    UNTESTED,
    KnownFailure,
    Seen,
    is_stale,
    known_keys,
    outcome,
    parse,
    read,
    with_replayed,
)
from resultspec_conformance.verdict.replay_token import Counterexample, encode_token

CHECK = "states.every_pair"
TOKEN = encode_token(Counterexample("memory://", CHECK, "STATE-3", {"there": "SUCCESS"}))[0]


def entry(text: str) -> str:
    """Return a list of one entry."""
    return f"# what is known\n\n[[known]]\n{text}\n"


def broke(requirement: str, name: str = CHECK, kind: str = "wrong") -> CheckResult:
    """Return the result of a check that broke a requirement."""
    return CheckResult(name, "violated", failures=(Failure(requirement, "got", "allowed", {}, [], {}, kind=kind),))


def test_an_empty_list_knows_of_nothing() -> None:
    """A file that is empty, or has nothing but a comment, is a list without entries."""
    assert parse("", "known.toml", all_checks()) == ()
    assert parse("# none left\n", "known.toml", all_checks()) == ()


def test_entries_are_read_with_their_place() -> None:
    """Each entry knows the line that it comes from, and its counterexample."""
    text = entry(f'requirement = "STATE-3"\nreason = "to be fixed"\nreplay = "{TOKEN}"')
    (found,) = parse(text + '[[known]]\nrequirement = "ID-1"\nreason = "no"\n', "known.toml", all_checks())[:1]
    assert (found.requirement, found.reason) == ("STATE-3", "to be fixed")
    assert found.counterexample is not None
    assert found.counterexample.example == {"there": "SUCCESS"}
    assert found.where == 'known.toml, line 4: requirement = "STATE-3"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[known]\n", "is not TOML"),
        ('requirement = "STATE-3"\n', "unexpected requirement"),
        ("known = 1\n", "unexpected known"),
        ('known = [{requirement = "STATE-3", reason = "x"}]\n', "write each entry below a line [[known]] of its own"),
        (
            entry('requirement = "STATE-3"'),
            'line 4: requirement = "STATE-3"\nAn entry needs a requirement and a reason',
        ),
        (entry('requirement = "STAT-3"\nreason = "x"'), "Did you mean STATE-3"),
        (entry('requirement = "STATE-3"\nreason = ""'), "must be non-empty text"),
        (entry('requirement = "STATE-3"\nreason = "x"\nissue = 7'), "An entry has no issue; it has check, kind"),
        (entry('requirement = "STATE-3"\nreason = "x"\ncheck = "states.every_pear"'), "Did you mean states.every_pair"),
        (entry('requirement = "STATE-3"\nreason = "x"\nreplay = "no token"'), "neither a file nor a replay token"),
    ],
)
def test_a_wrong_list_is_answered_with_the_line_and_the_cure(text: str, said: str) -> None:
    """What is wrong is said beside the line that is wrong."""
    with pytest.raises(UsageError) as raised:
        parse(text, "known.toml", all_checks())
    assert said in str(raised.value)
    assert "known.toml" in str(raised.value)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"\xff", "not UTF-8")])
def test_a_file_that_cannot_be_read_is_wrong_use(tmp_path: Path, content: bytes | None, said: str) -> None:
    """A missing or binary file is an answer, not a traceback."""
    path = tmp_path / "known.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read(path, all_checks())


def test_entries_describe_failures_of_their_requirement_kind_and_check() -> None:
    """An entry without a check or a kind describes every failure of the requirement, otherwise only that one."""
    results = {
        "a.one": broke("STATE-3", "a.one"),
        "a.two": broke("STATE-3", "a.two", kind="hung"),
        "a.three": broke("ID-1", "a.three"),
    }
    one, two = ("STATE-3", "wrong", "a.one"), ("STATE-3", "hung", "a.two")
    assert known_keys([KnownFailure("STATE-3", "x")], results) == {one, two}
    assert known_keys([KnownFailure("STATE-3", "x", "a.two")], results) == {two}
    assert known_keys([KnownFailure("STATE-3", "x", kind="wrong")], results) == {one}
    assert known_keys([KnownFailure("STATE-3", "x", "a.two", kind="wrong")], results) == frozenset()


CALL = CallFailure("forget", (), "hung", "READ-4")
PLAIN = KnownFailure("STATE-3", "x")
EXACT = KnownFailure("STATE-3", "x", counterexample=Counterexample("memory://", CHECK, "STATE-3", {}))
OF_A_CHECK = KnownFailure("STATE-3", "x", check=CHECK)
GAP = KnownFailure("STATE-3", "x", kind=UNTESTED)
FAILED, PASSED, OTHER = broke("STATE-3"), CheckResult(CHECK, "passed"), broke("ID-1")
BLOCKED = CheckResult(CHECK, "blocked", blocked=(CALL,))


@pytest.mark.parametrize(
    ("entry", "found", "replayed", "verdict", "said"),
    [
        (PLAIN, FAILED, None, "violated", AS_RECORDED),
        (EXACT, PASSED, FAILED, "violated", AS_RECORDED),
        (EXACT, FAILED, BLOCKED, "violated", AS_RECORDED),
        (OF_A_CHECK, FAILED, None, "violated", AS_RECORDED),
        (PLAIN, FAILED, None, None, NOT_JUDGED),
        (OF_A_CHECK, None, None, "passed", NOT_JUDGED),
        (EXACT, None, None, "passed", NOT_JUDGED),
        (EXACT, PASSED, BLOCKED, "not tested", NOT_TRIED),
        (GAP, PASSED, None, "not tested", STILL_UNTESTED),
        (GAP, PASSED, None, "passed", TESTED),
        (PLAIN, OTHER, None, "passed", "no failure of this run matches it: remove the entry"),
        (EXACT, FAILED, PASSED, "violated", "it did not fail: remove the entry, or record the failure again"),
        (EXACT, PASSED, OTHER, "passed", "it now violates ID-1"),
    ],
)
def test_an_entry_fails_as_recorded_or_says_what_to_do(
    entry: KnownFailure, found: CheckResult | None, replayed: CheckResult | None, verdict: str | None, said: str
) -> None:
    """Whatever the run saw has one outcome, and an outcome that is a complaint names the cure."""
    seen = Seen(
        results={} if found is None else {CHECK: found},
        replayed={},
        verdicts={} if verdict is None else {"STATE-3": verdict},
    )
    assert said in outcome(entry, seen, replayed)


def test_an_entry_behind_another_failure_is_not_stale() -> None:
    """Its requirement could not be tested for a reason that is excused: nothing says that its defect is gone."""
    seen = Seen({CHECK: BLOCKED}, {}, {"STATE-3": "not tested"}, masked=frozenset({"STATE-3"}))
    assert outcome(PLAIN, seen, None) == NOT_TRIED
    assert not is_stale(NOT_TRIED)


def test_what_a_counterexample_shows_is_evidence_as_if_its_check_had_found_it() -> None:
    """A failure that a search finds by chance only is in the report of every run."""
    found = with_replayed({CHECK: PASSED, "a.two": OTHER}, [FAILED])
    assert (found[CHECK].status, found[CHECK].accused) == ("violated", ("STATE-3",))
    assert found["a.two"] is OTHER
    assert with_replayed({CHECK: FAILED}, [FAILED])[CHECK].failures == FAILED.failures
    assert with_replayed({}, [FAILED]) == {}
