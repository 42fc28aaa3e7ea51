"""The command: exit codes, answers to wrong use that name the cure, and files that are written."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest
import redis

from resultspec import REQUIREMENTS, SPEC_VERSION, vectors
from resultspec.schemas import complaint
from resultspec_conformance.cli.app import app
from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import SubjectError
from resultspec_conformance.wire.stored_meta import examine

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Here = Callable[..., tuple[int, str, str]]

PASSWORD = "hunter2-and-more"


@pytest.fixture(scope="module")
def locked_redis() -> Iterator[int]:
    """The port of a Redis that asks for a password: one of our own, even if another one is given by URL."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("RESULTSPEC_REDIS_URL", raising=False)
        try:
            with running("redis") as server:
                with redis.Redis.from_url(server.url) as client:
                    client.config_set("requirepass", PASSWORD)
                    port = client.connection_pool.connection_kwargs["port"]
                yield port
        except SubjectError as error:
            pytest.skip(f"no Redis: {error}")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Return a function that runs the command in this process: many answers need no process of their own."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def run_here(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(list(args))
        code = ended.value.code
        assert code is None or isinstance(code, int)
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    yield run_here
    signal.signal(signal.SIGTERM, handler)


def test_a_small_run_is_green_and_writes_every_kind_of_file(command: Command, tmp_path: Path) -> None:
    """Exit code 0, a readable end, and four files of which each can be read."""
    files = ["--report", "r.json", "--junit", "r.xml", "--html", "r.html", "--markdown", "r.md"]
    done = command(
        "check", "memory://", "--select", "STATE-*", "--class", "core", "--examples", "5", "--seed", "3", *files
    )
    assert done.returncode == 0, done
    assert "memory://: conformant in what was selected (core, STATE-*)" in done.stdout
    assert done.stderr == ""
    report = json.loads((tmp_path / "r.json").read_text())
    assert complaint(report, "report") is None
    assert (report["settings"]["seed"], report["settings"]["examples"]) == (3, 5)
    assert parse(tmp_path / "r.xml").getroot().tag == "testsuites"
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "r.md").read_text().startswith("# resultspec: memory://")


def test_a_violation_exits_1_and_is_reported_on_standard_error_during_the_run(command: Command) -> None:
    """In a log, a line for each check that did not pass; with --quiet none."""
    arguments = ["check", "broken:success-overwritten", "--select", "STATE-3", "--examples", "5"]
    loud, quiet = command(*arguments), command(*arguments, "--quiet")
    assert (loud.returncode, quiet.returncode) == (1, 1)
    assert "states.every_pair: violated (STATE-3)" in loud.stderr
    assert quiet.stderr == ""
    assert "resultspec replay e" in quiet.stdout


