"""The process in which checks run, so that a backend that hangs or dies is a finding and does not end the run.

It reads commands as lines of JSON from its standard input and answers each with one line. What the backend
prints goes to standard error; the stream of answers is separated from it at the start. When its input ends, the run
has ended: the worker stops its check, removes what it has written, and exits. While a check makes progress, the worker
says so every few seconds, and with a journal it also reports each call before it makes it.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import TextIOWrapper
from typing import IO, Any

from resultspec import REQUIREMENTS
from resultspec_conformance.limits import HEARTBEAT_SECONDS, WORKER_CLEANUP_SECONDS
from resultspec_conformance.runner.execute import execute
from resultspec_conformance.runner.recording import recorded
from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject.call_failures import DIED, HUNG, CallFailure, kinds_of, sentence_about
from resultspec_conformance.subject.capability_overrides import claiming
from resultspec_conformance.subject.client import InFlight, RunEnded
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.history import History, Operation, Outcome
from resultspec_conformance.subject.protocols import Role, Subject
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.context import Session
from resultspec_conformance.testkit.expiry import time_can_pass
from resultspec_conformance.testkit.registry import Check, available
from resultspec_conformance.text.redaction import passwords

HUNG_EXIT = 70


@dataclass
class _Answers:
    """The stream of answers, to which both the watchdog and the main thread write."""

    stream: IO[str]

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def send(self, answer: Mapping[str, Any]) -> None:
        with self._lock:
            self.stream.write(json.dumps(answer) + "\n")
            self.stream.flush()


class _Worker:
    def __init__(self, answers: _Answers) -> None:
        self.answers = answers
        self.in_flight = InFlight()
        self.session: Session | None = None
        self.running: str | None = None
        self._over_since: float | None = None
        self._cleared = False
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """End the process if a call does not return in time: there is no other way to end a hanging thread."""
        beat, calls = time.monotonic(), 0
        while True:
            time.sleep(0.05)
            if self.running is not None and time.monotonic() - beat > HEARTBEAT_SECONDS:
                beat, before, calls = time.monotonic(), calls, self.in_flight.calls
                self._say_alive(progress=calls != before)
            if self._over_since is not None and time.monotonic() - self._over_since > WORKER_CLEANUP_SECONDS:
                os._exit(HUNG_EXIT)
            overdue = self.in_flight.overdue()
            if overdue is not None:
                try:
                    self.answers.send(self._hung(*overdue))
                finally:
                    os._exit(HUNG_EXIT)

    def _read(self, commands: IO[str], waiting: "queue.Queue[str | None]") -> None:
        """Read commands while another one runs, so that the end of the run is noticed immediately."""
        for line in commands:
            waiting.put(line)
        self.in_flight.ended = True
        self._over_since = time.monotonic()
        waiting.put(None)

    def _hung(self, operation: Operation, history: History) -> dict[str, Any]:
        """Return the answer for a call that did not return."""
        waited = time.monotonic() - history.origin - operation.start
        message = f"{operation.op} by client {operation.client} had not returned after {waited:.1f} s"
        if self.running is None or self.session is None:
            error = f"{message}, when the target was opened.\nIs its store running? --call-timeout sets another limit."
            return {"error": error, "exit_code": 3, "hung": True}
        requirement = self._blamed(operation, HUNG)
        call = CallFailure(operation.op, kinds_of(operation.args), HUNG, requirement)
        history.finish(operation, Outcome("info", error="Unknown", message="did not return"))
        failure = recorded(requirement, message, "the call returns", self.session.example, history, {})
        step = next(place for place, one in enumerate(history) if one is operation)
        found = replace(failure, kind=HUNG, call=call.to_json(), step=step)
        return {"hung": asdict(found), "lost": self._lost(self.session.subject)}

    def _blamed(self, operation: Operation, how: str) -> str:
        """Return the requirement that a call violates which hangs or ends the process."""
        running = all_checks()[self.running] if self.running else None
        if running is not None and operation.op in running.acts:
            return running.principal
        return sentence_about(operation.op, operation.args, how)

    def _say_alive(self, *, progress: bool) -> None:
        with suppress(OSError, ValueError):
            self.answers.send({"event": "alive", "progress": progress})

    def _journal(self, operation: Operation, history: History) -> None:
        """Report a call before it is made, as the failure that it will be if it ends this process."""
        if self.session is None:
            return
        requirement = self._blamed(operation, DIED)
        call = CallFailure(operation.op, kinds_of(operation.args), DIED, requirement)
        got = f"during {operation.op} by client {operation.client}"
        failure = recorded(requirement, got, "the call returns", self.session.example, history, {})
        self.answers.send({"event": "call", "failure": asdict(replace(failure, kind=DIED, call=call.to_json()))})

    def open(
        self,
        target: str,
        run: str,
        opening: str,
        role: Role,
        call_timeout: float,
        claims: Mapping[str, Any],
        sys_path: list[str],
        round_trip: float,
        first_calls: bool,
    ) -> dict[str, Any]:
        if self.session is not None:
            self.session.close()
        self.in_flight.call_timeout = self.in_flight.short_timeout = call_timeout
        sys.path.extend(entry for entry in sys_path if entry not in sys.path)

        def open_subject(role: Role) -> Subject:
            return claiming(open_target(target, run, role), claims)

        subject = open_subject(role)
        self.session = Session(subject, run, self.in_flight, partial(open_subject, "again"), opening)
        self.session.rtt = round_trip
        if first_calls:
            self._make_first_calls(self.session, shared=target.startswith("python:"))
        names = available(
            subject.capabilities,
            subject.probe,
            in_process=subject.in_process,
            broker=subject.broker,
            overlap=subject.overlap,
            time=time_can_pass(subject),
        )
        return {
            "capabilities": subject.capabilities.to_json(),
            "available": sorted(names),
            "round_trip": self.session.rtt,
            "secrets": sorted(passwords(target, subject.capabilities.store or "")),
        }

    def _make_first_calls(self, session: Session, *, shared: bool) -> None:
        """Measure the round trip; require a `shared` store. Raises SubjectError if the store cannot be reached."""
        answered = session.within(self.in_flight.call_timeout, session.measure_round_trip)
        if not answered and session.subject.probe is None and not session.subject.in_process:
            waited = self.in_flight.call_timeout
            raise SubjectError(
                f"get_task_meta had not returned after {waited:.1f} s, when the target was opened.\n"
                "Is its store running? --call-timeout sets another limit."
            )
        if lost := self._lost(session.subject):
            raise SubjectError(lost)
        if shared and answered:
            session.within(self.in_flight.call_timeout, session.require_shared_store)

    def check(
        self,
        name: str,
        seed: int,
        examples: int,
        most_cases: int,
        example: Mapping[str, Any] | None,
        call_timeout: float,
        short_timeout: float,
        known: list[dict[str, Any]],
        journal: bool,
    ) -> dict[str, Any]:
        if self.session is None:
            raise SubjectError("no target is open")
        self.in_flight.call_timeout, self.in_flight.short_timeout = call_timeout, short_timeout
        self.in_flight.known = tuple(CallFailure.from_json(one) for one in known)
        self.in_flight.journal = self._journal if journal else None
        self.running = name
        check = all_checks()[name]
        try:
            self._clear_store_for(check, self.session)
            result = execute(
                check,
                self.session,
                seed_number=seed,
                examples=examples,
                most_cases=most_cases,
                replay=example,
            )
        finally:
            self.running = None
        answer: dict[str, Any] = {"result": result.to_json()}
        if result.status != "passed":
            answer["lost"] = self._lost(self.session.subject)
        return answer

    def _clear_store_for(self, check: Check, session: Session) -> None:
        """Before the first check in which `cleanup` looks at every entry, remove those that other checks have left."""
        by_cleanup = session.subject.capabilities.choice("expiry") != "autoexpire"
        about_lives = REQUIREMENTS[check.principal].conformance_class == "expiry"
        if by_cleanup and about_lives and not self._cleared:
            session.renew()
        self._cleared = about_lives

    @staticmethod
    def _lost(subject: Subject) -> str:
        """Return why the subject or the store behind it can no longer be used, or an empty text if it can."""
        fault = getattr(subject, "fault", None)
        if fault is not None:
            return str(fault)
        probe = subject.probe
        try:
            if probe is not None:
                probe.ping()
        except SubjectError as error:
            return str(error)
        return ""

    def close(self) -> dict[str, Any]:
        session, self.session = self.session, None
        if session is not None:
            session.close()
        return {"closed": True}

    def serve(self, commands: IO[str]) -> None:
        """Serve commands until there are no more, and always clean up."""
        waiting: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(commands, waiting), daemon=True).start()
        try:
            self._serve(waiting)
        except (RunEnded, BrokenPipeError):
            # the parent no longer waits for the answer
            pass
        finally:
            self.close()

    def _serve(self, waiting: "queue.Queue[str | None]") -> None:
        while (line := waiting.get()) is not None:
            command = json.loads(line)
            verb = command.pop("do")
            try:
                self.answers.send(getattr(self, verb)(**command))
            except SubjectError as error:
                self.answers.send({"error": str(error), "exit_code": error.exit_code})
            except Exception as error:  # noqa: BLE001 - the parent has to get every error
                message = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
                self.answers.send({"error": message, "exit_code": 3})
            if verb == "close":
                return


def main() -> None:
    """Serve commands until the input ends."""
    answers = _Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    if isinstance(sys.stdout, TextIOWrapper):
        # what a backend prints is shown when it prints it, and not lost if it then hangs or dies
        sys.stdout.reconfigure(line_buffering=True)
    _Worker(answers).serve(sys.stdin)
    # a daemon thread of the backend must not keep the process alive, and exit handlers have nothing to do
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
