"""What mirroring every second frame does to the distributions of a clip.

    python -m tests.mirror_views ../shared/data/video

Each face of each frame is classified both ways. The reference is what costs twice the time: the
smoothed mean of both views of every frame. It is compared with the smoothed distributions of one
view and of alternating views.
"""

import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.common.model.litert import open_litert
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import SourceSettings
from affectline.common.vision.ema import EmotionSmoother
from affectline.common.vision.label_hysteresis import LabelHysteresis
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.common.wire.messages import Faces, Packet, crops_of
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.supervisor.plan import complete
from tests.markdown import format_table

CLIPS = ("expressive_woman", "smiling_man", "carphone")


class Views(NamedTuple):
    """The face of a clip, frame by frame."""

    times: list[int]
    """Nanoseconds."""
    plain: NDArray[np.float64]
    """Distributions of the crops, ``(N, 7)``."""
    mirrored: NDArray[np.float64]
    """Those of their mirror images."""


def classify_both(film: Path) -> Views:
    """Classify the first face of each frame, and its mirror image."""
    seen: list[tuple[int, NDArray[np.uint8]]] = []

    def observe(packet: Packet) -> None:
        if isinstance(packet.message, Faces) and packet.message.faces:
            _, small = next(crops_of(Packet(packet.message, packet.parts)))
            crop = np.frombuffer(small, np.uint8).reshape(FER_SIZE, FER_SIZE)
            seen.append((packet.message.captured_at, crop))

    source = SourceSettings(name="clip", source=str(film))
    with tempfile.TemporaryDirectory() as folder:
        settings = PipelineSettings.model_validate(
            {"sources": (source,), "pace": "fast", "sink": {"out": Path(folder) / "session"}}
        )
        DirectRun(complete(settings), observe).run()
    opened = artifact.load()
    model, answer = open_litert(opened), opened.choose_answer(None)
    crops = np.stack([crop for _, crop in seen])
    plain, mirrored = (
        to_probabilities(
            np.concatenate([model.predict(part) for part in np.array_split(views, len(views))]),
            opened.manifest,
            answer,
        )
        for views in (crops, crops[:, :, ::-1])
    )
    return Views([at for at, _ in seen], plain, mirrored)


def smooth(times: Sequence[int], single: NDArray[np.float64]) -> NDArray[np.float64]:
    """The track's distributions, as the pipeline averages them."""
    smoother = EmotionSmoother()
    return np.array(
        [smoother.smooth(1, at, tuple(row)) for at, row in zip(times, single, strict=True)]
    )


def compare(views: Views, every: int = 1) -> list[tuple[str, str, str, str]]:
    """Rows of the table: view, distance from the reference, wrong labels, changes of the label.

    Args:
        views: The clip.
        every: Use only each so-manieth frame, as of a slower camera.
    """
    times = views.times[::every]
    plain, mirrored = views.plain[::every], views.mirrored[::every]
    alternating = np.where((np.arange(len(times)) % 2 == 1)[:, np.newaxis], mirrored, plain)
    reference = smooth(times, (plain + mirrored) / 2)
    rows = []
    for name, single in (("one view", plain), ("alternating", alternating)):
        found = smooth(times, single)
        distance = np.abs(found - reference).sum(axis=1).mean() / 2
        wrong = (found.argmax(axis=1) != reference.argmax(axis=1)).mean()
        labels = LabelHysteresis()
        chosen = [labels.choose(1, at, tuple(row)) for at, row in zip(times, found, strict=True)]
        changes = sum(a != b for a, b in pairwise(chosen))
        rows.append((name, f"{distance:.3f}", f"{wrong:.1%}", str(changes)))
    return rows


def main() -> None:
    """Print the table of all clips, at their own rate and at five frames a second."""
    rows = []
    for clip in CLIPS:
        views = classify_both(Path(sys.argv[1]) / f"{clip}.mp4")
        rate = 1e9 / float(np.median(np.diff(views.times)))
        for every in (1, round(rate / 5)):
            rows += [(clip, f"{rate / every:.0f}", *row) for row in compare(views, every)]
    head = "clip | frames/s: | distributions | distance: | other label: | changes of the label:"
    print(format_table(head, rows))  # noqa: T201
    print(f"\nof {len(LABELS)} emotions; distance: half the sum of absolute differences")  # noqa: T201


if __name__ == "__main__":
    main()
