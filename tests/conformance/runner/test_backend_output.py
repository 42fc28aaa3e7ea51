"""What a backend prints: every line is passed on, in order and in time, and the telling ones are kept."""

import subprocess
import sys

import pytest

from resultspec_conformance.limits import LAST_WORDS, LONGEST_PRINTED_LINE
from resultspec_conformance.runner.backend_output import BackendOutput, telling


def _said(code: str) -> tuple[list[str], list[str]]:
    """Return the lines that a program writes to standard error, and its last words, once it has ended."""
    lines: list[str] = []
    process = subprocess.Popen([sys.executable, "-c", f"import sys\n{code}"], stderr=subprocess.PIPE, text=True)
    output = BackendOutput(process.stderr, lines.append)
    process.wait(timeout=60)
    words = output.last_words()
    return lines, words


def test_everything_that_a_process_wrote_is_heard_in_order() -> None:
    """Also bytes that are not text, and a last line without its end."""
    lines, words = _said(r"sys.stderr.buffer.write(b'one\r\n\n\xff two\n' + b'x' * 100_000 + b'\nlast')")
    assert lines == ["one", "", "\\xff two", "x" * 100_000, "last"]
    assert words == ["last", "one", "\\xff two", "x" * 100_000, "last"]


def test_what_was_written_before_an_answer_is_heard_with_it() -> None:
    """`drain` needs no time: the bytes are in the pipe when the answer comes."""
    code = "import sys\nfor line in sys.stdin:\n  print('heard', line.strip(), file=sys.stderr); print('!', flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = []
    output = BackendOutput(process.stderr, lines.append)
    with process, process.stdin, process.stdout:
        for number in range(200):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            process.stdout.readline()
            output.drain()
            assert lines[-1] == f"heard {number}"


def test_a_line_without_an_end_is_cut() -> None:
    """A backend that never ends its line does not fill the memory."""
    lines, _ = _said("sys.stderr.write('x' * 1_000_000)")
    assert "".join(lines) == "x" * 1_000_000
    assert max(map(len, lines)) <= 2 * LONGEST_PRINTED_LINE


def test_silence_has_no_last_words() -> None:
    """Nothing was printed, or nothing but empty lines."""
    assert _said("pass") == ([], [])
    assert _said("print(file=sys.stderr)") == ([""], [])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], []),
        (["only"], ["only"]),
        (["Traceback", "  File", "ValueError: x"], ["ValueError: x", "Traceback", "  File", "ValueError: x"]),
    ],
)
def test_the_last_line_is_the_most_telling(lines: list[str], words: list[str]) -> None:
    """The others follow with it, as a traceback is read."""
    assert telling(lines) == words


def test_of_a_long_output_the_end_is_shown() -> None:
    """As many lines as a reader needs."""
    lines = [f"line {number}" for number in range(100)]
    assert telling(lines) == ["line 99", *lines[-LAST_WORDS:]]


def test_of_a_crash_the_place_is_shown() -> None:
    """The stack of the thread that crashed begins with the place; what is printed after it says nothing."""
    _, words = _said(
        "import faulthandler, ctypes, threading, time\nfaulthandler.enable()\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('before', file=sys.stderr)\n"
        "def deep(depth): ctypes.string_at(0) if not depth else deep(depth - 1)\ndeep(50)"
    )
    assert words[0].startswith("Fatal Python error: ")
    assert words[1].startswith("Current thread")
    assert "in string_at" in words[2]
    assert len(words) == LAST_WORDS
