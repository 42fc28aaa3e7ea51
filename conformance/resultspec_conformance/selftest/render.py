"""The outcome of the self-test as text: which backends were killed by which checks, survived or were accused."""

from collections.abc import Iterator, Mapping, Sequence

from resultspec_conformance.report.plain_text import printable, wrapped
from resultspec_conformance.selftest.scores import SHARES, Diagnosis, Score, table
from resultspec_conformance.selftest.trials import GOOD_FATES, Selftest, Trial

BLIND_SHOWN = 20
"""Requirements that were not tested on a patient, of those that are shown; the report has all, with the reasons."""


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


# -- patients ----------------------------------------------------------------------------------


def diagnosis_lines(found: Diagnosis, width: int) -> Iterator[str]:
    """Yield what the suite made of one patient, with each miss and each false accusation."""
    patient, needless = found.patient, found.needless
    seen = len(found.broken & found.reported)
    told = f"{seen} of {len(found.broken)} found, {len(found.false)} false, blind to {len(needless)}"
    yield f"patient {patient.number}: {told}; {found.seconds:.0f} s"
    if found.trouble:
        yield from wrapped(printable(found.trouble), width, "  not judged: ", " " * 4)
    elif not found.misses and not found.false and not needless:
        return
    # in one line, however long, so that it can be copied
    yield f"  resultspec check {patient.target}"
    if found.trouble:
        return
    for miss in found.misses:
        shown = f"{miss.requirement} is {miss.verdict}; {', '.join(miss.defects)} should have shown it"
        yield from wrapped(shown, width, "  missed: ", " " * 4)
    for false in found.false:
        shown = f"{false.requirement} by {false.check}, got {printable(false.got)[:300]}"
        yield from wrapped(shown, width, "  false: ", " " * 4)
    if needless:
        more = f" and {len(needless) - BLIND_SHOWN} more" if len(needless) > BLIND_SHOWN else ""
        yield from wrapped(", ".join(list(needless)[:BLIND_SHOWN]) + more, width, "  blind: ", " " * 4)


def table_lines(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    """Yield the table of the scores, as Markdown, and whether they suffice."""
    shown = " | ".join(name.replace("_", " ") for name in SHARES)
    yield f"| | patients | broken | {shown} | s each |"
    yield "|---" * (len(SHARES) + 4) + "|"
    scores: Mapping[str, Score] = table(diagnoses)
    for name, one in scores.items():
        shown = " | ".join(f"{getattr(one, share):.1%}" for share in SHARES)
        yield f"| {name} | {one.patients} | {one.broken} | {shown} | {one.seconds / max(1, one.patients):.0f} |"
    yield f"the verdict {'holds' if scores['all'].holds else 'does NOT hold'}"
