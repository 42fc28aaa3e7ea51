"""A sloppy port is judged to the end: every requirement that it claims gets a verdict, in one run."""

import shlex
import sys
from pathlib import Path

from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run

PROGRAM = Path(__file__).with_name("lenient.py")
BROKEN = {
    "META-1", "META-2", "META-3",  # members that are null are left out
    "META-7", "META-14",  # children are maps
    "VALUE-6", "VALUE-9", "VALUE-12", "VALUE-13", "VALUE-14",  # an entry that cannot be decoded ends the process
    "WAIT-11",  # overlap is declared, but requests are handled one at a time
}  # fmt: skip


def test_every_claim_of_a_lenient_port_is_judged(driver: Path, redis_url: str) -> None:
    """Exactly what is broken is violated, nothing is left untested, and the driver is not called at fault."""
    command = [sys.executable, "-S", "-E", str(PROGRAM), "node", str(driver), redis_url]
    report = run("exec:" + shlex.join(command), Options(examples=5, seed=1))
    verdicts = {entry["id"]: entry["verdict"] for entry in report["requirements"]}
    assert {name for name, verdict in verdicts.items() if verdict == "violated"} == BROKEN
    assert "not tested" not in verdicts.values()
    assert (report["verdict"], report["exit_code"]) == ("violated", 1)
    assert {entry["verdict"] for entry in report["classes"] if entry["name"] == "atomic"} == {"conformant"}
    died = next(failure for failure in report["failures"] if failure["requirement"] == "VALUE-6")
    assert "the driver ended with exit code 1 while get_task_meta was open" in died["got"]
    assert "RuntimeError: unhandled" in died["got"]
    assert any(died["stored"].values())
