"""``affectline-train robustness``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.model.artifact import load, to_probabilities
from affectline.common.model.litert import open_litert
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.training.cli.console import output, show_progress
from affectline.training.cli.data_option import ArtifactOption, DataOption, read_data
from affectline.training.data.splits import Split

if TYPE_CHECKING:
    from rich.progress import Progress

    from affectline.training.data.faces import LabelledFaces
    from affectline.training.robustness.curves import Classify
    from affectline.training.robustness.page import Measured

LEAST: Final = 20
"""Fewer faces show nothing."""
SIDE: Final = 48
"""Side in pixels of the faces that are damaged."""


def robustness(
    data: DataOption,
    artifact: ArtifactOption = DEFAULT_MODEL,
    faces: Annotated[
        int, typer.Option(min=LEAST, help="Faces for each point of a curve, of each split.")
    ] = 700,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for robustness.md, and for curves.json and curves.svg.",
            show_default="docs, for the served model only",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the classifier.")] = 1,
) -> None:
    """Measure accuracy against blur, size, light, roll, cover, JPEG quality, yaw and pitch.

    Reads the limits of "when to doubt the emotion" off the curves of PublicTest, and shows the
    curves of PrivateTest. This takes about ten minutes on one core. The same data and model give
    the same files.

    Example: `affectline-train robustness --data fer2013.csv`

    Example: `affectline-train robustness --data faces/ --artifact models/first --out report`
    """
    require_extra("affectline-train robustness", "training", "matplotlib")
    if out is None and artifact.resolve() != DEFAULT_MODEL.resolve():
        raise AffectlineError(
            f"--artifact {artifact} needs a folder for its page: docs has that of the served model",
            "name one with --out",
        )
    import numpy as np

    from affectline.training.evaluate.predictions import BATCH
    from affectline.training.robustness import page

    opened = load(artifact)
    if opened.manifest.input_height != SIDE:
        raise AffectlineError(
            f"--artifact {artifact} takes faces of {opened.manifest.input_height} pixels",
            f"the damage is defined for faces of {SIDE} pixels: name a model for those",
        )
    model = open_litert(opened, threads)
    with show_progress() as progress:
        everything = read_data(data, progress)
        everything.require(Split.PUBLIC_TEST, Split.PRIVATE_TEST)

        def classify(pixels: Any) -> Any:
            outputs = [
                model.predict(pixels[start : start + BATCH])
                for start in range(0, len(pixels), BATCH)
            ]
            return to_probabilities(np.concatenate(outputs), opened.manifest, "labels")

        chosen, shown = (
            measure(everything.select(split), split, faces, classify, progress)
            for split in (Split.PUBLIC_TEST, Split.PRIVATE_TEST)
        )
    file = page.write(out or Path("docs"), opened.model_id_for("labels"), chosen, shown)
    for name, limit in page.read_limits(chosen).items():
        output.print(f"{name}: {limit.value}", markup=False, highlight=False)
    output.print(str(file), markup=False, highlight=False, soft_wrap=True)


def measure(
    everything: "LabelledFaces",
    split: Split,
    faces: int,
    classify: "Classify",
    progress: "Progress",
) -> "Measured":
    """The curves of one split."""
    from affectline.training.robustness import curves, page

    drawn = curves.draw_faces(everything, faces)
    pictures = curves.measure_pictures(drawn, classify, progress)
    turns = curves.measure_turns(everything, faces, classify, progress)
    straight = len(turns.curves[0].outcomes[0].right)
    return page.Measured(split.value, len(drawn), straight, pictures, turns)
