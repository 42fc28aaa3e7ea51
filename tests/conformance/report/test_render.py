"""Renderings: pure functions of the report, fit to be read, and safe whatever a backend has said."""

import copy
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultspec.schemas import complaint
from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.causes import causes_of
from resultspec_conformance.report.document import FailureEntry, Report
from resultspec_conformance.report.plain_text import lanes, outcome, printable, shown
from resultspec_conformance.report.python_literal import literal
from resultspec_conformance.report.render import console, html, junit, markdown
from resultspec_conformance.report.render.failures import failure_text
from resultspec_conformance.report.render.timeline import LONGEST_TIMELINE
from resultspec_conformance.report.reproducer_script import script
from resultspec_conformance.runner.targets import load_adapter
from resultspec_conformance.subject.call_failures import CallFailure
from resultspec_conformance.verdict.check_results import Failure
from resultspec_conformance.verdict.known_failures import AS_RECORDED, TESTED
from resultspec_conformance.verdict.settings import CheckSettings
from resultspec_conformance.wire.values import ExceptionData, encode

ODD = "a\x1b[31m<b>&\x00\u202e\ud800\uffff]]>`|``` *x* {{ y }} \N{SNOWMAN}"


def step(
    client: str, op: str, start: float, end: float | None, args: dict[str, Any], value: Any = None
) -> dict[str, Any]:
    """Return an operation of a history that ended well, or has not ended."""
    ended = None if end is None else {"kind": "ok", "value": encode(value)}
    return {"client": client, "op": op, "args": encode(args), "start": start, "end": end, "outcome": ended}


def failed(
    history: list[dict[str, Any]], got: str = "got", target: str = "memory://", construct: str = ""
) -> FailureEntry:
    """Return the entry of a failure with a history."""
    clients: dict[str, Any] = {operation["client"]: {} for operation in history}
    failure = Failure("STATE-3", got, "allowed", {}, history, {"t": got}, clients)
    return failure_entry("states.every_pair", failure, target, CheckSettings(), frozenset(), construct=construct)


STORE = {
    "task_id": "t-1",
    "result": {"n": [1, None, ExceptionData("ValueError", "builtins", ("late",))]},
    "state": "SUCCESS",
}
HISTORY = [
    step("writer", "store_result", 0.0, 0.002, STORE),
    step("reader", "wait_for", 0.001, 0.4, {"task_id": "t-1", "timeout": 5}, {"returned": 1}),
    step("writer", "get_state", 0.003, None, {"task_id": "t-1"}),
]


@pytest.fixture
def odd(broken_report: Report) -> Report:
    """A report in which a backend has said everything that could break a rendering."""
    report = copy.deepcopy(broken_report)
    failure = failed([step("a", "get_state", 0.0, 0.1, {"task_id": ODD.replace("\ud800", "")}, "x")], ODD)
    failure["check"] = report["failures"][0]["check"]
    report["failures"].insert(0, failure)
    report["causes"] = causes_of(report["failures"], [], [])
    report["target"] = report["origin"] = ODD
    report["reasons"] = [ODD]
    report["requirements"][0]["reason"] = ODD
    report["requirements"][0]["verdict"] = "not tested"
    return report


@pytest.fixture
def excused(broken_report: Report) -> Report:
    """A report in which nothing counts: a known violation, one of the baseline, and what they hide."""
    report = copy.deepcopy(broken_report)
    known = failed(HISTORY)
    known["known"] = True
    shared = {**failed(HISTORY), "requirement": "META-2", "shared": True}
    report["failures"] = [shared, known]  # type: ignore[list-item]
    for entry in report["requirements"]:
        entry["known"], entry["shared"] = entry["id"] == "STATE-3", entry["id"] == "META-2"
        entry["verdict"] = "violated" if entry["id"] in ("STATE-3", "META-2") else "passed"
    hidden = next(entry for entry in report["requirements"] if entry["id"] == "STATE-1")
    hidden["verdict"], hidden["known"], hidden["consequence"] = "not tested", True, True
    report["causes"] = causes_of(report["failures"], report["requirements"], report["checks"])
    report["known_failures"] = [
        {"requirement": "STATE-3", "kind": "", "check": "", "reason": "issue <12>", "outcome": AS_RECORDED},
        {"requirement": "ID-1", "kind": "not tested", "check": "", "reason": "slow", "outcome": TESTED},
    ]
    report["baseline"] = {
        "source": "old.json", "target": "redis://h", "started": "2026-01-01T00:00:00Z", "verdict": "violated",
        "violated": 2, "shared": ["META-2"], "own": [], "mended": ["ID-7"],
    }  # fmt: skip
    report["verdict"], report["exit_code"], report["reasons"] = "nothing new", 0, []
    assert complaint(report, "report") is None
    return report


