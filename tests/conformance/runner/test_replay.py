"""Replay: tokens and files lead back to the failure, at the first try."""

import base64
import json
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultspec_conformance.report.document import Report, ReportError, dump
from resultspec_conformance.report.recorded_failures import find
from resultspec_conformance.verdict.replay_token import (
    LONGEST_TOKEN,
    Counterexample,
    ReplayError,
    decode_token,
    encode_token,
)

Command = Callable[..., "subprocess.CompletedProcess[str]"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(example=st.dictionaries(st.text(), JSON, max_size=3), seed=st.integers(0, 2**31))
def test_a_token_holds_all_that_replay_needs(example: dict[str, object], seed: int) -> None:
    """Decoding gives back what was encoded; a long example is left to the seed."""
    given_ = Counterexample("memory://", "states.every_pair", "STATE-3", example, seed, 50, 2.5)
    token, exact = encode_token(given_)
    found = decode_token(token)
    assert len(token) <= LONGEST_TOKEN
    assert found == (
        given_ if exact else Counterexample("memory://", "states.every_pair", "STATE-3", None, seed, 50, 2.5)
    )


def test_a_token_is_safe_on_a_command_line() -> None:
    """Its characters have no meaning in a shell, and it does not look like an option."""
    token, _ = encode_token(Counterexample("memory://", "a.one", "X-1", {"text": "'\"$`\\ \n"}))
    assert token.replace("-", "").replace("_", "").isalnum()
    assert not token.startswith("-")


def test_an_example_that_is_too_long_is_searched_again() -> None:
    """The token stays short enough to be copied."""
    noise = base64.b64encode(bytes(range(256)) * 8 + b"".join(i.to_bytes(4, "big") for i in range(4000))).decode()
    token, exact = encode_token(Counterexample("memory://", "a.one", "X-1", {"text": noise}))
    assert (exact, decode_token(token).example) == (False, None)


@pytest.mark.parametrize(
    ("target", "example"),
    [("redis://:s3cret@host", {}), ("python:m:f", {"url": "redis://:s3cret@host"}), ("python:m:f", {"said": "s3cret"})],
)
def test_no_password_gets_into_a_token(target: str, example: dict[str, object]) -> None:
    """The target or the example that holds one is left out."""
    token, _ = encode_token(Counterexample(target, "a.one", "X-1", example), frozenset({"s3cret"}))
    text = zlib.decompress(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))).decode()
    assert "s3cret" not in text
    assert "X-1" in text


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "eNo", "e" * 100, base64.urlsafe_b64encode(zlib.compress(b"[]")).decode(),
     base64.urlsafe_b64encode(zlib.compress(b'{"v": 1}')).decode(), base64.urlsafe_b64encode(b"\xff").decode()],
)  # fmt: skip
def test_an_invalid_token_is_answered_with_the_cure(token: str) -> None:
    """Every malformed token is a ReplayError, whatever is wrong with it."""
    with pytest.raises(ReplayError, match="Copy the whole"):
        decode_token(token)


def test_a_token_of_another_version_says_so() -> None:
    """The form of tokens can change later."""
    token = base64.urlsafe_b64encode(zlib.compress(json.dumps({"v": 99}).encode())).decode()
    with pytest.raises(ReplayError, match="version 99"):
        decode_token(token)


def test_a_report_and_one_of_its_failures_can_be_replayed(tmp_path: Path, broken_report: Report) -> None:
    """A file gives the examples themselves, as long as they are."""
    whole, single = tmp_path / "report.json", tmp_path / "failure.json"
    whole.write_text(dump(broken_report))
    single.write_text(json.dumps(broken_report["failures"][0]))
    assert [one.example for one in find(str(whole))] == [one["example"] for one in broken_report["failures"]]
    (only,) = find(str(single))
    assert (only.check, only.target) == (broken_report["failures"][0]["check"], "broken:success-overwritten")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), ("{", "is not JSON"),
     ("[]", "does not contain a failure"), ('{"failures": []}', "does not contain a failure"),
     ('{"a": 1}', "it has no 'replay'"), ('{"replay": {"token": "x"}}', "replay token")],
)  # fmt: skip
def test_a_malformed_file_is_answered_in_a_line(tmp_path: Path, content: str | None, said: str) -> None:
    """The text says what is wrong with the file."""
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises((ReplayError, ReportError), match=said):
        find(str(path))


def test_a_failure_is_shown_again_at_the_first_try(command: Command, broken_report: Report) -> None:
    """Each recorded line exits 1 and shows the same requirement."""
    for failure in broken_report["failures"]:
        shown = command(*failure["replay"]["line"].split()[1:])
        assert shown.returncode == 1, shown
        assert shown.stdout.startswith(f"{failure['requirement']}  MUST")
        assert f"{failure['check']} failed again" in shown.stdout


def test_what_does_not_fail_any_more_is_said_clearly(command: Command, tmp_path: Path, broken_report: Report) -> None:
    """Against a correct backend the same file exits 0."""
    (tmp_path / "report.json").write_text(dump(broken_report))
    shown = command("replay", "report.json", "--target", "broken:no-op")
    assert shown.returncode == 0, shown
    assert "did not fail this time" in shown.stdout


def test_a_token_without_a_target_asks_for_it(command: Command) -> None:
    """The target held a password, which is not in the token."""
    token, _ = encode_token(Counterexample("redis://:s3cret@host", "states.every_pair", "STATE-3", {}))
    shown = command("replay", token)
    assert (shown.returncode, "--target" in shown.stderr) == (2, True)