WRONG = [
    (["check", "memory"], 2, "Did you mean memory://?"),
    (["check", "nothing-of-ours"], 2, "has no scheme"),
    (["check", "memroy://"], 2, "Did you mean memory?"),
    (["check", "redis://localhost:1/0"], 3, "cannot be reached"),
    (["check", "memory://", "--class", "cores"], 2, "Did you mean core"),
    (["check", "memory://", "--class", "kv-wire"], 2, "the target does not claim the class 'kv-wire'; it claims core"),
    (["check", "memory://", "--select", "STATE-99"], 2, "matches no requirement and no check. Did you mean STATE-"),
    (["check", "memory://", "--select", "KEY-4"], 2, "nothing is selected"),
    (["check", "memory://", "--deselect", "STATE-99"], 2, "--deselect STATE-99 matches no requirement and no check"),
    (["check", "memory://", "--class", "core", "--deselect", "*"], 2, "no check in the classes core is left without *"),
    (["check", "memory://", "--examples", "0"], 2, "--examples"),
    (["check", "memory://", "--report", "no/such/dir/r.json"], 2, "cannot write no/such/dir/r.json"),
    (["check", "memory://", "--known-failures", "none.toml"], 2, "cannot read the known failures in none.toml"),
    (["check", "memory://", "--report", "r.xml", "--junit", "r.xml"], 2, "would be written twice"),
    (["check", "memory://", "--write-known-failures", "no/such/dir/k.toml"], 2, "cannot write no/such/dir/k.toml"),
    (["check", "memory://", "--baseline", "no-such.json"], 2, "--baseline: cannot read no-such.json"),
    (["check", "memory://", "--baseline", "memory", "--select", "STATE-2"], 2, "the baseline memory: "),
    (["check", "memory://", "--jobs", "0"], 2, "--jobs"),
    (["check", "memory://", "--jobs", "27"], 2, "--jobs"),
    (["check", "memory://", "--call-timeout", "inf"], 2, "--call-timeout"),
    (["check", "redis://localhost:1/nought"], 2, "is not a Redis URL"),
    (["check", "memory://", "--no-such-option"], 2, "No such option"),
    (["check"], 2, "Missing argument"),
    (["check", "python:no_such_module:factory"], 2, "cannot import no_such_module"),
    (["check", "python:no_such_file.py:factory"], 2, "does not exist"),
    (["check", "python:json:no_such_factory"], 2, "json has no no_such_factory"),
    (["check", "python:json:__name__"], 2, "is not a function, but of type str; a factory is called as factory(app"),
    (["check", "redis://localhost:1/0?password=hunter2-and-more"], 3, "?password=[redacted]"),
    (["check", "python:json"], 2, "does not name a factory"),
    (["check", "broken:success-overwriten"], 2, "success-overwritten"),
    (["check", "exec:no-such-program-here"], 3, "cannot-start"),
    (["explain", "STATE-33"], 2, "Did you mean STATE-"),
    (["requirements", "--class", "disable"], 2, "Did you mean disabled?"),
    (["validate", "no-such-file"], 2, "cannot read no-such-file"),
    (["replay", "no-such-report.json"], 2, "cannot read no-such-report.json"),
    (["replay", "nonsense"], 2, "neither a file nor a replay token"),
    (["selftest", "--only", "success-overwriten"], 2, "Did you mean success-overwritten"),
    (["chek", "memory://"], 2, "No such command"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG, ids=[" ".join(wrong[0]) for wrong in WRONG])
def test_wrong_use_is_answered_with_the_cure(here: Here, arguments: list[str], code: int, said: str) -> None:
    """One or two lines on standard error, exit code 2 or 3, and nothing on standard output."""
    exit_code, out, err = here(*arguments)
    assert (exit_code, out) == (code, "")
    assert said in err
    assert len(err.strip().splitlines()) <= 4
    assert "Traceback" not in err


def test_clients_that_share_no_store_are_one_hint(command: Command, tmp_path: Path) -> None:
    """And not a violation of nearly everything."""
    (tmp_path / "mine.py").write_text(
        "from resultspec_conformance.broken.baseline.server import Server\n"
        "from resultspec_conformance.broken.baseline.whole import Correct\n"
        "def factory(app, **options):\n    return Correct(Server())\n",
        encoding="utf-8",
    )
    done = command("check", "python:mine:factory")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the clients of the factory do not share a store" in done.stderr
    assert "make the store outside of it, once, for all of them" in done.stderr


def test_the_package_of_a_store_is_named_before_its_servers() -> None:
    """A server would be of no use without it."""
    missing = "import sys; sys.modules['redis'] = None; sys.argv[1:] = ['check', 'redis']; "
    done = subprocess.run(
        [sys.executable, "-c", f"{missing}from resultspec_conformance.__main__ import main; main()"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": "/nowhere", "RESULTSPEC_REDIS_URL": ""},
    )
    assert done.returncode == 2
    assert "pip install 'resultspec[redis]'" in done.stderr


def test_a_factory_that_raises_is_answered_in_two_lines(command: Command, tmp_path: Path) -> None:
    """The message says what it raised, without the password in that."""
    (tmp_path / "mine.py").write_text(
        "def factory(app, **options):\n    raise ValueError('redis://:s3cret@host is no URL')\n"
    )
    done = command("check", "python:mine:factory")
    assert done.returncode == 2
    assert "the factory raised ValueError" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "the factory returned None"),
        ("return dict", "the class dict, not an instance of it"),
        ("return {}", "an object of type dict, which has no method store_result"),
        ("raise SystemExit(0)", "the factory raised SystemExit"),
    ],
)
def test_a_factory_without_a_backend_is_answered_before_anything_is_judged(
    command: Command, tmp_path: Path, body: str, said: str
) -> None:
    """Nothing is blamed on a requirement for it."""
    (tmp_path / "mine.py").write_text(f"def factory(app, **options):\n    {body}\n")
    done = command("check", "python:mine:factory")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_what_a_backend_prints_is_shown_with_v(command: Command, tmp_path: Path) -> None:
    """Beside the check during which it came, on standard error, in a run and in a replay; otherwise it is not shown."""
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "class Backend:\n"
        "    def store_result(self, *args, **options):\n        print('stored', file=sys.stderr)\n"
        "    def get_task_meta(self, task_id, cache=True):\n        print('asked for', task_id)\n"
        "        return {'status': 'ODD', 'result': None}\n"
        "def factory(app, **options):\n    print('made')\n    return Backend()\n"
    )
    arguments = ["check", "python:mine:factory", "--select", "states.custom_state_comes_back", "--examples", "3"]
    loud = command(*arguments, "-v", "--report", "r.json")
    assert loud.returncode == 1
    lines = loud.stderr.splitlines()
    assert "opening | made" in lines
    assert any(line.startswith("states.custom_state_comes_back | asked for ") for line in lines)
    assert "asked for" not in loud.stdout.replace("'asked for", "")
    quiet = command(*arguments)
    assert (quiet.returncode, " | " in quiet.stderr) == (1, False)
    again = command("replay", "r.json", "-v")
    assert (again.returncode, "states.custom_state_comes_back | asked for " in again.stderr) == (1, True)


