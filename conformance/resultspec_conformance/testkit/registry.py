"""Checks: functions that look for violations of requirements, and the registry of them.

A check is a function `(ctx, **example)`. The source of its examples is data: `given` maps the parameters to
Hypothesis strategies, `cases` lists examples that are all tried, and a check with neither runs once. An example
consists of values only, so it can be recorded and tried again by `resultspec replay`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from resultspec import REQUIREMENTS
from resultspec_conformance.limits import CHECK_SECONDS
from resultspec_conformance.subject.capabilities import ONLY_WAITS, Capabilities
from resultspec_conformance.subject.probe_protocols import (
    BookkeepingProbe,
    CuttingProbe,
    KeyProbe,
    Probe,
    RowProbe,
    TrafficProbe,
    WireProbe,
)
from resultspec_conformance.wire.values import Value

if TYPE_CHECKING:
    # modules that only judge the results of checks need not load Hypothesis
    from hypothesis.strategies import SearchStrategy

Function = TypeVar("Function", bound=Callable[..., None])
Example = Mapping[str, Value]


WRITER = "a writer of its own"
"""What a check lacks whose principal requirement is about what a subject stores, if the subject only waits."""


@dataclass(frozen=True)
class Check:
    """One check.

    `name`: module and function, such as `states.success_is_final`. `cites`: the requirements that it tests; the first
    one is the principal, which is violated if an operation fails that has to succeed. `needs`: capabilities and
    views without which it cannot run. `effort`: share of the configured number of examples. `deadline`: seconds for
    the whole check. `blame_hang`: the requirement that is violated if a call of it does not return, or empty. `first`:
    it makes ordinary calls, and runs before all others, whatever is selected. `by_chance`: those of the cited
    requirements on which it looks only if its examples happen to lead there. `acts`: the operations that it tests: if
    one of them fails or hangs, the principal is violated, and not the requirement about the operation.
    """

    name: str
    cites: tuple[str, ...]
    function: Callable[..., None]
    given: "Mapping[str, SearchStrategy[Any]]" = field(default_factory=dict)
    cases: tuple[Example, ...] = ()
    needs: frozenset[str] = frozenset()
    effort: float = 1.0
    deadline: float = CHECK_SECONDS
    blame_hang: str = ""
    first: bool = False
    by_chance: frozenset[str] = frozenset()
    acts: frozenset[str] = frozenset()

    @property
    def principal(self) -> str:
        """The requirement that the check mainly tests."""
        return self.cites[0]

    @property
    def cleans(self) -> bool:
        """Whether it is about lives, and so may call `cleanup`, which may take away what other checks need."""
        return any(REQUIREMENTS[cited].conformance_class == "expiry" for cited in self.cites)

    def lacks(self, available: frozenset[str]) -> frozenset[str]:
        """Return what the check needs and a subject does not provide: empty if it can run."""
        writes = ONLY_WAITS in available and not REQUIREMENTS[self.principal].concerns_readers
        return (self.needs - available) | ({WRITER} if writes else frozenset())

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


_REGISTRY: dict[str, Check] = {}


class CheckDefinitionError(Exception):
    """A check with a mistake in its definition, such as an unknown requirement id."""


def check(
    *cites: str,
    given: "Mapping[str, SearchStrategy[Any]] | None" = None,
    cases: Sequence[Example] = (),
    needs: Sequence[str] = (),
    effort: float = 1.0,
    deadline: float = CHECK_SECONDS,
    blame_hang: str = "",
    first: bool = False,
    by_chance: Sequence[str] = (),
    acts: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Register a function as a check of the requirements that it cites. Raises CheckDefinitionError."""
    unknown = [cited for cited in (*cites, *filter(None, [blame_hang])) if cited not in REQUIREMENTS]
    if not cites:
        raise CheckDefinitionError("a check must cite a requirement")
    if unknown:
        raise CheckDefinitionError(f"a check cites unknown requirements: {', '.join(unknown)}")
    if not set(by_chance) <= set(cites):
        raise CheckDefinitionError("a check looks by chance only on requirements that it cites")
    if given and cases:
        raise CheckDefinitionError("a check has either `given` or `cases`")
    inherited = {need for cited in cites for need in (REQUIREMENTS[cited].applies, REQUIREMENTS[cited].observe) if need}

    def register(function: Function) -> Function:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        if name in _REGISTRY or not function.__doc__:
            raise CheckDefinitionError(f"check {name} is defined twice, or does not say what should hold")
        _REGISTRY[name] = Check(
            name=name,
            cites=cites,
            function=function,
            given=dict(given or {}),
            cases=tuple(cases),
            needs=frozenset(needs) | inherited,
            effort=effort,
            deadline=deadline,
            blame_hang=blame_hang,
            first=first,
            by_chance=frozenset(by_chance),
            acts=frozenset(acts),
        )
        return function

    return register


def registered() -> Mapping[str, Check]:
    """Return the checks of all imported modules of the suite, by name."""
    return dict(sorted(_REGISTRY.items()))


def available(
    capabilities: Capabilities, probe: Probe | None, *, in_process: bool, broker: bool, overlap: bool, time: bool
) -> frozenset[str]:
    """Return the capabilities of a subject and the views of the suite: the names that `needs` may contain.

    `broker`: the suite stands in for the broker of each client. `overlap`: one client serves several calls at once.
    `time`: the suite can let entries expire, or wait until they do.
    """
    views = {
        "probe": probe is not None,
        "payload": probe is not None and not isinstance(probe, RowProbe),
        "keys": isinstance(probe, KeyProbe),
        "wire": isinstance(probe, WireProbe),
        "rows": isinstance(probe, RowProbe),
        "cut": isinstance(probe, CuttingProbe),
        "bookkeeping": isinstance(probe, BookkeepingProbe),
        "traffic": isinstance(probe, TrafficProbe),
        "in-process": in_process,
        "broker": broker,
        "overlap": overlap,
        "time": time,
    }
    return capabilities.provided | {name for name, exists in views.items() if exists}
