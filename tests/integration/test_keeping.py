"""Lossless delivery: whoever dies, hangs, or dies together, every message reaches both disks."""

import csv
import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from affectline.common.recording.reader import SessionReader
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.services.cli.run import EXIT_INTERRUPTED
from tests.pipelines import Pipeline
from tests.studies import write_study

FRAMES = 120
"""Of the sample clip."""


def recorded(out: Path) -> dict[str, list[int]]:
    """By kind of message: the numbers of its frames, in the order of the file."""
    found: dict[str, list[int]] = defaultdict(list)
    with SessionReader(out / "session.mcap") as reader:
        for one in reader.messages():
            message = codec.decode(one.parts).message
            if hasattr(message, "seq"):
                found[one.kind].append(message.seq)
    return found


def rows(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("kinds", "number"),
    [
        (("recorder",), signal.SIGSTOP),
        (("hub",), signal.SIGSTOP),
        (("recorder", "detector"), signal.SIGKILL),
        (("sink", "recorder", "hub", "capture"), signal.SIGKILL),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else value.name,
)
def test_every_frame_and_answer_is_recorded_once(
    kinds: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--source", "sample", "--record", "--pace", "realtime")
    with Pipeline(out, *options, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(40)
        pids = pipeline.pids()
        for kind in kinds:
            os.kill(pids[kind], number)
        summary = pipeline.finish()
    assert (summary["frames"], summary["lost"], summary["skipped"]) == (FRAMES, 0, 0)
    assert len(summary["restarts"]) == len(kinds)
    found = recorded(out)
    assert found["Frame"] == list(range(FRAMES)), "each once, in order"
    assert found["Emotion"] == list(range(FRAMES))
    if "detector" not in kinds:  # a new one may see a face earlier or later
        assert sorted(found["Faces"]) == sorted(found["Scores"]) == list(range(FRAMES))
    assert [int(row["seq"]) for row in rows(out, "emotions")] == list(range(FRAMES))


@pytest.mark.parametrize("kinds", [("sink",), ("hub", "recorder", "biometrics")])
def test_every_sample_and_marker_is_kept_beside_a_film(
    kinds: tuple[str, ...], tmp_path: Path
) -> None:
    markers = [{"at_s": second, "label": f"after {second} s"} for second in (1, 2, 3)]
    settings, samples = write_study(tmp_path, 6, markers=markers)
    out = tmp_path / "out"
    options = ("--config", str(settings), "--record", "--pace", "realtime")
    with Pipeline(out, *options, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(50)
        pids = pipeline.pids()
        for kind in kinds:
            os.kill(pids[kind], signal.SIGKILL)
        summary = pipeline.finish()
    assert summary["lost"] == 0
    assert len(rows(out, "samples")) == samples
    labels = [marker["label"] for marker in markers]
    assert [row["label"] for row in rows(out, "markers")] == labels
    with SessionReader(out / "session.mcap") as reader:
        messages = [codec.decode(one.parts).message for one in reader.messages()]
    assert [m.label for m in messages if isinstance(m, Marker)] == labels
    assert sum(len(m.values) for m in messages if isinstance(m, Samples)) == samples


LIVE = """
sources: [{name: sample, source: sample, loop: true}]
delivery: live
pace: realtime
recording: {record: true}
"""


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("sink", signal.SIGKILL),
        ("recorder", signal.SIGSTOP),
        ("hub", signal.SIGKILL),
        ("hub", signal.SIGSTOP),
    ],
)
def test_markers_set_while_a_process_is_away_are_kept(
    kind: str, number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "live.yaml").write_text(LIVE)
    out = tmp_path / "out"
    labels = [f"marker {i}" for i in range(47)]
    settings = ("--config", str(tmp_path / "live.yaml"))
    with Pipeline(out, *settings, prefixes=("emotion/", "marker/", "health/")) as pipeline:
        first = pipeline.wait_for_frame(10)
        before = pipeline.kill(kind, number)
        for i, label in enumerate(labels):
            marker = Marker(session="s", at=first.captured_at + i, label=label, source="test")
            assert pipeline.listener.publish_heard(Packet(marker), 10), "as the command does"
        pipeline.wait_for(lambda m: m.topic == f"health/{kind}" and m.pid != before)  # type: ignore[attr-defined]
        assert pipeline.interrupt() == EXIT_INTERRUPTED
    assert [row["label"] for row in rows(out, "markers")] == labels
    with SessionReader(out / "session.mcap") as reader:
        messages = [codec.decode(one.parts).message for one in reader.messages()]
    assert sorted(m.label for m in messages if isinstance(m, Marker)) == sorted(labels)
