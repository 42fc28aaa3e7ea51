"""The reader of pages: what it takes for a file, a change and a command, and what it lets pass as the same output."""

from pathlib import Path

import pytest
from tests.docs.refresh import outdated, refreshed
from tests.docs.walkthrough import Change, Command, File, PageError, lasting, shows, steps_of, walk

PAGE = """\
# A page

```python title="greet.py"
print("hello")

print("world")
```

```sh
rm -rf /never/run
```

```console
$ python greet.py
hello
world
$ echo $?
0
```

```diff title="greet.py"

-print("world")
+print("moon")
```

```console
$ python greet.py
…
moon
```
"""


def test_files_changes_and_commands_are_found_in_their_order() -> None:
    """What is neither is for the reader alone."""
    assert steps_of(PAGE) == [
        File(3, "greet.py", 'print("hello")\n\nprint("world")\n'),
        Command(14, "python greet.py", ("hello", "world")),
        Command(17, "echo $?", ("0",)),
        Change(21, "greet.py", (" ", '-print("world")', '+print("moon")')),
        Command(28, "python greet.py", ("…", "moon")),
    ]


def test_a_page_that_says_what_happens_passes(tmp_path: Path) -> None:
    """Its files are written and changed, its commands run one behind the other."""
    walk(steps_of(PAGE), tmp_path)
    assert (tmp_path / "greet.py").read_text() == 'print("hello")\n\nprint("moon")\n'


@pytest.mark.parametrize(
    ("true", "false", "line"), [("hello\nworld", "hello", 14), ("0\n```", "1\n```", 17), ("\nmoon", "\nmars", 28)]
)
def test_a_page_that_lies_is_refused(tmp_path: Path, true: str, false: str, line: int) -> None:
    """The error names the line of the command."""
    with pytest.raises(PageError, match=f"line {line}: "):
        walk(steps_of(PAGE.replace(true, false)), tmp_path)


@pytest.mark.parametrize("text", ["", "one\n", "one\none\n"])
def test_a_change_needs_exactly_one_place(text: str) -> None:
    """A change of what is not there, or there twice, is a mistake of the page."""
    change = Change(1, "file", ("-one", "+two"))
    if text == "one\n":
        assert change.applied_to(text) == "two\n"
        return
    with pytest.raises(PageError, match="times in file"):
        change.applied_to(text)


@pytest.mark.parametrize("block", ["```console\nno command\n```", "```console\n```", "```python\nnever closed"])
def test_a_page_that_breaks_the_rules_is_refused(block: str) -> None:
    """A block that cannot be read is an error: it is not passed over."""
    with pytest.raises(PageError, match="line 1: "):
        steps_of(block)


def test_what_differs_from_run_to_run_is_not_compared() -> None:
    """Times, ids, counts, tokens, and where lines are broken."""
    one = "0.1\n  ms * a store_result(task_id='first-323c3986b-135')\nresultspec replay eNqV\n2 checks, 1 calls, seed 5"
    two = "1 s * a store_result(task_id='first-12345678a-7')\nresultspec replay eNoX\n2 checks,\n 9\n calls, seed\n  77"
    assert lasting(one) == lasting(two)
    assert lasting(one) != lasting(two.replace("store", "fetch"))
    assert lasting(one) != lasting(two.replace("2 checks", "3 checks"))


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ([], "", True),
        ([], "something\n", False),
        (["something"], "", False),
        (["one", "two"], "one\ntwo\n", True),
        (["one", "two"], "one\n", False),
        (["one"], "one\ntwo\n", False),
        (["…"], "one\ntwo\n", True),
        (["one", "…"], "one\ntwo\nthree\n", True),
        (["one", "…"], "ones\ntwo\n", False),
        (["…", "three"], "one\ntwo\nthree\n", True),
        (["…", "three"], "one\ntwothree\n", False),
        (["one", "…", "three"], "one\nthree\n", True),
        (["one", "…", "three"], "one\ntwo\n", False),
    ],
)
def test_a_line_of_dots_stands_for_any_lines(shown: list[str], printed: str, same: bool) -> None:
    """Every other line has to be what was printed."""
    assert shows(shown, printed) is same


def test_a_page_is_refreshed_where_it_lies() -> None:
    """What a command prints replaces what the page shows; all the rest of the page stays."""
    lie = PAGE.replace("hello\nworld", "good\nbye\nworld")
    assert refreshed(lie, outdated(lie)) == PAGE
    assert outdated(PAGE) == {}
