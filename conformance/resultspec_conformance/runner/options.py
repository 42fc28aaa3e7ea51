"""The options of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES, JOBS
from resultspec_conformance.verdict.known_failures import KnownFailure
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.verdict.settings import CheckSettings


@dataclass(frozen=True)
class Options:
    """How a target is judged.

    `claims`: capabilities that replace the target's own (`capability_overrides`). `sys_path`: additional directories
    with modules of the target. `self_check`: judge a broken backend first. `jobs`: the number of processes that run
    checks, 1 to `MAX_JOBS`; it does not affect verdicts. `baseline`: a target, or the file of a report, whose failures
    are not counted.
    """

    selection: Selection = field(default_factory=Selection)
    examples: int = EXAMPLES
    seed: int = 0
    call_timeout: float = CALL_SECONDS
    known: tuple[KnownFailure, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    sys_path: Sequence[str] = ()
    self_check: bool = True
    jobs: int = JOBS
    baseline: str = ""

    @property
    def settings(self) -> CheckSettings:
        """The options that a worker needs."""
        return CheckSettings(self.examples, self.seed, self.call_timeout)
