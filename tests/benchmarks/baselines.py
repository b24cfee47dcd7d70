"""The programs that Affectline is compared with.

Runs in the virtual environment ``.cache/bench``, which does not have the package affectline.

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

STARTED: Final = time.time()
VGG_MEAN_BGR: Final = (103.939, 116.779, 123.68)

Analyzer = Callable[[Any], bool]
"""Analyses a BGR image; returns whether it has a face."""
Stopwatch = dict[str, list[float]]


def paper(weights: str | None) -> tuple[Analyzer, Stopwatch]:
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
    times: Stopwatch = {"detect_ms": [], "classify_ms": []}

    def analyze(image: Any) -> bool:
        started = time.perf_counter()
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        faces = cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=5)
        found = time.perf_counter()
        times["detect_ms"].append((found - started) * 1e3)
        if not len(faces):
            return False
        x, y, w, h = max(faces, key=lambda face: int(face[2] * face[3]))
        crop = cv2.resize(gray[y : y + h, x : x + w], (48, 48))
        mean = np.asarray(VGG_MEAN_BGR, np.float32)
        model.predict(np.repeat(crop[None, ..., None], 3, axis=-1) - mean, verbose=0)
        times["classify_ms"].append((time.perf_counter() - found) * 1e3)
        return True

    return analyze, times


def fer() -> tuple[Analyzer, Stopwatch]:
    """The package ``fer`` as its own documentation uses it, without MTCNN: Haar and TFLite."""
    package: Any = importlib.import_module("fer.fer")
    logging.getLogger("fer").setLevel(logging.ERROR)
    detector = package.FER(mtcnn=False, use_tflite=True)
    times: Stopwatch = {"detect_ms": [], "classify_ms": []}
    find, classify = detector.find_faces, detector._classify_emotions

    def timed(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **options)
            times[what].append((time.perf_counter() - started) * 1e3)
            return result

        return run

    detector.find_faces = timed("detect_ms", find)
    detector._classify_emotions = timed("classify_ms", classify)
    return (lambda image: bool(detector.detect_emotions(image))), times


def repeat_frames(clip: str) -> Iterator[Any]:
    """Yield the frames of the clip in an endless loop."""
    import cv2

    while True:
        video, n = cv2.VideoCapture(clip), 0
        while True:
            ok, image = video.read()
            if not ok:
                break
            n += 1
            yield image
        video.release()
        if not n:
            raise SystemExit(f"{clip} has no frames")


def measure(analyze: Analyzer, times: Stopwatch, clip: str, seconds: float) -> dict[str, Any]:
    """Analyse images for so many seconds after the warm-up."""
    frames = repeat_frames(clip)
    warm = [analyze(image) for image in itertools.islice(frames, 1)]
    first_s = time.time() - STARTED
    warm += [analyze(image) for image in itertools.islice(frames, WARM_UP - 1)]
    for values in times.values():
        values.clear()
    done, faces = 0, 0
    started, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        faces += analyze(next(frames))
        done += 1
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {
        "rate": done / took,
        "cpu_ms": cpu * 1e3 / done,
        "cores": cpu / took,
        "frames": done,
        "faces": faces,
        "first_s": first_s,
        "peak_mb": peak_mb(),
        **{name: statistics.median(values) for name, values in times.items() if values},
    }


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> None:
    """Measure the program named on the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    which, clip, seconds, *rest = sys.argv[1:]
    analyze, times = fer() if which == "fer" else paper(rest[0] if rest else None)
    result = measure(analyze, times, clip, float(seconds))
    names = ["tensorflow", "keras", "opencv-python"] + ["fer"] * (which == "fer")
    result["versions"] = {name: importlib.metadata.version(name) for name in names}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