def test_members_that_a_backend_lacks_are_reported_together(command: Command, tmp_path: Path) -> None:
    """Beside the violations that they cause, and not those that are missing elsewhere."""
    (tmp_path / "mine.py").write_text(
        "class Backend:\n"
        "    def store_result(self, *args, **options):\n        return None\n"
        "    def get_traceback(self, task_id):\n        return task_id.nothing\n"
        "def factory(app, **options):\n    return Backend()\n"
    )
    done = command("check", "python:mine:factory", "--select", "READ-3", "--select", "READ-4", "--select", "META-5")
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "the backend has no forget" in told
    assert "the backend has no get_children" in told


def test_a_factory_that_names_its_store_leaves_nothing_in_it(
    command: Command, locked_redis: int, tmp_path: Path
) -> None:
    """What others have there stays, also where the names look alike."""
    url = f"redis://:{PASSWORD}@localhost:{locked_redis}/3"
    (tmp_path / "mine.py").write_text(
        "from resultspec_adapters.redis.backend import RedisBackend\n"
        f"def factory(app, **options):\n    return RedisBackend(app, url={url!r}, **options)\n"
        f"factory.capabilities = {{'spec': '0.1', 'classes': ['core', 'groups'], 'store': {url!r}}}\n"
    )
    with redis.Redis(port=locked_redis, password=PASSWORD, db=3) as client:
        client.set("their-celery-task-meta-5", "of another")
        done = command("check", "python:mine:factory", "--examples", "3", "--select", "STATE-3", "--select", "GROUP-1")
        assert done.returncode == 0, done
        assert client.keys() == [b"their-celery-task-meta-5"]


