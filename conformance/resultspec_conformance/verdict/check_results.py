"""The result of one check, and its smallest failing example. Plain data, which crosses process boundaries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["passed", "violated", "hung", "died", "unobserved", "error"]


@dataclass(frozen=True)
class Failure:
    """The smallest failing example: the requirement that it violates, and everything
    needed to understand and repeat it.

    `example` and `history` are JSON in the tagged encoding; `stored` maps a task id to the bytes that the probe found,
    as text. `clients` maps the clients of the history to those options that differ from the defaults.
    """

    requirement: str
    got: str
    allowed: str
    example: Mapping[str, Any]
    history: list[dict[str, Any]]
    stored: Mapping[str, str]
    clients: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `message` gives the reason if the status is neither passed nor violated."""

    name: str
    status: Status
    seconds: float = 0.0
    backend_seconds: float = 0.0
    calls: int = 0
    examples: int = 0
    exercised: tuple[str, ...] = ()
    message: str = ""
    failure: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON, by the schema `report`."""
        found = asdict(self)
        found["exercised"] = list(self.exercised)
        for name in ("seconds", "backend_seconds"):
            found[name] = round(found[name], 4)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CheckResult":
        """Return the result that `to_json` described."""
        failure = data["failure"]
        return cls(
            **{
                **data,
                "exercised": tuple(data["exercised"]),
                "failure": None if failure is None else Failure(**failure),
            }
        )
