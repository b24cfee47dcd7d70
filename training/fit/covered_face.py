"""Trains the small network that detects whether a hand covers a part of a face.

``affectline-train fit-covered-face`` writes a new folder with the network and its manifest, as the
detector reads them. FER2013 does not label covered faces, so
hands are drawn over faces (`affectline.training.data.drawn_hands`).
"""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import MANIFEST, ModelFile, checksum
from affectline.common.model.interpreter import open_interpreter
from affectline.common.model.network_manifest import (
    Measurement,
    NetworkManifest,
    NetworkOutput,
    TrainingOrigin,
)
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training.data.drawn_hands import draw_hand
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.silence_output import silence_output

STEP: Final = 3
"""Every third training face is used: more made no difference."""
EPOCHS: Final = 12
HELD_OUT: Final = 5
"""Every fifth of those is held out for the figures."""
SEED: Final = 1
LEAST: Final = 10 * STEP * HELD_OUT
"""Training faces at least: ten of them are then held out."""
SHARE: Final = 0.01
"""Share of uncovered faces above the logit at which the figures are measured."""
_PROGRAM: Final = "affectline.training.fit.covered_face"


def cover(face: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
    """A face with a hand drawn over it, ``(48, 48)``, 0 to 255."""
    return draw_hand(face, random)[0]


def photograph(faces: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.float32]:
    """Faces with varied light and noise, half of them mirrored: ``(N, 48, 48, 1)``, 0 to 255."""
    light = random.uniform(0.6, 1.3, (len(faces), 1, 1))
    seen = faces * light + random.normal(0, 3, faces.shape)
    mirrored = random.random(len(faces)) < 0.5
    seen[mirrored] = seen[mirrored][:, :, ::-1]
    return np.clip(seen, 0, 255)[..., np.newaxis].astype(np.float32)


def build_network() -> Any:
    """The network: from ``(1, 48, 48, 1)``, 0 to 255, to a logit."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((FER_SIZE, FER_SIZE, 1)),
            layers.Rescaling(1 / 64, -2),
            layers.Conv2D(12, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )


def _draw_pairs(
    faces: NDArray[np.uint8], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each face covered and uncovered, and 1 for covered, 0 for uncovered."""
    covered = np.stack([cover(face, random) for face in faces])
    both = np.concatenate([covered, faces.astype(np.float32)])
    truth = np.repeat(np.array([1, 0], np.float32), len(faces))
    return photograph(both, random), truth


def fit(faces: NDArray[np.uint8], epochs: int = EPOCHS, seed: int = SEED) -> Any:
    """Train the network; new hands are drawn for every epoch."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    network = build_network()
    network.compile(keras.optimizers.Adam(2e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    for epoch in range(epochs):
        network.optimizer.learning_rate = 2e-3 * 0.8**epoch
        network.fit(*_draw_pairs(faces, random), batch_size=64, epochs=1, verbose=0)
    return network


def measure(network: Any, faces: NDArray[np.uint8], share: float = SHARE) -> tuple[float, float]:
    """The logit that a share of uncovered faces exceeds, and the share of covered ones above it."""
    pictures, truth = _draw_pairs(faces, np.random.default_rng(2))
    logits = network.predict(pictures, verbose=0)[:, 0]
    limit = float(np.quantile(logits[truth == 0], 1 - share))
    return limit, float((logits[truth == 1] > limit).mean())


def describe(path: Path, origin: TrainingOrigin, limit: float, found: float) -> NetworkManifest:
    """The manifest of a trained network.

    Args:
        path: The LiteRT file.
        origin: What it was trained on.
        limit: The logit that 1 % of the held-out faces exceed while uncovered.
        found: Share of held-out faces above that logit with a hand drawn over them, 0 to 1.
    """
    (output,) = open_interpreter(path, 1, "train it again").get_output_details()
    return NetworkManifest(
        name="covered-face",
        file=ModelFile(path=path.name, sha256=checksum(path)),
        input_height=FER_SIZE,
        input_width=FER_SIZE,
        input_channels=1,
        input_range=(0, 255),
        outputs=(
            NetworkOutput(
                name="covered",
                tensor=output["name"],
                shape=(1,),
                meaning="Logit: how sure it is that a hand covers a part of the face.",
            ),
        ),
        source=origin,
        authors="The Affectline developers",
        licence="MIT",
        measured=(
            Measurement(
                network="this",
                what="share of the held-out faces with a hand drawn over them above the logit that "
                f"{100 * SHARE:.0f} % of the same faces as they are exceed",
                result=f"{100 * found:.0f} % above {limit:.2f}",
                source=_PROGRAM,
            ),
        ),
    )


def write(
    folder: Path, network: Any, origin: TrainingOrigin, held_out: NDArray[np.uint8]
) -> NetworkManifest:
    """Write the LiteRT file and its manifest, with the figures on held-out faces."""
    file = folder / "model.tflite"
    with silence_output():
        file.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    manifest = describe(file, origin, *measure(network, held_out))
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    return manifest


def train(data: LabelledFaces, progress: Progress) -> tuple[Any, TrainingOrigin, NDArray[np.uint8]]:
    """Train the network on a part of the training faces.

    Args:
        data: FER2013 or other faces of 48x48 pixels.
        progress: Where a bar is shown.

    Returns:
        What `write` takes: the network, what it was trained on, and the faces that were held out.

    Raises:
        AffectlineError: There are fewer than `LEAST` training faces.
    """
    known = data.pixels[data.rows(Split.TRAINING)]
    if len(known) < LEAST:
        raise AffectlineError(
            f"the data has {len(known)} {Split.TRAINING} rows, and {LEAST} are the least",
            "name FER2013's file, or a larger folder of pictures",
        )
    faces = known[::STEP]
    is_held_out = np.arange(len(faces)) % HELD_OUT == 0
    origin = TrainingOrigin(
        program=_PROGRAM,
        data=f"{'a folder of pictures' if data.from_folder else 'FER2013'}, training rows",
        data_sha256=data.sha256,
        learnt_faces=int((~is_held_out).sum()),
        held_out_faces=int(is_held_out.sum()),
        epochs=EPOCHS,
        seed=SEED,
        tensorflow=tf.__version__,
    )
    task = progress.add_task("Training", total=None)
    network = fit(faces[~is_held_out])
    progress.update(task, total=EPOCHS, completed=EPOCHS)
    return network, origin, faces[is_held_out]