@pytest.mark.parametrize("content", ["[[known]\n", '[[known]]\nrequirement = "STATE-99"\nreason = "x"\n', "\x00"])
def test_a_malformed_list_of_known_failures_is_answered_with_its_line(
    command: Command, tmp_path: Path, content: str
) -> None:
    """Nothing is run for it."""
    (tmp_path / "known.toml").write_text(content)
    done = command("check", "memory://", "--known-failures", "known.toml")
    assert (done.returncode, "known.toml" in done.stderr, done.stdout) == (2, True, "")


def test_a_list_is_written_read_and_kept(command: Command, tmp_path: Path) -> None:
    """The first run writes it, the second exits with 0, and reasons are not lost to a run that does not read them."""
    arguments = ["check", "broken:success-overwritten", "--select", "STATE-3", "--examples", "5", "--seed", "1"]
    path = tmp_path / "known.toml"
    first = command(*arguments, "--write-known-failures", "known.toml")
    assert first.returncode == 1
    assert first.stdout.endswith("known.toml: 1 new entry: replace its reason by your own\n")
    path.write_text(re.sub("reason = .*", 'reason = "issue 12"', path.read_text()))
    written = path.read_text()
    again = command(*arguments, "--known-failures", "known.toml", "--write-known-failures", "known.toml")
    assert (again.returncode, path.read_text()) == (0, written)
    assert "wrong: issue 12\n" in again.stdout
    assert again.stdout.endswith("known.toml: no new entry\n")
    blind = command(*arguments, "--write-known-failures", "known.toml")
    assert (blind.returncode, blind.stdout, path.read_text()) == (2, "", written)
    assert "known.toml exists, and its reasons would be lost" in blind.stderr
    mended = command(
        "check", "memory://", *arguments[2:], "--known-failures", "known.toml", "--write-known-failures", "known.toml"
    )
    assert (mended.returncode, path.read_text()) == (4, "\n")


def test_a_baseline_is_a_target_or_a_report(command: Command) -> None:
    """The exit code counts what only the target fails."""
    arguments = ["--select", "STATE-3", "--examples", "5", "--seed", "1"]
    alike = command(
        "check",
        "broken:success-overwritten",
        *arguments,
        "--baseline",
        "broken:success-overwritten",
        "--report",
        "r.json",
    )
    assert alike.returncode == 0, alike
    assert "baseline states.every_pair: violated (STATE-3)" in alike.stderr
    assert "baseline broken:success-overwritten: 1 violated here as there, 0 only here" in " ".join(
        alike.stdout.split()
    )
    mended = command("check", "memory://", *arguments, "--baseline", "r.json")
    assert (mended.returncode, "1 only there (STATE-3)" in " ".join(mended.stdout.split())) == (0, True)


@pytest.mark.parametrize("user", [":", "me:", ":wrong-", ""])
def test_a_refused_password_says_so_and_is_not_shown(command: Command, locked_redis: int, user: str) -> None:
    """Wrong, missing or for another user: exit code 3 in two lines."""
    credentials = f"{user}{PASSWORD[::-1]}@" if user else ""
    done = command("check", f"redis://{credentials}localhost:{locked_redis}/0")
    assert done.returncode == 3, done
    assert "refused the user name or password" in done.stderr
    assert "redis://USER:PASSWORD@HOST" in done.stderr
    assert PASSWORD[::-1] not in done.stderr


