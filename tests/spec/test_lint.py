"""The linter: it finds nothing in the specification as it is, and the right thing in each sabotaged copy."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from resultspec.lint import Finding, NoSpecError, lint, main
from resultspec.lint.markdown import anchor, cells, parse

SPEC = Path(__file__).parents[2] / "spec"
REGISTER = "resultspec/requirements.toml"
STATES = "resultspec/states.json"
OPERATIONS = "resultspec/operations.json"


@dataclass(frozen=True)
class Sabotage:
    """One change of one file (`old` to `new`, once), and what every new finding has to say."""

    name: str
    path: str
    old: str
    new: str
    finding: str


def stated(identifier: str) -> str:
    """Return the sentence of a requirement as its chapter states it, with its intent."""
    for path in SPEC.glob("*.md"):
        for sentence in parse(path.name, path.read_text(encoding="utf-8")).sentences:
            if sentence.id == identifier:
                return f"**{sentence.id}** {sentence.statement}\n*Intent:* {sentence.intent}\n"
    return f"**{identifier}** is not stated"


SABOTAGES = [
    Sabotage(
        "a sentence is removed",
        "4-task-meta.md",
        stated("META-9"),
        "",
        r"requirements\.toml:\d+: META-9 is not stated in 4-task-meta\.md",
    ),
    Sabotage(
        "a word of a sentence is changed",
        "3-states.md",
        "The guard of SUCCESS and the write MUST",
        "The guard of success and the write MUST",
        r"3-states\.md:\d+: STATE-12 differs from the statement",
    ),
    Sabotage(
        "an intent is changed",
        "4-task-meta.md",
        "*Intent:* Future writers will add members.",
        "*Intent:* Yesterday's writer had a member less.",
        r"4-task-meta\.md:\d+: META-12 differs from the intent",
    ),
    Sabotage(
        "an intent is lost",
        "4-task-meta.md",
        "*Intent:* Future writers will add members.",
        "",
        r"4-task-meta\.md:\d+: META-12 differs from the intent",
    ),
    Sabotage(
        "a sentence is stated twice",
        "16-disabled.md",
        stated("DIS-3"),
        stated("DIS-3") * 2,
        r"16-disabled\.md:\d+: DIS-3 is stated 2 times",
    ),
    Sabotage(
        "a sentence stands in another chapter",
        "16-disabled.md",
        stated("DIS-3"),
        stated("DIS-3") + "\n" + stated("READ-1"),
        r"(16-disabled|8-reads)\.md:\d+: READ-1 (is stated 2 times|belongs to 8-reads\.md)",
    ),
    Sabotage(
        "a sentence has an id that is not registered",
        "16-disabled.md",
        "**DIS-3** ",
        "**DIS-33** ",
        r"DIS-33 is (not in the register|mentioned)|DIS-3 is not stated",
    ),
    Sabotage(
        "an unknown id is mentioned",
        "1-terms.md",
        "This chapter has no requirements.",
        "This chapter has no requirements (CHORD-99).",
        r"1-terms\.md:\d+: CHORD-99 is mentioned",
    ),
    Sabotage(
        "a key word stands outside a sentence",
        "1-terms.md",
        "A backend does not know whether a task exists.",
        "A backend MUST NOT know whether a task exists.",
        r"1-terms\.md:\d+: the key word MUST NOT stands outside",
    ),
    Sabotage(
        "the link to a file is dead",
        "1-terms.md",
        "(5-values.md#",
        "(5-value.md#",
        r"1-terms\.md:\d+: the link to 5-value\.md is dead",
    ),
    Sabotage(
        "the link to a heading is dead",
        "8-reads.md",
        "6-exceptions.md#what-a-reader-does",
        "6-exceptions.md#what-a-writer-did",
        r"8-reads\.md:\d+: the link to 6-exceptions\.md#what-a-writer-did is dead",
    ),
    Sabotage(
        "a chapter is not linked to",
        "README.md",
        "[rationale.md](rationale.md)",
        "rationale.md",
        r"rationale\.md:0: README\.md does not link to this file",
    ),
    Sabotage(
        "a cell of the table of states is wrong",
        "3-states.md",
        "| SUCCESS | keep |",
        "| SUCCESS | replace |",
        r"3-states\.md:\d+: PENDING arriving at SUCCESS: replace here, keep in states\.json",
    ),
    Sabotage(
        "a row of the table of states is missing",
        "3-states.md",
        "| REVOKED | late_unready |",
        "REVOKED | late_unready |",
        r"3-states\.md:\d+: the (row|columns|set)|3-states\.md:0",
    ),
    Sabotage(
        "a set has a member too many",
        "3-states.md",
        "| `PROPAGATE` | FAILURE, REVOKED |",
        "| `PROPAGATE` | FAILURE, RETRY, REVOKED |",
        r"3-states\.md:\d+: the set PROPAGATE has other members",
    ),
    Sabotage(
        "two sentences on one line",
        "1-terms.md",
        "This chapter has no requirements.\n",
        "This chapter has no requirements. ",
        r"1-terms\.md:\d+: two sentences on one line",
    ),
    Sabotage(
        "an example does not fit its schema",
        "6-exceptions.md",
        '{"exc_type": "Outer.Inner", ',
        "{",
        r"6-exceptions\.md:\d+: the example is not a valid exception: .*exc_type",
    ),
    Sabotage(
        "one of several examples does not fit its schema",
        "7-keys.md",
        '{"status": "RECEIVED", "result": null, "traceback": null, "children": null, "date_done": null',
        '{"status": "RECEIVED", "result": null, "traceback": null, "children": null, "date_done": "now"',
        r"7-keys\.md:\d+: the example is not a valid task-meta: .*date_done",
    ),
    Sabotage(
        "an example is not JSON",
        "README.md",
        '"spec": "0.1",',
        '"spec": NaN,',
        r"README\.md:\d+: the example is not JSON: NaN",
    ),
    Sabotage(
        "an example names no schema",
        "README.md",
        "```json capabilities",
        "```json",
        r"README\.md:\d+: an example of JSON needs the name of its schema",
    ),
    Sabotage(
        "a block of code is not closed",
        "16-disabled.md",
        "The operations take every argument",
        "```text\nThe operations take every argument",
        r"16-disabled\.md:\d+: the block of code is never closed|DIS-[234] is not stated",
    ),
    Sabotage(
        "an error is described otherwise",
        "README.md",
        "| `TypeError` | definite |",
        "| `TypeError` | indefinite |",
        r"README\.md:\d+: the error TypeError is described differently",
    ),
    Sabotage(
        "an operation has no binding",
        "appendix-bindings.md",
        "| `forget` | `forget(task_id)`",
        "| `forgot` | `forget(task_id)`",
        r"appendix-bindings\.md:\d+: (forget has 0 rows|forgot is not an operation)",
    ),
    Sabotage(
        "a choice has another default",
        "appendix-choices.md",
        "| `latest`, `ready-sticky` | `latest` |",
        "| `latest`, `ready-sticky` | `ready-sticky` |",
        r"appendix-choices\.md:\d+: the choice late_unready has another default",
    ),
    Sabotage(
        "an outcome of a choice is not listed",
        "appendix-choices.md",
        "| `latest`, `ready-sticky` | `latest` |",
        "| `latest` | `latest` |",
        r"appendix-choices\.md:\d+: the choice late_unready has other outcomes",
    ),
    Sabotage(
        "a capability is not explained",
        "appendix-choices.md",
        "| `surrogates` | `features` |",
        "| `surrogate` | `features` |",
        r"appendix-choices\.md:\d+: the capability surrogates? is on one side only",
    ),
    Sabotage(
        "a statement has a key word in lower case",
        REGISTER,
        "A reader MUST NOT fail on a member that it does not know.",
        "A reader MUST NOT fail on a member that it should not know.",
        r"META-12 (has the key word 'should' in lower case|differs from the statement)",
    ),
    Sabotage(
        "a level and its key word disagree",
        REGISTER,
        'chapter = "16-disabled"\nlevel = "MUST"',
        'chapter = "16-disabled"\nlevel = "SHOULD"',
        r"requirements\.toml:\d+: DIS-1 has the level SHOULD, and its key words are \['MUST'\]",
    ),
    Sabotage(
        "an entry entails what there is not",
        REGISTER,
        'entails = ["READ-6", "READ-7"]',
        'entails = ["READ-6", "READ-77"]',
        r"requirements\.toml:\d+: READ-5 entails READ-77",
    ),
    Sabotage(
        "an id is given twice",
        REGISTER,
        'id = "DIS-2"',
        'id = "DIS-1"',
        r"DIS-1 is defined 2 times|DIS-2 is (not in the register|mentioned)|this row .* class `disabled`",
    ),
    Sabotage(
        "an entry names no chapter",
        REGISTER,
        'id = "DIS-3"\nchapter = "16-disabled"',
        'id = "DIS-3"\nchapter = "12-enabled"',
        r"DIS-3 (names the chapter 12-enabled|belongs to 12-enabled)",
    ),
    Sabotage(
        "an entry applies with an unknown capability",
        REGISTER,
        'applies = "uuid"',
        'applies = "guid"',
        r"ID-5 (applies with guid|needs this line .*guid)|this row .*guid|nothing follows .*uuid",
    ),
    Sabotage(
        "a chapter does not say when a sentence applies",
        "2-identifiers.md",
        "\n*Applies:* with `uuid`.",
        "",
        r"2-identifiers\.md:\d+: ID-5 needs this line below its intent: \*Applies:\* with `uuid`\.",
    ),
    Sabotage(
        "a chapter says how a sentence is observed that needs no view",
        "2-identifiers.md",
        "*Intent:* If None becomes the text 'None', unrelated tasks share one entry.\n",
        "*Intent:* If None becomes the text 'None', unrelated tasks share one entry.\n*Observed:* with `probe`.\n",
        r"2-identifiers\.md:\d+: ID-4 needs this line below its intent: \(none\)",
    ),
    Sabotage(
        "the table of what is taken on lacks a requirement",
        "appendix-choices.md",
        "| class `disabled` | DIS-1 to DIS-3, GROUP-21 |",
        "| class `disabled` | DIS-1, DIS-2, GROUP-21 |",
        r"appendix-choices\.md:\d+: this row is missing or differs: \| class `disabled` \| DIS-1 to DIS-3, GROUP-21 \|",
    ),
    Sabotage(
        "a requirement of the first version is provisional",
        REGISTER,
        'id = "DIS-3"\n',
        'id = "DIS-3"\nprovisional = true\n',
        r"requirements\.toml:\d+: DIS-3 is provisional",
    ),
    Sabotage(
        "an entry has a member too many",
        REGISTER,
        'id = "DIS-3"\n',
        'id = "DIS-3"\ncolour = "red"\n',
        r"requirements\.toml:0: not valid: .*colour",
    ),
    Sabotage(
        "an entry is untestable without a reason",
        REGISTER,
        'id = "DIS-3"\n',
        'id = "DIS-3"\ntestable = false\n',
        r"requirements\.toml:0: not valid: .*reason",
    ),
    Sabotage(
        "the register is not TOML",
        REGISTER,
        'id = "DIS-3"',
        "id = DIS-3",
        r"requirements\.toml:\d+: cannot be read",
    ),
    Sabotage(
        "a pair of states is missing",
        STATES,
        '"absent": {"PENDING": "replace", ',
        '"absent": {',
        r"PENDING arriving at absent is not specified|3-states\.md:\d+: the columns of the row absent",
    ),
    Sabotage(
        "a cell of states.json is no action",
        STATES,
        '"absent": {"PENDING": "replace", ',
        '"absent": {"PENDING": "merge", ',
        r"states\.json:0: not valid: .*merge|PENDING arriving at absent: replace here",
    ),
    Sabotage(
        "a pair differs from what its requirement says",
        STATES,
        '"SUCCESS": {"PENDING": "keep", ',
        '"SUCCESS": {"PENDING": "replace", ',
        r"STATE-3 decides pairs that differ|PENDING arriving at SUCCESS: keep here",
    ),
    Sabotage(
        "no requirement decides a pair",
        STATES,
        '"there": ["FAILURE", "REVOKED"],\n      "arrives": ["FAILURE", "REVOKED"]',
        '"there": ["FAILURE"],\n      "arrives": ["FAILURE", "REVOKED"]',
        r"states\.json:0: (FAILURE|REVOKED) arriving at REVOKED is decided by no requirement",
    ),
    Sabotage(
        "an operation ends in an unlisted error",
        OPERATIONS,
        '"errors": ["NotImplementedError"]',
        '"errors": ["NotImplementedError", "KeyError"]',
        r"operations\.json:0: \w+ ends in KeyError",
    ),
    Sabotage(
        "the parameters of an operation refer to no schema",
        OPERATIONS,
        '"request": {"anyOf": [{"type": "null"}, {"$ref": "urn:resultspec:schema:request"}]}',
        '"request": {"anyOf": [{"type": "null"}, {"$ref": "urn:resultspec:schema:requests"}]}',
        r"operations\.json:0: store_result\.params: the reference to \S+:requests does not resolve",
    ),
    Sabotage(
        "a schema has another name",
        "resultspec/schemas/result-tuple.json",
        '"$id": "urn:resultspec:schema:result-tuple"',
        '"$id": "urn:resultspec:schema:result-triple"',
        r"result-tuple\.json:0: the \$id is not|does not resolve",
    ),
    Sabotage(
        "a schema is none",
        "resultspec/schemas/task-params.json",
        '"type": "object"',
        '"type": "objekt"',
        r"task-params\.json:0: not a schema|is not valid",
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the specification that a test may spoil."""
    root = tmp_path / "spec"
    shutil.copytree(SPEC, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def before() -> list[Finding]:
    """What is found in the specification as it is."""
    return lint(SPEC)


def test_the_specification_is_clean(before: list[Finding]) -> None:
    """Prose and data of this specification agree."""
    assert [str(finding) for finding in before] == []


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_sabotage_is_found(sabotage: Sabotage, copy: Path, before: list[Finding]) -> None:
    """Each sabotage has at least one finding, and no finding that is about something else."""
    path = copy / sabotage.path
    text = path.read_text(encoding="utf-8")
    assert sabotage.old in text, "the sabotage changes nothing"
    path.write_text(text.replace(sabotage.old, sabotage.new, 1), encoding="utf-8")
    found = [str(finding) for finding in lint(copy) if finding not in before]
    assert found
    assert [text for text in found if not re.search(sabotage.finding, text)] == []


def remove_chapter(root: Path) -> None:
    """Remove a whole chapter."""
    (root / "16-disabled.md").unlink()


def break_json(root: Path) -> None:
    """Tear a data file."""
    (root / OPERATIONS).write_text('{"protocol": "1"', encoding="utf-8")


def repeat_member(root: Path) -> None:
    """Give a member of a data file twice."""
    path = root / STATES
    path.write_text(path.read_text(encoding="utf-8").replace("{", '{"initial": "SUCCESS",', 1), encoding="utf-8")


def break_encoding(root: Path) -> None:
    """Make a chapter that is not UTF-8."""
    (root / "1-terms.md").write_bytes(b"\xff")


def add_bad_vector(root: Path) -> None:
    """Add a vector that is not valid by its schema."""
    (root / "resultspec/vectors/valid/bad.json").write_text('{"description": "none"}', encoding="utf-8")


def add_foreign_vector(root: Path) -> None:
    """Add a valid vector to the wrong folder, for a requirement and a capability that do not exist."""
    text = """{"description": "d", "requirement": "META-99", "provenance": {"kind": "derived", "by": "hand"},
      "task_id": "t", "stored": {"text": "{}"}, "error": "DecodeError", "applies": "wings"}"""
    (root / "resultspec/vectors/valid/foreign.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (remove_chapter, "DIS-1 names the chapter 16-disabled, which does not exist"),
        (break_json, "resultspec/operations.json:1: cannot be read"),
        (repeat_member, "resultspec/states.json:0: cannot be read: a member occurs twice"),
        (break_encoding, "1-terms.md:0: cannot be read"),
        (add_bad_vector, "resultspec/vectors/valid/bad.json:0: not a valid vector"),
        (add_foreign_vector, "a vector with an error is in invalid/"),
        (add_foreign_vector, "shows META-99, which is not in the register"),
        (add_foreign_vector, "applies with wings, which is not a capability"),
    ],
)
def test_spoiled_files_are_found(spoil: Callable[[Path], None], finding: str, copy: Path) -> None:
    """A file that is missing, torn or of the wrong kind is a finding and no traceback."""
    spoil(copy)
    assert any(finding in str(found) for found in lint(copy))