# -- console -----------------------------------------------------------------------------------


def test_the_console_shows_sentence_history_bytes_and_the_line_to_see_it_again(broken_report: Report) -> None:
    """A violation has this order: requirement, history, stored bytes, got, allowed, replay."""
    text = console.render(broken_report)
    parts = [
        "Once SUCCESS is stored",
        "store_result(",
        "    stored ",
        "    got ",
        "    allowed ",
        "resultspec replay e",
        "not conformant",
    ]
    places = [text.index(part, text.index("STATE-3  MUST")) for part in parts]
    assert places == sorted(places)
    assert "% of the checks' time inside the backend" in text


@pytest.mark.parametrize("width", [60, 100, 140])
def test_lines_fit_the_terminal_but_those_to_be_copied(broken_report: Report, width: int) -> None:
    """Nothing is wider than the terminal, and the replay line is whole."""
    lines = console.render(broken_report, width).splitlines()
    assert max(len(line) for line in lines if not line.startswith("resultspec replay")) <= width
    assert broken_report["failures"][0]["replay"]["line"] in lines


def test_a_provisional_requirement_is_named_as_one(broken_report: Report) -> None:
    """Beside the sentence that is broken, in what a run says at its end, and in each rendering; JUnit does not fail."""
    report = copy.deepcopy(broken_report)
    new = report["failures"][0]["requirement"]
    for entry in [*report["failures"], *report["requirements"]]:
        entry["provisional"] = new == (entry.get("requirement") or entry.get("id"))
    said = console.render(report, 120)
    assert f"{new}  MUST, provisional, class" in said
    assert f"provisional, so reported and not scored: {new} violated" in said
    assert "MUST, provisional" in html.render(report)
    assert "violated (provisional)" in markdown.render(report)
    assert "<failure" not in junit.render(report)


def test_what_does_not_count_takes_a_line_each(excused: Report) -> None:
    """No history of it, but the reason on the list or what was found, what it hides, and what the baseline lacks."""
    text = console.render(excused, 140)
    assert "STATE-3  MUST" not in text
    assert "resultspec replay" not in text
    for part in (
        "  known, so not counted:\n    STATE-3   loss          wrong: issue <12>\n",
        "  shared with the baseline, so not counted:\n    META-2    loss          wrong: got\n",
        "  not tested, for these reasons or as listed: STATE-1\n",
        "  listed as not tested, and tested in this run: ID-1\n",
        "  baseline old.json, redis://h judged at 2026-01-01T00:00:00Z: 1 violated here as there, 0 only here",
        " 1 only there (ID-7)\n",
        "no new violation; the known ones and those of the baseline prevent conformance",
    ):
        assert part in text.replace("\n    1 only", " 1 only")


def test_in_other_renderings_nothing_of_it_fails(excused: Report) -> None:
    """A test view is green, a page and a summary say why; all failures of a terminal have them, too."""
    xml = fromstring(junit.render(excused))
    assert [case.get("name") for case in xml.iter("testcase") if case.find("failure") or case.find("error")] == []
    skipped = {case.get("name") for case in xml.iter("testcase") if case.find("skipped") is not None}
    assert skipped == {"STATE-3", "META-2", "STATE-1"}
    summary, page = markdown.render(excused), html.render(excused)
    assert "## Causes" not in summary
    assert "## Violations that are known, so not counted\n\n| id | severity | reason |" in summary
    assert "| STATE-3 | loss | wrong: issue \\<12\\> |" in summary
    assert "violated (known)" in summary
    assert "violated (shared)" in summary
    assert '<span class="badge">shared with the baseline</span>' in page
    assert "<p>issue &lt;12&gt;</p>" in page
    assert page.count("<summary>The failure that shows it</summary>") == 2
    for text in (summary, page):
        assert "1 violated here as there" in text
    every = console.render(excused, everything=True)
    assert every.count("resultspec replay") == len(excused["failures"])
    excused["failures"][0]["shared"] = False
    excused["causes"] = causes_of(excused["failures"], excused["requirements"], excused["checks"])
    assert "## Causes\n\n1 cause, 1 requirement violated.\n\n### 1. META-2" in markdown.render(excused)
    assert html.render(excused).count("<summary>The failure that shows it</summary>") == 1