def test_a_password_is_in_no_output_and_no_file(command: Command, locked_redis: int, tmp_path: Path) -> None:
    """Neither of a run on the store itself, nor of a factory that names it, violations and as_uri included."""
    url = f"redis://:{PASSWORD}@localhost:{locked_redis}/0"
    (tmp_path / "mine.py").write_text(
        "from resultspec_adapters.redis.backend import RedisBackend\n"
        "class Leaky(RedisBackend):\n"
        "    def get_state(self, task_id):\n        raise RuntimeError(self.url)\n"
        f"def factory(app, **options):\n"
        f"    options.pop('prefix', None)\n    return Leaky(app, url={url!r}, **options)\n"
        f"factory.capabilities = {{'spec': '0.1', 'classes': ['core'], 'store': {url!r}}}\n"
    )
    files = ["--report", "r.json", "--junit", "r.xml", "--html", "r.html", "--markdown", "r.md", "--examples", "3"]
    for target in (url, "python:mine:factory"):
        done = command("check", target, "--select", "STATE-1", "--select", "READ-3", "--class", "core", *files)
        assert done.returncode in (0, 1), done
        texts = [done.stdout, done.stderr, *((tmp_path / name).read_text() for name in files[1:8:2])]
        assert all(PASSWORD not in text for text in texts)


def test_explain_says_everything_of_a_requirement(here: Here) -> None:
    """Sentence, intent, class, level, severity, source, checks and broken backends."""
    code, out, _ = here("explain", "state-3", "META-3")
    assert code == 0
    for part in (
        "STATE-3  MUST, class core, loss",
        "intent",
        "source",
        "states.every_pair",
        "broken:success-overwritten",
    ):
        assert part in out
    assert "META-3  SHOULD" in out


def test_requirements_are_listed_as_text_and_as_json(here: Here) -> None:
    """All of them, or those of a class."""
    everything = json.loads(here("requirements", "--json")[1])
    assert [entry["id"] for entry in everything["requirements"]] == list(REQUIREMENTS)
    some = here("requirements", "--class", "disabled")[1]
    ids = [one.id for one in REQUIREMENTS.values() if one.conformance_class == "disabled"]
    assert [line.split()[0] for line in some.splitlines() if not line.startswith(" ")] == ids


def test_targets_says_what_can_be_tested_here(here: Here) -> None:
    """Each scheme, and each way to a server."""
    code, out, _ = here("targets")
    assert code == 0
    for part in ("memory ", "python:pkg.module:factory", "exec:", "redis-server on PATH"):
        assert part in out


VALID = (
    b'{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], '
    b'"date_done": "2026-03-01T12:00:00Z", "task_id": "t"}'
)


@pytest.mark.parametrize(
    ("payload", "code", "said"),
    [
        (VALID, 0, "valid: a task meta"),
        (b'{"status": "SUCCESS", "result": 1}', 1, "META-1: $: 'traceback' is a required property"),
        (VALID.replace(b'"2026-03-01T12:00:00Z"', b"null"), 1, "META-9"),
        (VALID.replace(b"00Z", b"00"), 1, "META-10"),
        (VALID.replace(b'"task_id"', b'"result": 2, "task_id"'), 1, "KEY-3: the member 'result' occurs twice"),
        (VALID + b"x", 1, "VALUE-9: it is not JSON"),
        (VALID.replace(b"1,", b"9" * 5000 + b","), 1, "VALUE-9: a number has more digits"),
        (b"\xff", 1, "VALUE-9: it is not UTF-8"),
        (b"", 1, "no reader accepts it"),
        (b"[]", 1, "it is not a map but a list"),
    ],
)
def test_a_stored_payload_is_validated(here: Here, tmp_path: Path, payload: bytes, code: int, said: str) -> None:
    """The requirement that it breaks is named."""
    (tmp_path / "payload").write_bytes(payload)
    exit_code, out, _ = here("validate", "payload")
    assert (exit_code, said in " ".join(out.split())) == (code, True), out


def test_a_payload_is_read_from_standard_input(command: Command) -> None:
    """So that a store's own client can be put in front."""
    done = command("validate", "-", stdin=VALID)
    assert (done.returncode, done.stdout) == (0, "valid: a task meta as the specification has writers make it\n")


@pytest.mark.parametrize("vector", [*vectors("valid"), *vectors("invalid")], ids=lambda vector: vector.name)
def test_validation_agrees_with_every_vector(vector: object) -> None:
    """What a reader must read is not called unreadable, and what it must refuse is."""
    from resultspec import Vector

    assert isinstance(vector, Vector)
    assert any(finding.fatal for finding in examine(vector.stored)) is not vector.valid


