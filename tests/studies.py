"""Small films with a face, and tables of sensors beside them, made for tests."""

import csv
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import yaml

from affectline.services.capture.sample_clip import find_sample

RATE = 25
STEP_S = 4.0
"""When heart rate and skin conductance step up in `write_study`."""


def write_film(path: Path, seconds: float) -> Path:
    """The sample clip, forwards and backwards in turn, at 25 frames/s."""
    clip = cv2.VideoCapture(str(find_sample()))
    frames = []
    while (read := clip.read())[0]:
        frames.append(read[1])
    clip.release()
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    there_and_back = (frames + frames[-2:0:-1]) * (1 + round(seconds * RATE) // len(frames))
    for frame in islice(there_and_back, round(seconds * RATE)):
        writer.write(frame)
    writer.release()
    return path


def write_slow_film(path: Path, frames: int, step_s: int) -> Path:
    """A film of which each frame is shown for many seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        stream.time_base = Fraction(1, 1)
        stream.codec_context.time_base = Fraction(1, 1)
        for number in range(frames):
            image = np.full((144, 176, 3), number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = number * step_s
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_table(path: Path, seconds: float) -> int:
    """Skin conductance four times and heart rate once a second, with a step in each.

    Returns:
        The number of its samples.
    """
    samples = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", "heart_rate_bpm", "eda_us"])
        for quarter in range(round(seconds * 4)):
            at_s = quarter / 4
            is_up = at_s >= STEP_S
            heart = (92 if is_up else 68) if quarter % 4 == 0 else ""
            writer.writerow([f"{at_s:.2f}", heart, 5.0 if is_up else 3.0])
            samples += 2 if quarter % 4 == 0 else 1
    return samples


def write_study(
    folder: Path, seconds: float = 8, *, film: bool = True, **more: Any
) -> tuple[Path, int]:
    """A film, a table of its sensors, and the settings of a run over both.

    Args:
        folder: Where all of it goes.
        seconds: The length of both.
        film: Whether a film is made; otherwise ``sources`` names one.
        more: Settings that are added or replaced.

    Returns:
        The settings file, and the number of samples in the table.
    """
    path = folder / "film.mp4"
    if film:
        write_film(path, seconds)
    samples = write_table(folder / "sensors.csv", seconds)
    settings: dict[str, Any] = {
        "sources": [{"name": "front", "source": str(path)}],
        "biometrics": [
            {
                "driver": "csv", "subject": "anna", "file": str(folder / "sensors.csv"),
                "time_column": "time_s",
                "columns": {
                    "heart_rate_bpm": {"signal": "heart_rate", "unit": "/min"},
                    "eda_us": {"signal": "skin_conductance", "unit": "uS"},
                },
            }
        ],
        "recording": {"record": True},
    } | more  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path, samples
