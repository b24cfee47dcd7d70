"""The whole pipeline over real clips, as its users run it."""

import csv
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamDone
from affectline.services.cli.run import EXIT_INTERRUPTED
from tests.films import cut, film, index_first
from tests.pipelines import AFFECTLINE, Pipeline, free_port, run, up


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "emotions.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_sample_from_one_command(tmp_path: Path) -> None:
    done = up("--out", str(tmp_path / "out"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["skipped"], summary["lost"]) == (120, 0, 0)
    assert summary["frames_with_face"] >= 0.95 * 120
    assert summary["restarts"] == {}
    assert sum(summary["share_of_frames"].values()) == pytest.approx(1, abs=0.001)
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    for file in summary["files"]:
        assert Path(file).exists()
    session = json.loads((tmp_path / "out" / "session.json").read_text())
    assert session["streams"]["sample"]["tracks"] == 1
    every_frame = rows(tmp_path / "out")
    assert [row["seq"] for row in every_frame] == [str(seq) for seq in range(120)]
    written = [row for row in every_frame if row["status"] == "face"]
    assert len(written) == summary["faces"]
    for row in written:
        probabilities = [float(row[label]) for label in summary["share_of_frames"]]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert float(row["confidence"]) == pytest.approx(float(row[row["label"]]), abs=1e-6)
        times = [int(row[t]) for t in ("detected_at", "classified_at")]
        assert times == sorted(times)


def test_the_table_at_the_end(tmp_path: Path) -> None:
    done = up("--out", str(tmp_path / "out"))
    assert done.returncode == 0
    for word in ("frames", "120", "skipped", "latency p50", "latency p99", "happy", "emotions.csv"):
        assert word in done.stdout


def test_lossless_runs_are_complete_and_identical(clips: Path, tmp_path: Path) -> None:
    results = []
    clock = ("captured_at", "received_at", "detected_at", "classified_at", "published_at", "epoch")
    varying: dict[str, Any] = dict.fromkeys(clock, True)
    varying["faces"] = {"__all__": {"blink": {"at"}}}
    for name, instances in (("a", 1), ("b", 3)):
        source = str(clips / "expressive_woman.mp4")
        with Pipeline(
            tmp_path / name, "--source", source, "--classifiers", str(instances),
            prefixes=("emotion/", "stream/", "health/capture/"),
        ) as pipeline:  # fmt: skip
            messages = [packet.message for packet in listen_to_end(pipeline)]
            heard = [message for message in messages if isinstance(message, Emotion)]
            again = any(m.counters.get("resent") for m in messages if isinstance(m, Health))
            summary = pipeline.finish()
        assert (summary["frames"], summary["lost"], summary["skipped"]) == (472, 0, 0)
        # Nobody waits for an outsider: it hears every answer once from when it is connected on.
        # Where the machine stands still for two seconds some come again, and are the same then.
        first = heard[0].seq
        said = {message.seq: message for message in heard}
        assert list(said) == list(range(first, 472))
        assert all(message == said[message.seq] for message in heard)
        assert again or len(heard) == len(said)
        assert first < 400
        rows = pd.read_csv(tmp_path / name / "emotions.csv")
        assert list(rows["seq"]) == list(range(472))
        results.append((rows, {m.seq: m.model_dump(exclude=varying) for m in heard}))
    (rows, heard_a), (rows_b, heard_b) = results
    constant = [name for name in rows.columns if not name.endswith(("_at", "_ms", "epoch"))]
    pd.testing.assert_frame_equal(rows[constant], rows_b[constant])
    both = heard_a.keys() & heard_b.keys()
    assert [heard_a[seq] for seq in both] == [heard_b[seq] for seq in both]


def listen_to_end(pipeline: Pipeline) -> Iterator[Packet]:
    for packet in pipeline.messages(60):
        yield packet
        if isinstance(packet.message, StreamDone):
            return


def test_several_streams_and_a_film_each(clips: Path, tmp_path: Path) -> None:
    done = up(
        "--source", f"man={clips / 'smiling_man.mp4'}", "--source", str(clips / "no_face.mp4"),
        "--display", "mp4", "--json", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    streams = json.loads(done.stdout)["streams"]
    assert {name: s["frames"] for name, s in streams.items()} == {"man": 72, "no_face": 95}
    assert streams["no_face"]["faces"] == 0
    assert {p.name for p in (tmp_path / "out").glob("*.mp4")} == {"man.mp4", "no_face.mp4"}
    again = up("--source", str(tmp_path / "out" / "man.mp4"), "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["frames"] == 72


def test_streams_whose_names_begin_alike_do_not_mix(tmp_path: Path) -> None:
    done = up("--source", "sample", "--source", "sample", "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    streams = json.loads(done.stdout)["streams"]
    assert {name: s["frames"] for name, s in streams.items()} == {"sample": 120, "sample-2": 120}
    seen = {name: [r for r in rows(tmp_path / "out") if r["stream"] == name] for name in streams}
    boxes = [[tuple(r[k] for k in "xywh") for r in part] for part in seen.values()]
    assert boxes[0] == boxes[1]


def test_size_quality_rate_and_encoding_are_settings(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "sources: [{name: s, source: sample}]\npace: realtime\n"
        "capture: {width: 320, rate: 10, jpeg_quality: 30}\n"
    )
    with Pipeline(tmp_path / "out", "--config", str(tmp_path / "c.yaml")) as pipeline:
        frame = pipeline.wait_for(lambda m: isinstance(m, Frame))
        summary = pipeline.finish()
    assert isinstance(frame, Frame)
    assert (frame.width, frame.height) == (320, 239)
    assert summary["frames"] == 40, "four seconds at ten frames a second"
    times = [float(row["media_time_s"]) for row in rows(tmp_path / "out")]
    assert statistics.median(b - a for a, b in itertools.pairwise(times)) == pytest.approx(
        0.1, rel=0.01
    )


def test_a_folder_called_services_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit('not ours')")
    command = [str(Path(sys.executable).with_name("affectline")), "up", "--json"]
    done = subprocess.run(
        [*command, "--port", str(free_port()), "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 120


def test_a_live_camera_like_stream_keeps_up(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "out", "--delivery", "live", "--pace", "realtime") as pipeline:
        summary = pipeline.finish()
    assert summary["frames"] + summary["lost"] == 120
    assert summary["streams"]["sample"]["end"] == "end"
    times = [int(row["captured_at"]) for row in rows(tmp_path / "out")]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert statistics.median(gaps) == pytest.approx(1e9 / 29.97, rel=0.1)


def test_ctrl_c_ends_it_within_three_seconds(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "out", "--pace", "realtime") as pipeline:
        pipeline.wait_for_frame(20)
        children = [psutil.Process(pid) for pid in pipeline.pids().values()]
        assert pipeline.interrupt() == EXIT_INTERRUPTED
        assert pipeline.process.returncode == 130
    assert not [child for child in children if child.is_running()]
    session = json.loads((tmp_path / "out" / "session.json").read_text())
    assert session["streams"]["sample"]["end"] == "stopped"
    assert session["streams"]["sample"]["frames"] >= 20


def test_a_truncated_film_is_processed_and_reported(tmp_path: Path) -> None:
    broken = cut(index_first(film(tmp_path / "cut.mp4", 50, size=(320, 240))), 0.6)
    done = up("--source", str(broken), "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert 0 < summary["frames"] < 50
    assert f"is truncated: read {summary['frames']} frames, up to 1.2 of 2.0 s" in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_process_each_by_hand(tmp_path: Path) -> None:
    port = free_port()
    hub = ["--hub", f"127.0.0.1:{port}", "--delivery", "lossless"]
    commands = [
        ["hub", *hub], ["detector", *hub], ["classifier", *hub],
        ["sink", "--out", str(tmp_path / "out"), *hub],
    ]  # fmt: skip
    processes = [subprocess.Popen([*AFFECTLINE, *command]) for command in commands]
    try:
        done = run("capture", "sample", *hub)
        assert (done.returncode, done.stderr) == (0, "")
        assert len({row["seq"] for row in rows(tmp_path / "out")}) >= 0.95 * 120
    finally:
        for process in processes:
            process.terminate()
        assert [process.wait(timeout=5) for process in processes] == [0, 0, 0, 0]
