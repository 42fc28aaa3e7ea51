"""The result of the self-check: the broken backend that was judged before the run, and whether its defect was found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SelfCheckResult:
    """A broken backend of the catalogue, the requirement that it violates, and the check that found this, if any."""

    backend: str
    requirement: str
    check: str = ""
    seconds: float = 0.0
    trouble: str = ""

    @property
    def killed(self) -> bool:
        """Whether a check found the violation of its requirement."""
        return bool(self.check)

    @property
    def complaint(self) -> str:
        """The reason why the run is void."""
        why = self.trouble or "no check saw it"
        return f"self-check: the broken backend {self.backend} violates {self.requirement}, and {why}; the run is void"