def test_without_color_no_escape_is_written_and_with_color_the_same_text(broken_report: Report) -> None:
    """Colour adds nothing that is not also in words."""
    plain, colored = console.render(broken_report), console.render(broken_report, color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_the_console_escapes_what_a_backend_said(odd: Report) -> None:
    """No control character of a backend reaches the terminal."""
    text = console.render(odd)
    assert not set(text) & {"\x1b", "\x00", "\u202e", "\ud800"}
    assert "a\\x1b[31m<b>&\\x00\\u202e\\ud800" in text


def test_lanes_show_who_does_what_at_the_same_time() -> None:
    """A star begins an operation, a bar is in the middle of one."""
    assert lanes(HISTORY) == ["*.", "|*", "*|"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.none() | st.integers(0, 5)), max_size=12),
)
def test_lanes_are_those_of_the_definition(operations: list[tuple[str, int, int | None]]) -> None:
    """A client is busy while an operation of it has begun and has not ended, in whatever order the history has them."""
    history = [{"client": client, "start": start, "end": end} for client, start, end in operations]
    clients = list(dict.fromkeys(client for client, _, _ in operations))
    for (client, start, _), picture in zip(operations, lanes(history), strict=True):
        busy = {other for other, begun, end in operations if begun < start and (end is None or end > start)}
        assert picture == "".join("*" if name == client else "|" if name in busy else "." for name in clients)


