"""The list of known failures: read once, its errors quote the user's line, and its entries match or complain."""

from pathlib import Path

import pytest

from resultspec_conformance.subject import UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.known_failures import (
    AS_RECORDED,
    NOT_JUDGED,
    KnownFailure,
    known_pairs,
    outcome,
    parse,
    read,
)
from resultspec_conformance.verdict.replay_token import Counterexample, encode_token

CHECK = "states.every_pair"
TOKEN = encode_token(Counterexample("memory://", CHECK, "STATE-3", {"there": "SUCCESS"}))[0]


def entry(text: str) -> str:
    """Return a list of one entry."""
    return f"# what is known\n\n[[known]]\n{text}\n"


def broke(requirement: str, name: str = CHECK) -> CheckResult:
    """Return the result of a check that broke a requirement."""
    return CheckResult(name, "violated", failures=(Failure(requirement, "got", "allowed", {}, [], {}),))


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
        (
            entry('requirement = "STATE-3"'),
            'line 4: requirement = "STATE-3"\nAn entry needs a requirement and a reason',
        ),
        (entry('requirement = "STAT-3"\nreason = "x"'), "Did you mean STATE-3"),
        (entry('requirement = "STATE-3"\nreason = ""'), "must be non-empty text"),
        (entry('requirement = "STATE-3"\nreason = "x"\nissue = 7'), "An entry has no issue; it has check, reason"),
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


def test_entries_match_failures_of_their_requirement_and_check() -> None:
    """An entry without a check matches every failure of the requirement, one with a check only that check's."""
    results = {
        "a.one": broke("STATE-3", "a.one"),
        "a.two": broke("STATE-3", "a.two"),
        "a.three": broke("ID-1", "a.three"),
    }
    assert known_pairs([KnownFailure("STATE-3", "x")], results) == {("STATE-3", "a.one"), ("STATE-3", "a.two")}
    assert known_pairs([KnownFailure("STATE-3", "x", "a.two")], results) == {("STATE-3", "a.two")}


def test_an_entry_fails_as_recorded_or_says_what_to_do() -> None:
    """The outcome of an entry: as recorded, not judged, or a complaint with the cure."""
    plain = KnownFailure("STATE-3", "x")
    exact = KnownFailure("STATE-3", "x", counterexample=Counterexample("memory://", CHECK, "STATE-3", {}))
    failed, passed, other = broke("STATE-3"), CheckResult(CHECK, "passed"), broke("ID-1")
    judged = frozenset({"STATE-3"})
    assert outcome(plain, {CHECK: failed}, None, judged) == AS_RECORDED
    assert outcome(exact, {}, failed, judged) == AS_RECORDED
    assert outcome(plain, {CHECK: failed}, None, frozenset()) == NOT_JUDGED
    assert "remove the entry" in outcome(plain, {CHECK: other}, None, judged)
    assert "it did not fail: remove the entry" in outcome(exact, {CHECK: failed}, passed, judged)
    assert "it now violates ID-1" in outcome(exact, {}, other, judged)