def test_a_directory_without_a_specification_is_refused(tmp_path: Path) -> None:
    """Nothing to read is an error that names the cure, and never a clean run."""
    with pytest.raises(NoSpecError, match="give the directory that holds"):
        lint(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([str(SPEC / "resultspec")], 2), (["a", "b"], 2)],
)
def test_wrong_use_is_one_line(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is answered in one line, with exit code 2."""
    assert main(arguments) == code
    assert capsys.readouterr().out.count("\n") == 1


def test_the_command_prints_findings_and_exits_with_1(copy: Path) -> None:
    """`python -m resultspec.lint` prints path, line and message of each finding."""
    path = copy / "16-disabled.md"
    path.write_text(path.read_text(encoding="utf-8") + "\nIt MAY rest.\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "resultspec.lint", str(copy)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert re.search(r"^16-disabled\.md:\d+: the key word MAY stands outside a normative sentence$", run.stdout, re.M)


def test_an_installed_package_asks_for_the_directory(tmp_path: Path) -> None:
    """Without chapters beside it, the linter asks in one line for the directory that holds them."""
    shutil.copytree(SPEC / "resultspec", tmp_path / "resultspec", ignore=shutil.ignore_patterns("__pycache__"))
    run = subprocess.run(
        [sys.executable, "-m", "resultspec.lint"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert re.fullmatch(r"the installed package has no chapters; give the spec/ directory .*\n", run.stdout)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Key words", "key-words"),
        ("`date_done`", "date_done"),
        ("4. Task meta", "4-task-meta"),
        ("A — b", "a--b"),
    ],
)
def test_anchors_are_those_of_common_renderers(heading: str, expected: str) -> None:
    """Fragments of headings are lower case, without punctuation, with hyphens for blanks."""
    assert anchor(heading) == expected


def test_a_bar_behind_a_backslash_belongs_to_its_cell() -> None:
    """Cells are split at bars that are not escaped."""
    assert cells(r"| a \| b | c |") == ("a | b", "c")