def test_a_compressed_payload_that_grows_too_far_is_refused() -> None:
    """The bound is on what is made, not measured afterwards."""
    import zlib

    bomb = b"\x00celery-compressed\x00application/x-gzip\x00" + zlib.compress(VALID + b" " * 10_000_000)
    (found,) = examine(bomb, limit=1_000_000)
    assert (found.requirement, found.fatal) == ("VALUE-12", True)


def test_the_plugin_is_cheap_for_those_who_do_not_use_it() -> None:
    """Importing it loads none of what the suite stands on."""
    heavy = ["hypothesis", "jsonschema", "kombu", "rich", "typer", "jinja2", "resultspec"]
    loaded = f"[name for name in {heavy} if name in sys.modules]"
    code = f"import sys, resultspec_conformance.pytest_plugin.plugin; print({loaded})"
    without_pytest_plugins = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert without_pytest_plugins.stdout.strip() == "[]"


def test_help_does_not_wait_for_the_suite() -> None:
    """It is asked for while one types the next command: loading what a run needs would take most of a second."""
    heavy = ["hypothesis", "jsonschema", "kombu", "rich", "jinja2", "resultspec", "resultspec_conformance.suite"]
    code = (
        "import sys; from resultspec_conformance.cli.app import app\n"
        "try: app(['check', '--help'])\n"
        f"except SystemExit: print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--known-failures" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_tool_and_of_the_specification(command: Command) -> None:
    """A report of a defect can name both."""
    found = command("--version")
    assert found.returncode == 0
    assert found.stdout == f"resultspec {version('resultspec')}, specification {SPEC_VERSION}\n"


PROOF = re.compile(r"^ +\d+\.\d m?s .+?^resultspec replay \S+(\n    also .+?$)?", re.DOTALL | re.MULTILINE)
"""The steps of a failure, up to the line that shows it again: which ones are found is up to Hypothesis."""


def _in_the_readme() -> tuple[str, str]:
    """Return the arguments of the run that the README shows, and what it printed."""
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ resultspec (.+?)\n(.+?)```", text, re.DOTALL)
    assert shown is not None
    return shown[1], shown[2]


def _lasting(output: str) -> str:
    """Return the output for a failure without what differs from run to run: times, ids, counts, check and token."""
    varying = (
        r"\d+\.\d+ m?s", r"[0-9a-f]{8}[a-z]+-\d+-\d+", r"\d+ calls", r"\d+%",
        r"(?<=found by )\S+", r"(?<=resultspec replay )\S+",
    )  # fmt: skip
    output = re.sub(r"\s+", " ", output)
    for varies in varying:
        output = re.sub(varies, "*", output)
    return output


def test_the_run_in_the_readme_has_the_current_output(command: Command) -> None:
    """Newcomers see there what they will see, around steps that another Hypothesis may find in another order."""
    arguments, shown = _in_the_readme()
    found = command(*arguments.split(), columns=88)
    assert found.returncode == 1
    assert PROOF.search(shown)
    assert PROOF.search(found.stdout)
    assert _lasting(PROOF.sub("", found.stdout)) == _lasting(PROOF.sub("", shown))


def test_the_failure_in_the_readme_is_shown_again_by_its_token(command: Command) -> None:
    """Its last line does it all again, as the README promises: the same sentence, steps, stored bytes and verdict."""
    _, shown = _in_the_readme()
    failure = re.search(r"^\S+  MUST, .+?^resultspec replay (\S+)$", shown, re.DOTALL | re.MULTILINE)
    assert failure is not None
    found = command("replay", failure[1])
    assert found.returncode == 1
    again, _, ending = found.stdout.rstrip().rpartition("\n")
    assert _lasting(again) == _lasting(failure[0])
    assert ending == "states.any_sequence_of_operations failed again"
