"""Results of the attacks, as stored in ``docs/attacks.json``."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel

from tests.markdown import format_table

MOST_GROWTH_MB: Final = 50.0
"""How much the hub's memory may grow."""
TITLES: Final = {
    "parts gone wrong": "Faulty pipeline processes, as the hub's own user",
    "keys, nobody's": "With keys required: no valid key",
    "keys, a listener's, forgeries": "With keys required: forgeries with a listener's key",
    "keys, a listener's": "With keys required: other attacks with a listener's key",
    "keys, mute listeners'": "With keys required: mute and slow listeners",
    "keys, a sensor's, forgeries": "With keys required: forgeries with a sensor's key",
    "keys, a sensor's, floods": "With keys required: floods with a sensor's key",
    "keys, a sensor's": "With keys required: other attacks with a sensor's key",
    "keys, an operator's, forgeries": "With keys required: forgeries with an operator's key",
    "keys, an operator's": "With keys required: other attacks with an operator's key",
}
"""Headings of groups whose names are too short; others use the name."""
RESULTS: Final = Path(__file__).parents[2] / "docs" / "attacks.json"


class AttackResult(BaseModel):
    """The result of one attack."""

    name: str
    summary: str
    sent: int
    closed: int
    stolen: int
    refused: dict[str, int]
    """By how much counters of the hub rose, by name, from the start of the attack on."""
    grown_mb: float
    """The hub's largest memory size during the attack, minus the size before."""


class RunResult(BaseModel):
    """A lossless run under attack."""

    group: str
    date: str = ""
    """When it ran; empty: at the same time as the others."""
    rows: int
    """Rows in the table of a run without attacks."""
    right: int
    """How many of these the attacked run's table has."""
    wrong: int
    """Other rows in the attacked run's table."""
    samples: int
    """The same three for the table of samples."""
    right_samples: int
    wrong_samples: int
    attacks: list[AttackResult]


class Figures(BaseModel):
    """The results of all runs."""

    date: str
    machine: str
    runs: list[RunResult]


def find_broken(run: RunResult) -> list[str]:
    """Return the promises that a run under attack has broken."""
    found: list[str] = []
    if (run.right, run.wrong) != (run.rows, 0):
        found.append(f"{run.right} of {run.rows} rows match, {run.wrong} differ")
    if (run.right_samples, run.wrong_samples) != (run.samples, 0):
        found.append(
            f"{run.right_samples} of {run.samples} samples match, {run.wrong_samples} differ"
        )
    for one in run.attacks:
        if one.sent + one.closed == 0:
            found.append(f"{one.name}: nothing was sent or refused")
        if one.stolen:
            found.append(f"{one.name}: {one.stolen} stolen")
        if one.grown_mb >= MOST_GROWTH_MB:
            found.append(f"{one.name}: the hub grew by {one.grown_mb:.0f} MB")
    return found


def format_section(found: Figures) -> str:
    """Return the page's section on attacks."""
    attacks = [attack for run in found.runs for attack in run.attacks]
    text = (
        "## Attacks\n\n"
        "An attacker on the same machine attacks lossless runs of a film and a sensor table "
        "through their open ports. In some runs keys are off. In the others the hub requires keys, "
        "and the attacker has none, or the key of a listener, of an operator, or of a sensor for a "
        "person who is not in the run. "
        f"{len(attacks)} attacks in {len(found.runs)} runs: "
        f"{sum(run.right for run in found.runs)} of {sum(run.rows for run in found.runs)} rows and "
        f"{sum(run.right_samples for run in found.runs)} of "
        f"{sum(run.samples for run in found.runs)} samples match a run without attacks, "
        f"and {sum(run.wrong + run.wrong_samples for run in found.runs)} differ; "
        f"{sum(attack.stolen for attack in attacks)} images or crops were stolen; the hub grew "
        f"by at most {max((attack.grown_mb for attack in attacks), default=0):.0f} MB, and the "
        f"limit is {MOST_GROWTH_MB:.0f} MB. Written by `python -m tests.attacks`, {found.date}, "
        f"on {found.machine}."
    )
    if broken := [f"* {run.group}: {text}" for run in found.runs for text in find_broken(run)]:
        text += "\n\nBroken promises:\n\n" + "\n".join(broken)
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
    head = (
        "attack | what it sends or does | sent: | counted by the hub | refused or cut off: | "
        "hub growth, MB:"
    )
    title = TITLES.get(run.group, run.group[:1].upper() + run.group[1:])
    when = f"Run {run.date}.\n\n" if run.date else ""
    return f"### {title}\n\n{when}{format_table(head, rows)}"


def read_section() -> str:
    """Return the section as last measured; empty if it never was."""
    if not RESULTS.exists():
        return ""
    return format_section(Figures.model_validate_json(RESULTS.read_text()))