class CountedStep(dict[str, Any]):
    """A step that counts how often its start is read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        """Return a member."""
        type(self).reads += name == "start"
        return super().__getitem__(name)


def test_lanes_of_a_long_history_are_found_in_one_sweep() -> None:
    """A run that fails after tens of thousands of calls is shown, not computed for an hour."""
    CountedStep.reads = 0
    lanes([CountedStep(client="a", start=number, end=number + 1) for number in range(1000)])
    assert CountedStep.reads <= 4 * 1000


def test_a_long_history_is_collapsed_and_repetitions_are_counted() -> None:
    """The timeline stays readable; the report has it all."""
    reads = [step("a", "get_state", n / 10, n / 10 + 0.01, {"task_id": "t"}, "STARTED") for n in range(5)]
    assert "-> 'STARTED' (5 times)" in failure_text(failed(reads))
    stores = [step("a", "forget", n / 10, n / 10 + 0.01, {"task_id": f"t-{n}"}) for n in range(100)]
    text = failure_text(failed(stores))
    assert f"{100 - LONGEST_TIMELINE} more steps" in text
    assert text.count("forget(") == LONGEST_TIMELINE


def test_the_good_rounds_before_the_one_that_fails_are_collapsed() -> None:
    """What is shown is about the task of the step that differs, wherever that step is."""
    rounds = [step("a", op, n, n, {"task_id": f"t-{n}"}) for n in range(60) for op in ("store_result", "get_result")]
    failure = failed(rounds)
    failure["step"] = 81
    text = failure_text(failure)
    assert "80 more steps" in text
    assert "37 more steps" in text
    assert re.search(r"^  > .* a  get_result\(task_id='t-40'\)", text, re.MULTILINE)
    assert "store_result(task_id='t-40')" in text
    assert text.count("task_id=") == 3


def test_the_value_that_differs_is_not_shortened() -> None:
    """Other steps may be."""
    long = "x" * 400
    history = [
        step("a", "store_result", 0.0, 0.1, {"task_id": "t", "result": long}),
        step("a", "get_result", 0.2, 0.3, {"task_id": "t"}, long),
    ]
    failure = failed(history)
    failure["step"] = 1
    stored, read = re.sub(r"\n +", "", failure_text(failure, 2000)).split("get_result")
    assert "…(402 characters)…" in stored
    assert long in read


def test_two_long_values_are_shown_where_they_differ() -> None:
    """Whatever is said before them."""
    left, right = "a" * 5000 + "LEFT" + "b" * 5000, "a" * 5000 + "RIGHT" + "b" * 5000
    for words in ("", "json: ok: "):
        failure = failed(HISTORY, words + left)
        failure["allowed"] = right
        text = re.sub(r"\n +", "", failure_text(failure)).partition("got ")[2]
        assert "aLEFTb" in text
        assert "aRIGHTb" in text
        assert len(text) < 2000


def test_examples_that_fail_alike_are_one_line() -> None:
    """With their number, and some of them."""
    failure = failed(HISTORY)
    failure["also"], failure["alike"] = [{"state": f"state {number}", "long": "x" * 99} for number in range(20)], 37
    (line,) = [line for line in failure_text(failure).splitlines() if line.startswith("    alike")]
    assert line.startswith("    alike    37 other examples: state='state 0', long='xxx")
    assert len(line) <= 100


def test_values_are_shown_as_python_would_but_never_raise() -> None:
    """Exceptions inside of containers too, and an object whose representation raises."""
    assert (
        shown(encode({"e": [ExceptionData("ValueError", "builtins", ("late", 1))]})) == "{'e': [ValueError('late', 1)]}"
    )
    assert shown({"$type": "opaque", "value": None}) == "<an object without representation>"
    assert shown({"$type": "nonsense"}) == "{'$type': 'nonsense'}"


@given(st.text(st.characters()))
def test_printable_text_has_no_character_that_acts(text: str) -> None:
    """Whatever the text, it can be encoded and moves no cursor."""
    found = printable(text)
    found.encode("utf-8")
    assert found.isprintable() or all(character.isprintable() or character.isspace() for character in found)


# -- JUnit, Markdown, HTML ---------------------------------------------------------------------


def test_junit_has_a_test_case_for_each_requirement(broken_report: Report) -> None:
    """Violated ones fail, and the counts are right."""
    root = fromstring(junit.render(broken_report))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {entry["id"] for entry in broken_report["requirements"]}
    failure = cases["STATE-3"].find("failure")
    assert failure is not None
    assert "resultspec replay" in (failure.text or "")
    counts = [(suite.get("failures"), len(suite.findall("testcase/failure"))) for suite in root.iter("testsuite")]
    assert all(int(said or -1) == counted for said, counted in counts)


@pytest.mark.parametrize("verdict", ["failed", "inconclusive"])
def test_junit_is_never_green_for_a_run_without_a_verdict(broken_report: Report, verdict: str) -> None:
    """A CI job that looks at the XML alone must see it."""
    report: Report = {**broken_report, "verdict": verdict, "requirements": [], "failures": [], "reasons": ["gone"]}
    errors = list(fromstring(junit.render(report)).iter("error"))
    assert [error.text for error in errors] == ["gone"]


def test_junit_is_xml_whatever_a_backend_said(odd: Report) -> None:
    """Characters that XML cannot hold are escaped."""
    text = junit.render(odd)
    text.encode("utf-8")
    assert any("not tested: a\\x1b" in (error.get("message") or "") for error in fromstring(text).iter("error"))


def test_markdown_lets_no_text_become_markup(odd: Report) -> None:
    """Tables keep their columns, and a fence is longer than any run of backticks within."""
    text = markdown.render(odd)
    row = next(line for line in text.splitlines() if line.startswith(f"| {odd['requirements'][0]['id']} |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "<b>" not in text.partition("## Causes")[0]
    assert "````text" in text


def test_markdown_and_junit_name_the_cause_of_each_verdict(broken_report: Report) -> None:
    """What is violated and what could not be tested refer to it, instead of repeating the reason."""
    report = copy.deepcopy(broken_report)
    report["requirements"][0] |= {"id": "STATE-2", "verdict": "not tested", "reason": "long"}
    report["causes"][0]["not_tested"] = ["STATE-2"]
    text, xml = markdown.render(report), fromstring(junit.render(report))
    assert "## Causes\n\n1 cause, 1 requirement violated, 1 not tested because of it.\n\n### 1. STATE-3 (loss)" in text
    assert "- violated: STATE-3\n- not tested: STATE-2" in text
    assert "| STATE-2 | core | not tested | cause 1: STATE-3 |" in text
    assert [error.get("message") for error in xml.iter("error")] == ["not tested: cause 1: STATE-3"]
    assert (next(xml.iter("failure")).text or "").startswith("cause 1: STATE-3\nSTATE-3  MUST")


@pytest.mark.parametrize("kind", ["hung", "died"])
def test_a_hang_or_a_death_is_a_finding_in_every_rendering(broken_report: Report, kind: str) -> None:
    """With its history and its replay; and what is said of a lost process beside it."""
    call = CallFailure("wait_for", (("timeout", "NaN"),), kind, "WAIT-7")
    failure = Failure(
        "WAIT-7", f"{call.call} {call.said}", "returns", {}, HISTORY[1:2], {}, kind=kind, call=call.to_json()
    )
    report = copy.deepcopy(broken_report)
    report["failures"] = [failure_entry("waiting.w", failure, "memory://", CheckSettings(), frozenset())]
    report["requirements"] = [{**report["requirements"][0], "id": "WAIT-7", "verdict": "violated"}]
    report["causes"] = causes_of(report["failures"], report["requirements"], report["checks"])
    report["reasons"] = ["WAIT-7 is violated", "meta.m died: killed by signal 9"]
    for rendering in (console, html, markdown):
        text = rendering.render(report)
        for said in (call.cause, "wait_for(task_id=", report["failures"][0]["replay"]["line"], "killed by signal 9"):
            plain = text.replace("\\", "").replace("&#39;", "'")
            assert said in plain, (rendering.__name__, said)
    assert report["failures"][0]["replay"]["line"] in junit.render(report)
    assert call.cause in junit.render(report)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.ids |= {named.get("id") or ""}
        self.targets |= {named["href"] or ""} if tag == "a" and "href" in named else set()
        self.loaded += [
            value or "" for name, value in attrs if name in ("src", "srcset", "style") or name.startswith("on")
        ]


def test_html_escapes_what_a_backend_said_and_loads_nothing(odd: Report) -> None:
    """No tag of a backend, no script but ours, no address of another page."""
    text = html.render(odd)
    parser = _Tags()
    parser.feed(text)
    assert not {"img", "link", "iframe", "object"} & set(parser.tags)
    assert parser.tags.count("script") == 1
    assert parser.loaded == []
    assert "<b>&" not in text
    assert "default-src 'none'" in text
    assert "http" not in text.replace(odd["failures"][0]["script"], "").replace("http-equiv", "")
    assert "{{ y }}" in text


def test_html_shows_causes_first_and_every_link_leads_somewhere(broken_report: Report) -> None:
    """A requirement leads to its sentence, and a sentence to the cause because of which it was not tested."""
    text = html.render(broken_report)
    parser = _Tags()
    parser.feed(text)
    assert "#cause-1" in parser.targets
    assert "#STATE-3" in parser.targets
    assert {target.removeprefix("#") for target in parser.targets} <= parser.ids
    parts = (">Causes</h2>", 'id="cause-1"', "resultspec replay", ">Classes</h2>", ">Requirements</h2>")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_html_has_each_command_alone_in_an_element_and_all_failures(broken_report: Report) -> None:
    """So it can be copied without the script, which only adds buttons; no failure is in the report as JSON alone."""
    text = html.render(broken_report)
    for failure in broken_report["failures"]:
        assert f"<code>{failure['replay']['line']}</code>" in text
    assert "<code>resultspec explain STATE-3</code>" in text


# -- scripts -----------------------------------------------------------------------------------

MODULE = """
class Backend:
    entries = {}

    def __init__(self, app, **options):
        assert app.conf.result_serializer == "json"
        self.options = options

    def store_result(self, task_id, result, state, traceback=None, request=None):
        self.entries[task_id] = (result, state, request and request.children[0].as_tuple())

    def get_status(self, task_id):
        return self.entries[task_id][1]

    def get_task_meta(self, task_id, cache=True):
        return self.entries[task_id]
