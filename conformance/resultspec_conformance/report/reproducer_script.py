"""A standalone script of a failure: a program that repeats the history without the suite.

How the backend is made depends on the target. `python:` targets import their factory, stores have source from
their adapter, and `exec:` programs get lines of JSON. For any other target the script uses the suite, and
says so. Overlapping steps of clients run in threads, at the same times as in the history.
"""

from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

from resultspec import OPERATIONS, PROTOCOL
from resultspec_conformance.report.plain_text import outcome, printable
from resultspec_conformance.report.python_literal import IMPORTS, literal
from resultspec_conformance.text.redaction import has_password
from resultspec_conformance.wire.values import decode

_APP = '''
class App:
    """The application that a factory is given: the settings that the suite has, too."""

    main = "script"

    def __init__(self, expires, timezone):
        self.conf = SimpleNamespace(
            result_serializer="json", result_accept_content=None, accept_content=["json"], result_expires=expires,
            result_cache_max=-1, result_extended=False, result_backend_transport_options={},
            timezone=timezone, enable_utc=timezone is None,
        )
'''

_PYTHON = '''
class Result:
    """A child of a request, or a group."""

    def __init__(self, pair):
        self.id, self.pair = pair[0][0], pair

    def as_tuple(self):
        return self.pair


class Request:
    """A request: what it has are attributes, what it lacks reads as None."""

    def __init__(self, members):
        self.__dict__.update(members, task=members.get("name"))
        self.children = [Result(child) for child in members.get("children") or []]

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)


def exception(name, module, args, cause=None):
    """Return an exception of a class that is found, or made up, by its name."""
    found = sys.modules.get(module or "builtins")
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        found = type(name.rpartition(".")[2], (Exception,), {"__module__": module, "__qualname__": name})
    error = found.__new__(found)
    error.args, error.__cause__ = args, cause
    return error


def perform(backend, op, args):
    """Call the method of an operation."""
    args = dict(args)
    if op == "expire":
        return backend.expire(backend.get_key_for_task(args["task_id"]), args["life"])
    if args.get("request") is not None:
        args["request"] = Request(args["request"])
    if op == "save_group":
        args["result"] = Result(args["result"])
    method = getattr(backend, op, None) or getattr(backend, {"get_state": "get_status"}.get(op, op))
    first = [args.pop(name) for name in ("task_id", "group_id", "result", "state") if name in args]
    return join(method, args) if op == "get_many" else method(*first, **args)


def join(get_many, args):
    """Take what a join yields, as its caller did, and return it with how it ended."""
    delay, pause, take = args.pop("delay", 0), args.pop("pause", 0), args.pop("take", None)
    if "ready_states" in args:
        args["READY_STATES"] = frozenset(args.pop("ready_states"))
    items, yielded = get_many(**args), []
    time.sleep(delay)
    try:
        for item in items:
            yielded.append(item)
            if len(yielded) == take:
                items.close()
                return yielded, "closed"
            time.sleep(pause)
    except Exception as error:
        return yielded, error
    return yielded, "exhausted"
'''

_PROGRAM = '''
class Program:
    """A client: a process that answers lines of JSON."""

    def __init__(self, client, options):
        self.process = subprocess.Popen(shlex.split(COMMAND), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.numbers = itertools.count(1)
        self.ask("initialize", {"protocol": %r, "client": client, "run": "script", "options": options})

    def ask(self, method, params):
        """Send a request and return the answer."""
        request = {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": params}
        self.process.stdin.write(json.dumps(request) + "\\n")
        self.process.stdin.flush()
        while True:
            answer = json.loads(self.process.stdout.readline() or '{"error": "the program has ended", "id": 0}')
            if "id" in answer:
                return answer.get("error") or answer.get("result")


def perform(program, op, args):
    """Ask for an operation; values are in the tagged encoding."""
    return program.ask(op, args)
'''

_SUITE = '''
def perform(connection, op, args):
    """Ask for an operation; values are in the tagged encoding."""
    return connection.call(op, {name: decode(value) for name, value in args.items()})
'''

_RUNNER = '''

def step(at, client, op, args, then):
    """Do one step and print how it ends, and how it ended in the run."""
    try:
        now = repr(perform(CLIENTS[client], op, args))
    except BaseException as error:
        now = f"{type(error).__name__}: {error}"
    print(f"{at:8.4f} s  {client}  {op}({args})\\n    now:   {now}\\n    then:  {then}", flush=True)
'''

_IN_ORDER = """

for one in STEPS:
    step(*one)
"""

_AT_ONCE = '''

def lane(client):
    """Do the steps of one client, each no earlier than it was in the run."""
    for one in STEPS:
        if one[1] == client:
            time.sleep(max(0.0, BEGAN + one[0] - time.monotonic()))
            step(*one)


BEGAN = time.monotonic()
LANES = [threading.Thread(target=lane, args=(client,)) for client in CLIENTS]
for thread in LANES:
    thread.start()
for thread in LANES:
    thread.join()
'''


def _overlap(history: list[dict[str, Any]]) -> bool:
    """Whether operations of different clients overlapped."""
    return any(
        one["client"] != other["client"]
        and one["start"] <= other["start"]
        and (one["end"] is None or other["start"] < one["end"])
        for position, one in enumerate(history)
        for other in history[position + 1 :]
    )


