"""The figures of docs/calibration.md: ``python -m tests.calibration_figures ../shared/data``.

Prints the typical results of the shipped model, what a calibration costs and gains on faces of
FER2013's PublicTest whose shape, camera or light was changed, and on the people of the clips, each
with a strength chosen on the others. It takes about ten minutes.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.artifact import Artifact, load, to_probabilities
from affectline.common.model.litert import open_litert
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.common.settings.sources import SourceSettings
from affectline.common.wire.messages import Emotion, Packet
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.calibration.shift import (
    FaceBlock,
    cross_validate,
    fit_shift,
    typical_results,
)
from affectline.services.supervisor.plan import complete
from affectline.training.data import dataset, ferplus

Gray = NDArray[np.uint8]
Floats = NDArray[np.float64]
STRENGTHS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
FACES: Final = 1800
DRAWS: Final = 30
NEUTRAL: Final = LABELS.index("neutral")
FIVE: Final = tuple(map(LABELS.index, ("neutral", "happy", "surprise", "angry", "sad")))
Y, X = np.mgrid[0:48, 0:48].astype(np.float32)

# Frames of the clips that show an expression, chosen by eye; the rest is left out
CLIPS: Final[dict[str, dict[str, list[tuple[int, int]]]]] = {
    "smiling_man": {"neutral": [(0, 15)], "happy": [(24, 72)]},
    "carphone": {"neutral": [(0, 54), (72, 101)], "surprise": [(58, 69), (106, 120)]},
    "expressive_woman": {"sad": [(20, 151)], "happy": [(250, 472)]},
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def bump(row: float, column: float, height: float, width: float) -> Any:
    return np.exp(-(((Y - row) / height) ** 2) / 2 - ((X - column) / width) ** 2 / 2)


def moved(down: Any, right: Any) -> Callable[[Gray], Gray]:
    """A face whose parts are taken from a few pixels further down or right."""
    across, along = (X + right).astype(np.float32), (Y + down).astype(np.float32)
    return lambda face: np.asarray(
        cv2.remap(face, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def placed(scale: float = 1, roll: float = 0, down: float = 0, tall: float = 1) -> Any:
    """A face in a crop that is too wide, rolled, shifted or seen from below."""
    cosine, sine = scale * np.cos(np.deg2rad(roll)), scale * np.sin(np.deg2rad(roll))
    linear = np.array([[cosine, -sine], [sine * tall, cosine * tall]])
    matrix = np.column_stack([linear, [23.5, 23.5 + down] - linear @ [23.5, 23.5]])
    return lambda face: cv2.warpAffine(face, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)


def lit(change: Callable[[Any], Any]) -> Callable[[Gray], Gray]:
    """A face whose brightness, 0 to 255, was changed."""
    return lambda face: np.clip(change(face.astype(np.float64)), 0, 255).astype(np.uint8)


def settings() -> dict[str, Callable[[Gray], Gray]]:
    """Changes of every face, by name: shapes of faces, cameras, light."""
    brows = bump(14, 14, 4, 7) + bump(14, 34, 4, 7)
    eyes = bump(19, 14, 4, 6) + bump(19, 34, 4, 6)
    corners = bump(37, 14, 4, 4) + bump(37, 34, 4, 4)
    lips = bump(37, 24, 5, 8)
    beard = np.clip(bump(44, 24, 6, 16) - 0.6 * lips, 0, 1)
    noise = np.random.default_rng(1).normal(0, 6, (48, 48))
    return {
        "unchanged": lambda face: face,
        "low brows": moved(-2.0 * brows, 0),
        "high brows": moved(2.0 * brows, 0),
        "corners of the mouth down": moved(-1.8 * corners, 0),
        "corners of the mouth up": moved(1.8 * corners, 0),
        "narrow eyes": moved(0.35 * (Y - 19) * eyes, 0),
        "wide eyes": moved(-0.3 * (Y - 19) * eyes, 0),
        "thick lips": moved(-0.3 * (Y - 37) * lips, 0),
        "wide mouth": moved(0, -0.25 * (X - 24) * bump(37, 24, 5, 12)),
        "dark brows": lit(lambda face: face * (1 - 0.45 * brows)),
        "beard": lit(lambda face: face * (1 - 0.45 * beard)),
        "near crop": placed(1.12),
        "wide crop": placed(0.86),
        "rolled by 10 degrees": placed(1, 10),
        "camera below": placed(1, 0, -2, 0.92),
        "blurred": lambda face: np.asarray(cv2.GaussianBlur(face, (0, 0), 1.6), np.uint8),
        "dark with noise": lit(lambda face: (face * 0.3 + noise) * 1.6),
        "washed out": lit(lambda face: 255 * (face / 255) ** 0.55 * 0.85 + 35),
        "light from the side": lit(lambda face: face * (1 + 0.7 * (X - 23.5) / 24)),
        "light from below": lit(lambda face: face * (1 - 0.6 * (23.5 - Y) / 24)),
    }


def normalized(log_values: Floats) -> Floats:
    return np.asarray(log_values - np.log(np.exp(log_values).sum(axis=1, keepdims=True)))


def log_loss(log_values: Floats, labels: NDArray[np.int64] | int) -> float:
    rows = normalized(log_values)
    return float(-rows[np.arange(len(rows)), labels].mean())


def block(label: int, log_values: Floats) -> FaceBlock:
    return FaceBlock(label, log_values, np.arange(len(log_values), dtype=np.float64))


def print_typical(artifact: Artifact, outputs: Any, labels: Any, votes: Any) -> None:
    say(f"typical results of {artifact.model_id} on PublicTest")
    for name, truth in (("labels", labels), ("votes", votes), ("consensus", votes)):
        given = to_probabilities(outputs, artifact.manifest, name)  # type: ignore[arg-type]
        say(f'    "{name}": (')
        for label in range(len(LABELS)):
            row = given[truth == label].mean(axis=0)
            say("        (" + ", ".join(f"{one:.3f}" for one in row) + "),")


def print_settings(artifact: Artifact, pixels: Gray, labels: NDArray[np.int64]) -> None:
    """Print what a calibration changes on other faces in the same setting."""
    model, random = open_litert(artifact, 2), np.random.default_rng(0)
    chosen = random.permutation(len(pixels))[:FACES]
    truth, half = labels[chosen], np.arange(FACES) < FACES // 2
    kinds = {
        "neutral, 5 faces": ((NEUTRAL,), 5),
        "five expressions, 1 face each": (FIVE, 1),
        "five expressions, 3 faces each": (FIVE, 3),
    }
    found: dict[tuple[str, float, str], float] = {}
    for name, change in settings().items():
        faces = np.stack([change(face) for face in pixels[chosen]])
        outputs = np.concatenate([model.predict(faces[i : i + 60]) for i in range(0, FACES, 60)])
        logs = np.log(np.maximum(to_probabilities(outputs, artifact.manifest), 5e-7))
        before = log_loss(logs[~half], truth[~half])
        for kind, (shown, count) in kinds.items():
            for strength in STRENGTHS:
                draws = np.random.default_rng(7)
                gains = []
                for _ in range(DRAWS):
                    own = [
                        block(label, logs[draws.choice(np.flatnonzero(half & (truth == label)),
                                                       count, replace=False)])
                        for label in shown
                    ]  # fmt: skip
                    shift = fit_shift(own, typical_results("labels"), strength)
                    gains.append(log_loss(logs[~half] + shift, truth[~half]) - before)
                found[kind, strength, name] = float(np.mean(gains))
        say(f"    {name}: {before:.3f}")
    names = list(settings())
    say("change of the log loss on other faces: unchanged | changed, mean | best | worst")
    for kind in kinds:
        for strength in STRENGTHS:
            first, *rest = (found[kind, strength, name] for name in names)
            best, worst = names[1 + int(np.argmin(rest))], names[1 + int(np.argmax(rest))]
            say(
                f"    {kind}, strength {strength:g}: {first:+.4f} | {np.mean(rest):+.4f} | "
                f"{min(rest):+.4f} {best} | {max(rest):+.4f} {worst}"
            )


def clip_logs(path: Path) -> Floats:
    """Log-probabilities of the only face of each frame, ``(T, 7)``."""
    rows: list[Any] = []

    def observe(packet: Packet) -> None:
        if isinstance(packet.message, Emotion):
            (face,) = packet.message.faces
            rows.append(face.frame_probabilities)

    with TemporaryDirectory() as scratch:
        source = SourceSettings(name="clip", source=str(path))
        sink = SinkSettings(out=Path(scratch) / "out", display="none")
        run = PipelineSettings(sources=(source,), sink=sink, delivery="lossless", pace="fast")
        DirectRun(complete(run), observe).run()
    return np.log(np.maximum(np.array(rows, np.float64), 5e-7))


def halves(own: dict[int, Floats]) -> tuple[list[FaceBlock], list[FaceBlock]]:
    """The first and the second half of each expression, in time."""
    first = [block(label, logs[: len(logs) // 2]) for label, logs in own.items()]
    return first, [block(label, logs[len(logs) // 2 :]) for label, logs in own.items()]


def change(shift: Floats, blocks: Sequence[FaceBlock]) -> float:
    """Mean change of the log loss over expressions."""
    return float(
        np.mean([
            log_loss(one.log_probabilities + shift, one.label)
            - log_loss(one.log_probabilities, one.label)
            for one in blocks
        ])
    )  # fmt: skip


def print_people(folder: Path) -> None:
    """Print what a calibration changes for each person of the clips."""
    typical = typical_results("labels")
    people: dict[str, dict[int, Floats]] = {}
    for name, stretches in CLIPS.items():
        logs = clip_logs(folder / f"{name}.mp4")
        people[name] = {
            LABELS.index(label): np.concatenate([logs[a:b] for a, b in parts])
            for label, parts in stretches.items()
        }
    gains = {
        (name, strength): change(fit_shift(halves(own)[0], typical, strength), halves(own)[1])
        for name, own in people.items()
        for strength in STRENGTHS
    }
    for name, own in people.items():
        others = [one for one in people if one != name]
        best = min(STRENGTHS, key=lambda s: sum(gains[one, s] for one in others))
        for strength in dict.fromkeys((best, 2.0)):
            shift = fit_shift(halves(own)[0], typical, strength)
            parts = [
                block(one.label, logs)
                for one in halves(own)[0]
                for logs in np.array_split(one.log_probabilities, 4)
            ]
            decided = "on" if cross_validate(parts, typical, strength).helps else "off"
            chosen = " (chosen on the others)" * (strength == best)
            say(f"{name}, strength {strength:g}{chosen}: {decided} by its first half")
            for one in halves(own)[1]:
                say(f"    second half, {LABELS[one.label]}: {figures(one, shift)}")
            if NEUTRAL in own:
                shift = fit_shift([block(NEUTRAL, own[NEUTRAL])], typical, strength)
                for label in own:
                    if label != NEUTRAL:
                        shown = figures(block(label, own[label]), shift)
                        say(f"    neutral alone, on {LABELS[label]}: {shown}")
            strange = [
                change(fit_shift(halves(people[o])[0], typical, strength), halves(own)[1])
                for o in others
            ]
            say(f"    with the others' shifts: {', '.join(f'{one:+.3f}' for one in strange)}")


def figures(one: FaceBlock, shift: Floats) -> str:
    logs, label = one.log_probabilities, one.label
    right = [float((values.argmax(axis=1) == label).mean()) for values in (logs, logs + shift)]
    return (
        f"{log_loss(logs, label):.3f} -> {log_loss(logs + shift, label):.3f}, "
        f"{right[0]:.0%} -> {right[1]:.0%} of {len(logs)}"
    )


def main(shared: Path) -> None:
    artifact = load()
    faces = dataset.load(shared / "fer2013.csv.xz")
    is_public = faces.usages == "PublicTest"
    pixels, labels = faces.pixels[is_public], faces.emotions[is_public]
    votes = ferplus.majority(shared / "ferplus_votes.csv")[is_public]
    model = open_litert(artifact, 2)
    outputs = [model.predict(pixels[i : i + 64]) for i in range(0, len(pixels), 64)]
    print_typical(artifact, np.concatenate(outputs), labels, votes)
    print_people(shared / "video")
    print_settings(artifact, pixels, labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