"""


def run_script(source: str, folder: Path, *args: str) -> str:
    """Run a script in a folder and return what it printed."""
    path = folder / "again.py"
    path.write_text(source, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path), *args], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", ["python:mine:Backend", "python:mine.py:Backend"])
def test_a_script_imports_only_the_backend(tmp_path: Path, target: str) -> None:
    """For a factory the script does the history's steps in their order, and shows both ends of each."""
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    request = {"children": [[["c-1", None], None]]}
    history = [
        step("writer", "store_result", 0.0, 0.1, {**STORE, "request": request}),
        step("reader", "get_task_meta", 0.2, 0.3, {"task_id": "t-1"}, "what it was"),
        step("reader", "get_state", 0.4, 0.5, {"task_id": "t-1"}, "SUCCESS"),
        step("reader", "get_state", 0.6, 0.7, {"task_id": "unknown"}, "PENDING"),
    ]
    source = failed(history, target=target)["script"]
    assert "resultspec_" not in source
    said = run_script(source, tmp_path)
    assert "now:   ({'n': [1, None, ValueError('late')]}, 'SUCCESS', [['c-1', None], None])" in said
    assert "then:  'what it was'" in said
    assert "now:   KeyError: 'unknown'" in said


def test_a_script_overlaps_what_overlapped(tmp_path: Path) -> None:
    """Steps that were under way at the same time are so again: here each waits for the other."""
    body = MODULE + (
        "    import threading\n    meeting = threading.Barrier(2, timeout=20)\n\n"
        "    def forget(self, task_id):\n        return self.meeting.wait() in (0, 1)\n"
    )
    (tmp_path / "mine.py").write_text(body, encoding="utf-8")
    history = [step("a", "forget", 0.0, 0.3, {"task_id": "t"}), step("b", "forget", 0.1, 0.3, {"task_id": "t"})]
    assert run_script(failed(history, target="python:mine:Backend")["script"], tmp_path).count("now:   True") == 2


