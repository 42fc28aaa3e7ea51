"""The way of a target from the command line to the verdict: the functions on it, as data, and their picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from docs.generate.architecture.imports import PACKAGES
from docs.generate.architecture.mermaid import fenced, identifier
from docs.generate.repository import ROOT

COMMAND: Final = "the command's process"
WORKER: Final = "a worker process; --jobs says how many"


@dataclass(frozen=True)
class Stop:
    """A function on the way. `function`: `module:name`; `process`: where it runs; `does`: what it does there."""

    function: str
    process: str
    does: str

    @property
    def module(self) -> str:
        """The module's name with dots."""
        return self.function.partition(":")[0]

    @property
    def name(self) -> str:
        """The function's name, with that of its class."""
        return self.function.partition(":")[2]

    @property
    def key(self) -> str:
        """A short name that no other stop has."""
        return f"{self.module.rpartition('.')[2]}_{self.name}"

    @property
    def path(self) -> str:
        """The path of the module in the repository."""
        package, *rest = self.module.split(".")
        return f"{(PACKAGES[package].joinpath(*rest)).relative_to(ROOT).as_posix()}.py"


CHECK: Final = Stop(
    "resultspec_conformance.cli.app:check",
    COMMAND,
    "reads the options, and at the end exits with the code of the verdict. "
    "`cli/judging.py` runs the target, prints the report and writes it to files.",
)
RUN: Final = Stop(
    "resultspec_conformance.runner.run:run",
    COMMAND,
    "judges one broken backend first, so that a suite which sees nothing is noticed, "
    "and then lets the workers take the checks one after another.",
)
PREPARED: Final = Stop(
    "resultspec_conformance.runner.session:prepared",
    COMMAND,
    "makes the workers. However the run ends, it stops them and the servers, and removes what the run has written.",
)
SERVED: Final = Stop(
    "resultspec_conformance.runner.servers:served",
    COMMAND,
    "starts a server for a target without a scheme, such as `redis`. "
    "The entry points `resultspec.servers` name where servers come from.",
)
RUN_CHECK: Final = Stop(
    "resultspec_conformance.runner.supervisor:Worker.run_check",
    COMMAND,
    "asks a worker for a check and waits a bounded time. A worker that hangs or dies is a result as well.",
)
SERVE: Final = Stop(
    "resultspec_conformance.runner.worker:main",
    WORKER,
    "reads commands as lines of JSON and answers each with a line. "
    "A watchdog ends the process when a call does not return.",
)
OPEN: Final = Stop(
    "resultspec_conformance.runner.targets:open_target",
    WORKER,
    "finds the adapter by the scheme of the target, in the entry points `resultspec.adapters`. "
    "The adapter makes the subject.",
)
EXECUTE: Final = Stop(
    "resultspec_conformance.runner.execute:execute",
    WORKER,
    "runs one check of `suite/`. Hypothesis looks for an example on which the check fails, and makes it smaller.",
)
CONTEXT: Final = Stop(
    "resultspec_conformance.testkit.context:Context",
    WORKER,
    "is what a check works with: it opens clients, and says which requirement was violated.",
)
CLIENT: Final = Stop(
    "resultspec_conformance.subject.client:Client",
    WORKER,
    "makes every call an operation in the history, with its start, its end and its outcome.",
)
SUBJECT: Final = Stop(
    "resultspec_conformance.subject.python_object:PythonSubject",
    WORKER,
    "takes the operation to the backend, a Python object here. "
    "`subject/driver/` takes it to a program in any language.",
)
JUDGE: Final = Stop(
    "resultspec_conformance.verdict.verdicts:judge",
    COMMAND,
    "joins the requirements, the checks that cite them and the results of these to verdicts. It is a pure function.",
)
ASSEMBLE: Final = Stop(
    "resultspec_conformance.report.build:assemble",
    COMMAND,
    "makes one document of the verdicts and the failures. The document has a schema.",
)
RENDER: Final = Stop(
    "resultspec_conformance.report.render.console:render",
    COMMAND,
    "makes text of the document. JUnit, Markdown and HTML are made by other pure functions of the same document.",
)

STOPS: Final = (
    CHECK, RUN, PREPARED, SERVED, RUN_CHECK, SERVE, OPEN, EXECUTE, CONTEXT, CLIENT, SUBJECT, JUDGE, ASSEMBLE, RENDER,
)  # fmt: skip

BACKEND: Final = "the backend under test, and its store"
BACKEND_NODE: Final = identifier("backend")

ARROWS: Final[Sequence[tuple[Stop, Stop, str]]] = (
    (CHECK, RUN, "target, options"),
    (RUN, PREPARED, ""),
    (PREPARED, SERVED, "redis"),
    (SERVED, RUN_CHECK, "redis://…"),
    (RUN_CHECK, SERVE, "lines of JSON"),
    (SERVE, OPEN, "open"),
    (SERVE, EXECUTE, "check"),
    (OPEN, SUBJECT, ""),
    (EXECUTE, CONTEXT, "examples"),
    (CONTEXT, CLIENT, "operations"),
    (CLIENT, SUBJECT, ""),
    (RUN_CHECK, JUDGE, "results of checks"),
    (JUDGE, ASSEMBLE, "verdicts"),
    (ASSEMBLE, RENDER, "the document"),
)


def _node(stop: Stop) -> str:
    folder = "/".join(stop.module.split(".")[1:])
    return f'        {identifier(stop.key)}["{folder}<br/><b>{stop.name}</b>"]'


def run_diagram() -> str:
    """Draw the way."""
    lines = ["flowchart TB"]
    for process in (COMMAND, WORKER):
        lines += [f'    subgraph {identifier(process.split()[1])} ["{process}"]']
        lines += [_node(stop) for stop in STOPS if stop.process == process]
        lines += ["    end"]
    lines += [f'    {BACKEND_NODE}[("{BACKEND}")]']
    lines += [
        f"    {identifier(one.key)} -->{f'|{label}|' if label else ''} {identifier(two.key)}"
        for one, two, label in ARROWS
    ]
    return fenced([*lines, f"    {identifier(SUBJECT.key)} --> {BACKEND_NODE}"])


def run_list() -> str:
    """Return the way as a list, for a page in `docs`."""
    return "\n".join(
        f"{number}. `{stop.name}` in [`{stop.path}`](../{stop.path}) {stop.does}"
        for number, stop in enumerate(STOPS, 1)
    )