def _python_make(reference: str) -> str:
    module, _, attribute = reference.rpartition(":")
    if module.endswith(".py"):
        load = f"""
            import runpy
            factory = runpy.run_path({module!r})[{attribute!r}]
        """
    else:
        root, *rest = attribute.split(".")
        load = f"""
            sys.path.insert(0, "")
            from {module} import {root} as factory
        """
        load += "".join(f"            factory = factory.{part}\n" for part in rest)
    make = """
        def make(url, timezone=None, **options):
            return factory(App(options.get("expires", 3600), timezone), **options)
    """
    return f"{dedent(load).strip()}\n\n{_APP}\n\n{dedent(make).strip()}\n"


def _url_source(target: str) -> str:
    """Return the source of the URL: an argument of the script, by default that of the run unless it is secret."""
    if has_password(target) or "[redacted]" in target or ":**@" in target or ":" not in target:
        return "URL = sys.argv[1]  # the address of the store, which is not written down here"
    return f"URL = sys.argv[1] if len(sys.argv) > 1 else {target!r}"


def _dialect(target: str, construct: str) -> tuple[str, str, bool]:
    """Return the preamble, the source that makes a client, and whether values are source or in the tagged encoding."""
    scheme, _, rest = target.partition(":")
    if scheme == "python":
        return f"URL = None\n{_python_make(rest)}\n{_PYTHON}", "make(URL{options})", True
    if scheme == "exec":
        command = f"COMMAND = {rest!r}"
        if "{" in rest:
            command += (
                '  # words in braces are addresses of servers\nCOMMAND = COMMAND.format_map({"redis": sys.argv[1]})'
            )
        return f"{command}\n\n{_PROGRAM % PROTOCOL}", "Program({client!r}, {encoded})", False
    if construct:
        return f"{_url_source(target)}\n\n{dedent(construct).strip()}\n\n{_PYTHON}", "make(URL{options})", True
    opened = f"""
        # the backend of this target cannot be used without the suite
        from resultspec_conformance.subject.protocols import ClientOptions
        from resultspec_conformance.runner.targets import open_target
        from resultspec_conformance.wire.values import decode

        {_url_source(target)}
        SUBJECT = open_target(URL, "script")
    """
    return f"{dedent(opened).strip()}\n\n{_SUITE}", "SUBJECT.connect(ClientOptions({arguments}))", False


def _arguments(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={literal(value)}" for name, value in options.items())


def _client(pattern: str, name: str, encoded: Mapping[str, Any]) -> str:
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in decode(encoded).items()}
    arguments = _arguments(options)
    return pattern.format(
        client=name, encoded=dict(encoded), arguments=arguments, options=f", {arguments}" if arguments else ""
    )


def _step(operation: Mapping[str, Any], *, source: bool) -> str:
    pairs = operation["args"].items()
    args = ", ".join(f"{name!r}: {literal(decode(value)) if source else repr(value)}" for name, value in pairs)
    return (
        f"({operation['start']:.4f}, {operation['client']!r}, {operation['op']!r}, {{{args}}}, "
        f"{printable(outcome(operation))!r}),"
    )


def _probe_comment(operation: Mapping[str, Any]) -> str:
    args = ", ".join(f"{name}={value!r}" for name, value in operation["args"].items())
    return f"# at {operation['start']:.4f} s the suite itself did to the store: {operation['op']}({printable(args)})"


def script(failure: Mapping[str, Any], target: str, construct: str = "") -> str:
    """Return the source of the script. `failure` is an entry without its script; for `construct` see Adapter."""
    history = list(failure["history"])
    preamble, pattern, source = _dialect(target, construct)
    names = dict.fromkeys(operation["client"] for operation in history if operation["op"] in OPERATIONS)
    clients = [f"{name!r}: {_client(pattern, name, failure['clients'].get(name, {}))}," for name in names]
    steps = [
        _step(operation, source=source) if operation["op"] in OPERATIONS else _probe_comment(operation)
        for operation in history
    ]
    said = "\n".join(
        printable(text, keep="\n").replace("\\", "\\\\").replace('"""', "'''")
        for text in (
            f"{failure['requirement']}: {failure['statement']}",
            "",
            f"Got: {failure['got']}",
            f"Allowed: {failure['allowed']}",
            "",
            f"The history that the check {failure['check']} of resultspec found, as a script.",
        )
    )
    modules = "\n".join(
        f"import {name}" for name in ("itertools", "json", "shlex", "subprocess", "sys", "threading", "time")
    )
    head = f'"""{said}\n"""\n\n# ruff: noqa\n{modules}\nfrom types import SimpleNamespace\n{IMPORTS}\n\n'
    body = f"{preamble}\n\nCLIENTS = {{\n{indent(chr(10).join(clients), '    ')}\n}}\n\n"
    body += f"# seconds, client, operation, arguments, outcome\nSTEPS = [\n{indent(chr(10).join(steps), '    ')}\n]\n"
    return head + body + _RUNNER + (_AT_ONCE if _overlap(history) else _IN_ORDER)