def test_a_script_of_a_store_uses_the_adapters_backend(tmp_path: Path) -> None:
    """The adapter says how a backend is made; a password is not written down but asked for."""
    construct = "def make(url, **options):\n    return Fake(url, options)\nclass Fake:\n"
    construct += "    def __init__(self, *args): self.args = args\n    def get_state(self, task_id): return self.args\n"
    history = [step("a", "get_state", 0.0, 0.1, {"task_id": "t"}, "x")]
    open_ = failed(history, target="memory://", construct=construct)["script"]
    assert "now:   ('memory://', {})" in run_script(open_, tmp_path)
    secret = failed(history, target="redis://:s3cret@host", construct=construct)["script"]
    assert "s3cret" not in secret
    assert "now:   ('redis://other', {})" in run_script(secret, tmp_path, "redis://other")


def test_the_memory_adapters_script_repeats_the_history(tmp_path: Path) -> None:
    """Its clients share a store, and options reach the backend."""
    construct = load_adapter("memory").construct
    history = [
        step("a", "store_result", 0.0, 0.1, {"task_id": "t", "result": [1, (2,)], "state": "SUCCESS"}),
        step("b", "get_result", 0.2, 0.3, {"task_id": "t"}, [1]),
    ]
    failure = failed(history)
    failure["clients"] = {"a": {"serializer": "pickle"}, "b": {"serializer": "pickle"}}
    source = script(failure, "memory://", construct)
    assert "resultspec_conformance" not in source
    assert "now:   [1, (2,)]" in run_script(source, tmp_path)


DRIVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "method": "log", "params": {"message": "noted"}}), flush=True)
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"].get("task_id")}), flush=True)
"""


def test_a_script_of_a_program_feeds_it_lines_of_json(tmp_path: Path) -> None:
    """The program is started for each client, initialized, and asked."""
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    history = [step("a", "forget", 0.0, 0.1, {"task_id": "t-1"}), step("b", "forget", 0.2, 0.3, {"task_id": "t-2"})]
    said = run_script(failed(history, target=f"exec:{sys.executable} driver.py")["script"], tmp_path)
    assert "now:   't-1'" in said
    assert "now:   't-2'" in said


def test_a_script_that_needs_the_suite_says_so(broken_report: Report, tmp_path: Path) -> None:
    """A target without a backend of its own goes through the suite; the failure shows."""
    failure = min(broken_report["failures"], key=lambda one: len(one["history"]))
    assert "without the suite" in failure["script"]
    assert "now:" in run_script(failure["script"], tmp_path)


def test_what_the_suite_did_to_the_store_is_a_comment_in_the_script(tmp_path: Path) -> None:
    """A step of the probe has no method; the script says what it was."""
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    source = script(failed([step("suite", "probe_write", 0.0, 0.1, {"payload": b"x"})]), "python:mine:Backend")
    assert "the suite itself did to the store: probe_write" in source
    assert run_script(source, tmp_path) == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.uuids()
        | st.datetimes() | st.dates() | st.times() | st.timedeltas() | st.decimals(allow_nan=False),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers()),
    )
)  # fmt: skip
def test_literals_are_source_of_equal_values(value: object) -> None:
    """A value in a script is the value of the history."""
    import datetime
    from decimal import Decimal
    from uuid import UUID

    from resultspec_conformance.wire.values import same

    scope = {"datetime": datetime, "Decimal": Decimal, "UUID": UUID}
    assert same(eval(literal(value), scope), value, numbers_by_type=True)


def test_a_join_of_which_nothing_is_recorded_is_shown() -> None:
    """A check that calls the method itself notes only that it did."""
    assert outcome({"op": "get_many", "outcome": {"kind": "ok", "value": None}}) == "ok"
