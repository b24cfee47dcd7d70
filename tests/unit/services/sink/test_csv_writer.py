"""The session folder: what is in it, and what survives."""

import csv
import json
import os
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.biometrics import Samples, State
from affectline.services.sessions.columns import EMOTIONS
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sink.csv_writer import CsvWriter
from tests.samples import EMOTION, EPOCH, HAPPY, PACKETS


def rows(folder: Path) -> list[dict[str, str]]:
    return read(folder, "emotions")


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write(timeline: CsvWriter, seq: int) -> None:
    emotion = EMOTION.model_copy(update={"seq": seq})
    timeline.add(emotion)
    summary = timeline.streams.setdefault("drive", StreamSummary())
    summary.add(emotion)
    summary.epoch, summary.next_seq = EPOCH, seq + 1


def test_one_row_per_face_and_frame(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path / "s", {"delivery": "live"})
    write(timeline, 7)
    timeline.flush()
    happy, stale = rows(tmp_path / "s")
    assert tuple(happy) == EMOTIONS.header
    assert (happy["time_s"], happy["media_time_s"]) == ("0.000000", "0.291958")
    assert (happy["stream"], happy["seq"], happy["track"]) == ("drive", "7", "1")
    assert [happy[k] for k in "xywh"] == ["145", "30", "135", "135"]
    assert int(happy["captured_at"]) == EMOTION.captured_at
    assert happy["label"] == "happy"
    assert float(happy["confidence"]) == float(happy["happy"]) == HAPPY[3]
    assert (stale["label"], stale["happy"], stale["reason"]) == ("", "", "stale")
    timeline.close()


def test_rows_are_with_the_operating_system_after_every_flush(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {})
    for seq in range(3):
        write(timeline, seq)
        timeline.flush()
        assert len(rows(tmp_path)) == 2 * (seq + 1)
    timeline.close()


def test_a_second_process_goes_on_without_repeating_rows(tmp_path: Path) -> None:
    first = CsvWriter(tmp_path, {})
    write(first, 0)
    first.checkpoint()
    write(first, 1)
    first.flush()  # and dies here: frame 1 is in the rows, not in the checkpoint
    first.close()
    second = CsvWriter(tmp_path, {})
    summary = second.streams["drive"]
    assert (summary.frames, summary.next_seq) == (2, 2), "what is on disk is counted"
    assert [message.key for message in second.uncounted] == [(EPOCH, 1)]
    write(second, 2)
    second.checkpoint()
    second.close()
    assert [row["seq"] for row in rows(tmp_path)] == ["0", "0", "1", "1", "2", "2"]
    session = json.loads((tmp_path / "session.json").read_text())
    assert session["streams"]["drive"]["frames"] == 3


def test_frames_lost_before_a_restart_stay_lost(tmp_path: Path) -> None:
    first = CsvWriter(tmp_path, {})
    write(first, 0)
    first.streams["drive"].lost += 2
    first.checkpoint()
    first.add_lost("drive", EPOCH, 3)
    first.flush()
    first.close()
    second = CsvWriter(tmp_path, {})
    second.close()
    assert (second.streams["drive"].lost, second.streams["drive"].next_seq) == (3, 4)


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    first = CsvWriter(tmp_path, {})
    write(first, 0)
    first.checkpoint()
    first.close()
    with (tmp_path / "emotions.csv").open("a") as file:
        file.write("drive,1,2,3")
    second = CsvWriter(tmp_path, {})
    write(second, 1)
    second.flush()
    second.close()
    assert [row["seq"] for row in rows(tmp_path)] == ["0", "0", "1", "1"]


