"""What Affectline is compared with. Runs in the environment ``.cache/bench``, without our packages.

    python -I baselines.py paper CLIP SECONDS [WEIGHTS]
    python -I baselines.py fer CLIP SECONDS

prints one JSON object: see `measure`.
"""

import importlib
import importlib.metadata
import itertools
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

WARM_UP: Final = 24
"""Frames before the clock starts: the first ones make TensorFlow compile and caches fill."""

BEGUN: Final = time.time()
VGG_MEAN_BGR: Final = (103.939, 116.779, 123.68)

Judge = Callable[[Any], bool]
"""Takes a BGR picture, says whether it had a face to judge."""
Stopwatch = dict[str, list[float]]


def paper(weights: str | None) -> tuple[Judge, Stopwatch]:
    """The paper's way: full-size Haar, then ``model.predict`` on a Keras VGG16."""
    import cv2
    import keras
    import numpy as np

    cascade = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
    )
    backbone = keras.applications.VGG16(
        include_top=False, weights=weights, input_shape=(48, 48, 3), pooling="avg"
    )
    tensor = backbone.output
    for units in (256, 128, 64):
        tensor = keras.layers.Dense(units, activation="relu")(tensor)
    model = keras.Model(backbone.input, keras.layers.Dense(7, activation="softmax")(tensor))
    times: Stopwatch = {"detect_ms": [], "judge_ms": []}

    def judge(picture: Any) -> bool:
        begun = time.perf_counter()
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        faces = cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=5)
        found = time.perf_counter()
        times["detect_ms"].append((found - begun) * 1e3)
        if not len(faces):
            return False
        x, y, w, h = max(faces, key=lambda face: int(face[2] * face[3]))
        crop = cv2.resize(gray[y : y + h, x : x + w], (48, 48))
        mean = np.asarray(VGG_MEAN_BGR, np.float32)
        model.predict(np.repeat(crop[None, ..., None], 3, axis=-1) - mean, verbose=0)
        times["judge_ms"].append((time.perf_counter() - found) * 1e3)
        return True

    return judge, times


def fer() -> tuple[Judge, Stopwatch]:
    """The package ``fer`` as its own documentation uses it, without MTCNN: Haar and TFLite."""
    package: Any = importlib.import_module("fer.fer")
    logging.getLogger("fer").setLevel(logging.ERROR)
    detector = package.FER(mtcnn=False, use_tflite=True)
    times: Stopwatch = {"detect_ms": [], "judge_ms": []}
    find, classify = detector.find_faces, detector._classify_emotions

    def timed(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            result = function(*arguments, **options)
            times[what].append((time.perf_counter() - begun) * 1e3)
            return result

        return run

    detector.find_faces = timed("detect_ms", find)
    detector._classify_emotions = timed("judge_ms", classify)
    return (lambda picture: bool(detector.detect_emotions(picture))), times


def pictures(clip: str) -> Iterator[Any]:
    """The clip's pictures, again and again."""
    import cv2

    while True:
        video, n = cv2.VideoCapture(clip), 0
        while True:
            ok, picture = video.read()
            if not ok:
                break
            n += 1
            yield picture
        video.release()
        if not n:
            raise SystemExit(f"{clip} has no pictures")


def measure(judge: Judge, times: Stopwatch, clip: str, seconds: float) -> dict[str, Any]:
    """Judge pictures for so many seconds after the warm-up."""
    frames = pictures(clip)
    warm = [judge(picture) for picture in itertools.islice(frames, 1)]
    first_s = time.time() - BEGUN
    warm += [judge(picture) for picture in itertools.islice(frames, WARM_UP - 1)]
    for kept in times.values():
        kept.clear()
    done, faces = 0, 0
    begun, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        faces += judge(next(frames))
        done += 1
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "rate": done / took,
        "cpu_ms": cpu * 1e3 / done,
        "cores": cpu / took,
        "frames": done,
        "faces": faces,
        "first_s": first_s,
        "peak_mb": peak_mb(),
        **{name: statistics.median(kept) for name, kept in times.items() if kept},
    }


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> None:
    """Measure what the command line names."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    which, clip, seconds, *rest = sys.argv[1:]
    judge, times = fer() if which == "fer" else paper(rest[0] if rest else None)
    result = measure(judge, times, clip, float(seconds))
    names = ["tensorflow", "keras", "opencv-python"] + ["fer"] * (which == "fer")
    result["versions"] = {name: importlib.metadata.version(name) for name in names}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
