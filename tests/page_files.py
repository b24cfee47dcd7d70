"""What the commands of a page find in their folder, made where a command names it."""

import csv
import lzma
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import yaml
import zmq.auth

from affectline.common.labels import LABELS
from tests.documented_commands import ROOT
from tests.films import picture
from tests.pipelines import up
from tests.studies import RATE, write_film

PERSON: Final = "anna"
"""Who is measured."""
KEY: Final = "x" * 40
"""Of hubs that were reached once."""
SPLITS: Final = ("Training", "PublicTest", "PrivateTest")
VOTES: Final = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",
    "unknown", "NF",
)  # fmt: skip
"""Columns of FER+'s file."""


def record_session(folder: Path) -> Path:
    """Record two seconds of three faces, with signals and markers; return the session's folder."""
    settings = {
        "sources": [{"name": "driver", "source": str(_write_faces(folder / "film.mp4"))}],
        "biometrics": [{"driver": "synthetic", "subject": PERSON}],
        "markers": [
            {"at_s": 0.4, "label": "rest"}, {"at_s": 0.8, "label": "drive"},
            {"at_s": 1.2, "label": "hard braking"},
        ],
        "recording": {"record": True},
        "study": {"participant": "03", "condition": "sun"},
    }  # fmt: skip
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    done = up("--config", str(folder / "settings.yaml"), "--out", str(folder / "session"))
    assert done.returncode == 0, done.stderr
    return folder / "session"


def _write_faces(path: Path) -> Path:
    """A film of two seconds with three faces side by side."""
    one = cv2.VideoCapture(str(write_film(path.with_name("one.mp4"), 2)))
    three = None
    while (read := one.read())[0]:
        frame = np.hstack([read[1]] * 3)
        if three is None:
            size = (frame.shape[1], frame.shape[0])
            three = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, size)
        three.write(frame)
    assert three is not None
    three.release()
    one.release()
    return path


def make_files(folder: Path, commands: Sequence[str], session: Path) -> None:
    """Make the films, tables and folders that commands read.

    Args:
        folder: Where the commands run.
        commands: All of them, in order, with their stand-ins.
        session: A recorded session; sessions that commands read are copies of it.
    """
    text = "\n".join(commands)
    for name in set(re.findall(r"(?<![\w/])(\w+\.mp4)", text)):
        write_film(folder / name, 1)
    written: set[str] = set()
    for command in commands:
        written.update(re.findall(r"--out (\S+)", command))
        for place in re.findall(r"\b(?:sessions|from-containers)/[\w-]+", command):
            if place not in written and not (folder / place).exists():
                shutil.copytree(session, folder / place)
    if known := re.findall(r"keys forget (\S+)", text):
        (folder / "keys").mkdir(mode=0o700)
        lines = [f"{address} {KEY}\n" for address in known]
        (folder / "keys" / "known_hubs").write_text("".join(lines))
    for pattern, make in MADE.items():
        for name in set(re.findall(pattern, text)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)


def _make_films(path: Path) -> None:
    path.mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_film(path / name, 1)


def _make_model(path: Path) -> None:
    path.symlink_to(ROOT / "common" / "models" / "vgg16-48")


def _make_sensor_table(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "hr", "gsr"])
        writer.writerows([second, 70 + second % 5, 3.5] for second in range(600))


def _make_e4_export(path: Path) -> None:
    for name, rate, value in (("EDA", 4, 2.5), ("HR", 1, 72.0)):
        path.mkdir(exist_ok=True)
        lines = [1_600_000_000, rate, *[value] * 300 * rate]
        (path / f"{name}.csv").write_text("\n".join(map(str, lines)))


def _make_avro_files(path: Path) -> None:
    from tests.unit.services.biometrics.drivers.test_embraceplus import write

    path.mkdir()
    write(path / "1-1-07_1675987200.avro")


def _make_stress_predict(path: Path) -> None:
    from tests.unit.services.validation.test_validation import write_person

    for number in (2, 3, 11):
        write_person(path, number, range(120, 220), seconds=300)


def _make_lab_sessions(path: Path) -> None:
    from tests.lab_sessions import write_lab_session

    for number in range(3):
        write_lab_session(path / f"s{number}", f"P{number}", number)


def _make_drives(path: Path) -> None:
    from tests.unit.services.validation.test_validation import write_drive

    write_drive(path / "drive05.csv")


def _make_faces(path: Path) -> None:
    for label in LABELS:
        (path / label).mkdir(parents=True)
        cv2.imwrite(str(path / label / "anna1.png"), picture(LABELS.index(label))[:96, :96])


def _fer2013() -> str:
    """Three faces of each emotion, one for each split."""
    lines = ["emotion,pixels,Usage"]
    for number in range(3 * len(LABELS)):
        pixels = " ".join(str((7 * place + 31 * number) % 256) for place in range(2304))
        lines.append(f"{number // 3},{pixels},{SPLITS[number % 3]}")
    return "\n".join(lines) + "\n"


def _write_fer2013(path: Path) -> None:
    path.write_text(_fer2013())


def _write_fer2013_xz(path: Path) -> None:
    path.write_bytes(lzma.compress(_fer2013().encode()))


def _write_votes(path: Path) -> None:
    lines = [",".join(("Usage", "Image name", *VOTES))]
    for number in range(3 * len(LABELS)):
        counts = ["8" if column == number // 3 else "0" for column in range(len(VOTES))]
        lines.append(",".join((SPLITS[number % 3], f"fer{number:07}.png", *counts)))
    path.write_text("\n".join(lines) + "\n")


def _write_key(path: Path) -> None:
    zmq.auth.create_certificates(path.parent, path.stem)


MADE: Final[dict[str, Callable[[Path], None]]] = {
    r"\bfilms/": _make_films,
    r"\bmodels/(?:first|strong)\b": _make_model,
    r"\bdrive\.csv\b": _make_sensor_table,
    r"\bexports/S02\b": _make_e4_export,
    r"\bparticipant_data/\S+": _make_avro_files,
    r"\bstress_predict\b": _make_stress_predict,
    r"\bdrivedb_data\b": _make_drives,
    r"\blab_sessions\b": _make_lab_sessions,
    r"\bfaces/": _make_faces,
    r"\b(?:faces|fer2013)\.csv\b(?!\.)": _write_fer2013,
    r"\bfer2013\.csv\.xz\b": _write_fer2013_xz,
    r"\b(?:fer2013new|ferplus_votes)\.csv\b": _write_votes,
    r"\bvisitor\.key\b": _write_key,
}
"""What commands read besides films and sessions, by how they name it."""
