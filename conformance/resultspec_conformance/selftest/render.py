"""The outcome of the self-test as text: which backends were killed by which checks, survived or were accused."""

from collections.abc import Iterator

from resultspec_conformance.report.plain_text import printable, wrapped
from resultspec_conformance.selftest.trials import GOOD_FATES, Selftest, Trial


def trial_lines(trial: Trial, width: int) -> Iterator[str]:
    """Yield the outcome for one backend of the catalogue, with details unless it is the expected one."""
    breaks = f"breaks {trial.violates}" if trial.violates else "correct"
    by = f" by {', '.join(trial.killers)}" if trial.killers else ""
    yield from wrapped(f"{trial.fate:<9}  {trial.name}, {breaks}{by}", width, "", " " * 11)
    if trial.fate in GOOD_FATES:
        return
    yield from wrapped(trial.description, width, " " * 11)
    for accused, names in trial.accusations.items():
        yield from wrapped(f"accused of {accused} by {', '.join(names)}", width, " " * 11)
    if trial.message:
        yield from wrapped(printable(trial.message), width, " " * 11)


def summary_lines(outcome: Selftest, width: int, *, partial: bool) -> Iterator[str]:
    """Yield the summary of a self-test. `partial`: only some backends were selected, so gaps are not judged."""
    fates = [trial.fate for trial in outcome.trials]
    counts = ", ".join(f"{fates.count(fate)} {fate}" for fate in dict.fromkeys(sorted(fates)))
    if not partial:
        for gap in outcome.gaps:
            yield from wrapped(gap, width, "missing    ", " " * 11)
    holds = holds_up(outcome, partial=partial)
    yield f"{counts}; {outcome.seconds:.0f} s: the suite {'holds' if holds else 'does NOT hold'}"


def holds_up(outcome: Selftest, *, partial: bool) -> bool:
    """Whether all selected backends of a self-test had the expected outcome."""
    if partial:
        return bool(outcome.trials) and all(trial.fate in GOOD_FATES for trial in outcome.trials)
    return outcome.holds
