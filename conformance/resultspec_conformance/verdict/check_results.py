"""The result of one check, and its smallest failing examples. Plain data, which crosses process boundaries."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from resultspec import REQUIREMENTS
from resultspec.requirements import SEVERITIES
from resultspec_conformance.subject.call_failures import CallFailure

Status = Literal["passed", "violated", "blocked", "hung", "died", "unobserved", "error"]
"""How a check ended: `blocked` if every example ended at a call that is known to fail, `hung` or `died` if the process
did without a call of the backend being in progress, `error` for an error of the suite itself."""

WRONG: Final = "wrong"
"""The kind of a failure that is a wrong answer. The others are HUNG, DIED, and the name of the error in which a call
ended that has to succeed."""


@dataclass(frozen=True)
class Failure:
    """The smallest failing example of a kind: the requirement that it violates, and everything
    needed to understand and repeat it.

    `example` and `history` are JSON in the tagged encoding; `stored` maps a task id to the bytes that the probe found,
    as text. `clients` maps the clients of the history to those options that differ from the defaults. `call` describes
    the call that failed, as `subject.call_failures` does; None for a wrong answer. `step` is the position in the
    history of the operation that differs; None if none does. `also` are other examples that fail in the same way, the
    first of `alike`.
    """

    requirement: str
    got: str
    allowed: str
    example: Mapping[str, Any]
    history: list[dict[str, Any]]
    stored: Mapping[str, str]
    clients: Mapping[str, Any] = field(default_factory=dict)
    kind: str = WRONG
    call: Mapping[str, Any] | None = None
    step: int | None = None
    also: tuple[Mapping[str, Any], ...] = ()
    alike: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Of the failures with the same key, only the smallest is kept."""
        return self.requirement, self.kind

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Failure":
        """Return the failure that `asdict` described."""
        return cls(**{**data, "also": tuple(data["also"])})


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `message` gives the reason if the status is neither passed nor violated.

    `failures` has at most one for each requirement and kind. `exercised`: the requirements on which an example that ran
    to its end has looked. `looked` and `fired`: the places of the suite where it tested a requirement, and where it
    found one violated, as `testkit.places` names them. `blocked`: the calls at which other examples ended early, each
    reason once.
    """

    name: str
    status: Status
    seconds: float = 0.0
    backend_seconds: float = 0.0
    calls: int = 0
    examples: int = 0
    exercised: tuple[str, ...] = ()
    looked: tuple[str, ...] = ()
    fired: tuple[str, ...] = ()
    message: str = ""
    failures: tuple[Failure, ...] = ()
    blocked: tuple[CallFailure, ...] = ()

    @property
    def found(self) -> bool:
        """Whether the check found failures, or its examples ended early because of some."""
        return bool(self.failures or self.blocked)

    @property
    def reasons(self) -> str:
        """Why examples ended early."""
        return "; ".join(call.reason for call in self.blocked)

    @property
    def accused(self) -> tuple[str, ...]:
        """The requirements that the check found violated, each once."""
        return tuple(dict.fromkeys(failure.requirement for failure in self.failures))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        found = asdict(self)
        for name in ("seconds", "backend_seconds"):
            found[name] = round(found[name], 4)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CheckResult":
        """Return the result that `to_json` described."""
        return cls(
            **{
                **data,
                **{name: tuple(data[name]) for name in ("exercised", "looked", "fired")},
                "blocked": tuple(CallFailure.from_json(call) for call in data["blocked"]),
                "failures": tuple(Failure.from_json(failure) for failure in data["failures"]),
            }
        )


def worst_first(failures: Iterable[Failure]) -> list[Failure]:
    """Return failures by the severity of their requirements, those of MUSTs first."""

    def rank(failure: Failure) -> tuple[bool, int]:
        requirement = REQUIREMENTS[failure.requirement]
        return not requirement.scored, SEVERITIES.index(requirement.severity)

    return sorted(failures, key=rank)


def each_reason_once(calls: Iterable[CallFailure]) -> tuple[CallFailure, ...]:
    """Return the calls at which examples ended early, the first for each reason."""
    return tuple({call.reason: call for call in reversed(list(calls))}.values())[::-1]