def test_markers_keep_their_extra_fields(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {})
    timeline.add_marker(PACKETS["Marker"].message)  # type: ignore[arg-type]
    timeline.flush()
    timeline.close()
    with (tmp_path / "markers.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == "hard braking"
    assert json.loads(row["extra"]) == {"km/h": 63.5}


def test_every_frame_has_a_row_and_says_why_it_has_no_result(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {}, session_start=EMOTION.captured_at - 10**9)
    for seq, missing in ((0, None), (1, "behind")):
        update = {"seq": seq, "faces": (), "missing": missing}
        timeline.add(EMOTION.model_copy(update=update))
    timeline.add_lost("drive", EPOCH, 2)
    timeline.flush()
    timeline.close()
    assert [(row["time_s"], row["status"], row["reason"]) for row in rows(tmp_path)] == [
        ("1.000000", "no_face", ""), ("1.000000", "skipped", "behind"), ("", "skipped", "lost"),
    ]  # fmt: skip


def test_markers_are_in_the_order_of_their_times_at_the_end(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {})
    marker = PACKETS["Marker"].message
    labels = {"late": 3, "early": 1, "between\ntwo": 2}
    for label, seconds in labels.items():
        at = marker.at + seconds * 10**9  # type: ignore[attr-defined]
        timeline.add_marker(marker.model_copy(update={"label": label, "at": at}))  # type: ignore[arg-type]
    timeline.flush()
    assert [row["label"] for row in read(tmp_path, "markers")] == list(labels)
    timeline.finish()
    timeline.close()
    assert [row["label"] for row in read(tmp_path, "markers")] == ["early", "between\ntwo", "late"]


def write_all(timeline: CsvWriter, seq: int) -> None:
    """A message of each kind."""
    write(timeline, seq)
    samples, state, marker = (PACKETS[name].message for name in ("Samples", "State", "Marker"))
    assert isinstance(samples, Samples)
    assert isinstance(state, State)
    timeline.add_samples(samples.model_copy(update={"seq": seq}))
    timeline.add_state(state.model_copy(update={"at": state.at + seq}))
    timeline.add_marker(marker.model_copy(update={"label": f"two\nlines {seq}"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("torn", ["", "1.5,dri", '1.5,"a\nb', "\n"])
def test_no_table_has_rows_twice_or_torn_ones_after_a_restart(torn: str, tmp_path: Path) -> None:
    first = CsvWriter(tmp_path, {}, session_start=EMOTION.captured_at)
    write_all(first, 0)
    first.checkpoint()
    write_all(first, 1)
    first.flush()
    first.close()
    names = ("emotions", "samples", "states", "markers")
    if torn != "\n":
        for name in names:
            with (tmp_path / f"{name}.csv").open("a") as file:
                file.write(torn)
    second = CsvWriter(tmp_path, {}, session_start=1)
    kinds = sorted(type(message).__name__ for message in second.uncounted)
    assert kinds == ["Emotion", "Marker", "Samples", "State"], "known, so that they are dropped"
    assert second.newest_samples["driver/rr_interval"][1] == 1
    write_all(second, 2)
    second.finish()
    second.close()
    assert [row["seq"] for row in read(tmp_path, "emotions")] == ["0", "0", "1", "1", "2", "2"]
    assert [row["seq"] for row in read(tmp_path, "samples")] == ["0", "0", "1", "1", "2", "2"]
    assert len(read(tmp_path, "states")) == 3
    labels = [row["label"] for row in read(tmp_path, "markers")]
    assert labels == ["two\nlines 0", "two\nlines 1", "two\nlines 2"]
    for name in names:
        assert {row["time_s"] for row in read(tmp_path, name)} <= {"0.000000", "0.812000"}
    session = json.loads((tmp_path / "session.json").read_text())
    assert session["session_start"] == EMOTION.captured_at
    assert session["seconds"] == 0.812


def test_tables_of_another_version_are_not_continued(tmp_path: Path) -> None:
    CsvWriter(tmp_path, {}).close()
    (tmp_path / "emotions.csv").write_text("stream,epoch\n")
    with pytest.raises(AffectlineError, match="columns differ"):
        CsvWriter(tmp_path, {})


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AffectlineError, match=r"--out .*file/s: cannot write"):
        CsvWriter(tmp_path / "file" / "s", {})


def test_somebody_elses_session_json_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text("[]")
    with pytest.raises(AffectlineError, match="not written by this version"):
        CsvWriter(tmp_path, {})
    assert (tmp_path / "session.json").read_text() == "[]"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {})
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, timeline._tables["emotions"].fileno())
    os.close(full)
    write(timeline, 0)
    with pytest.raises(AffectlineError, match="No space left"):
        timeline.flush()
    timeline.close()


def test_latency_quantiles_are_right_to_two_per_cent() -> None:
    summary = StreamSummary()
    for ms in range(1, 1001):
        at = EMOTION.captured_at + ms * 1_000_000
        summary.add(EMOTION.model_copy(update={"published_at": at}))
    for quantile in (0.5, 0.95, 0.99):
        assert summary.latency_ms(quantile) == pytest.approx(1000 * quantile, rel=0.02)
    assert StreamSummary().latency_ms(0.5) is None


def test_shares_are_of_the_faces_that_were_judged() -> None:
    summary = StreamSummary()
    summary.add(EMOTION)
    assert summary.expressions.share_of_frames()["happy"] == 1.0
    assert summary.skipped == {"stale": 1}
    assert (summary.faces, summary.tracks) == (2, 2)
