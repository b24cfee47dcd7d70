"""What the attacks showed, as stored in ``docs/attacks.json``."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel

from tests.markdown import format_table

MOST_GROWTH_MB: Final = 50.0
"""By which the hub may grow."""
TITLES: Final = {
    "keys, nobody's": "The hub asks for keys: a stranger",
    "keys, a listener's, forgeries": "The hub asks for keys: forgeries with a listener's",
    "keys, a listener's": "The hub asks for keys: what else is done with a listener's",
    "keys, a sensor's, forgeries": "The hub asks for keys: forgeries with a sensor's",
    "keys, a sensor's, floods": "The hub asks for keys: floods with a sensor's",
    "keys, a sensor's": "The hub asks for keys: what else is done with a sensor's",
    "keys, an operator's, forgeries": "The hub asks for keys: forgeries with an operator's",
    "keys, an operator's": "The hub asks for keys: what else is done with an operator's",
}
"""Of groups of attacks, where their names are too short."""
RESULTS: Final = Path(__file__).parents[2] / "docs" / "attacks.json"


class AttackResult(BaseModel):
    """What one attack showed."""

    name: str
    summary: str
    sent: int
    closed: int
    stolen: int
    refused: dict[str, int]
    """How far the hub's counters rose, by name, from the attack's beginning to the run's end."""
    grown_mb: float
    """The hub's largest size while it was attacked, less that before."""


class RunResult(BaseModel):
    """A lossless run, with the attacks that it was under."""

    group: str
    date: str = ""
    """When it ran; empty: with the others."""
    rows: int
    """In the table of a run that nobody attacks."""
    right: int
    """Of these, those in the attacked run's."""
    wrong: int
    """Others there."""
    samples: int
    """The same of the table of sensors."""
    right_samples: int
    wrong_samples: int
    attacks: list[AttackResult]


class Figures(BaseModel):
    """All of them."""

    date: str
    machine: str
    runs: list[RunResult]


def find_broken(run: RunResult) -> list[str]:
    """What a run under attack has not kept of what is promised."""
    found: list[str] = []
    if (run.right, run.wrong) != (run.rows, 0):
        found.append(f"{run.right} of {run.rows} rows are right, {run.wrong} are others")
    if (run.right_samples, run.wrong_samples) != (run.samples, 0):
        found.append(f"{run.right_samples} of {run.samples} samples, {run.wrong_samples} others")
    for one in run.attacks:
        if one.sent + one.closed == 0:
            found.append(f"{one.name}: nothing was done")
        if one.stolen:
            found.append(f"{one.name}: {one.stolen} stolen")
        if one.grown_mb >= MOST_GROWTH_MB:
            found.append(f"{one.name}: the hub grew by {one.grown_mb:.0f} MB")
    return found


def format_section(found: Figures) -> str:
    """The part of the page on reliability that is about attacks."""
    attacks = [attack for run in found.runs for attack in run.attacks]
    text = (
        "## Attacks\n\n"
        "Somebody on the same machine attacks lossless runs of a film and a table of sensors "
        "through the ports that they open: where keys are off, and where the hub asks for keys and "
        "the attacker has none, or a listener's, an operator's, or that of a sensor of a person "
        "who is not in the run. "
        f"{len(attacks)} attacks in {len(found.runs)} runs: "
        f"{sum(run.right for run in found.runs)} of {sum(run.rows for run in found.runs)} rows and "
        f"{sum(run.right_samples for run in found.runs)} of "
        f"{sum(run.samples for run in found.runs)} samples are those of a run that nobody attacks, "
        f"and {sum(run.wrong + run.wrong_samples for run in found.runs)} are others; "
        f"{sum(attack.stolen for attack in attacks)} pictures or crops were stolen; the hub grew "
        f"by {max((attack.grown_mb for attack in attacks), default=0):.0f} MB at most, of "
        f"{MOST_GROWTH_MB:.0f} that it may. Written by `python -m tests.attacks`, {found.date}, "
        f"on {found.machine}."
    )
    if broken := [f"* {run.group}: {text}" for run in found.runs for text in find_broken(run)]:
        text += "\n\nNot kept:\n\n" + "\n".join(broken)
    return "\n\n".join([text, *map(_format_run, found.runs)])


def _format_run(run: RunResult) -> str:
    rows = [
        (
            attack.name,
            attack.summary,
            attack.sent,
            ", ".join(f"`{name}` {count}" for name, count in sorted(attack.refused.items())),
            attack.closed or "",
            f"{attack.grown_mb:.1f}",
        )
        for attack in run.attacks
    ]
    head = "attack | what is done | sent: | counted by the hub | refused or cut: | hub grew by, MB:"
    title = TITLES.get(run.group, run.group[:1].upper() + run.group[1:])
    when = f"Run {run.date}.\n\n" if run.date else ""
    return f"### {title}\n\n{when}{format_table(head, rows)}"


def read_section() -> str:
    """The section as it was last measured; empty where it never was."""
    if not RESULTS.exists():
        return ""
    return format_section(Figures.model_validate_json(RESULTS.read_text()))
