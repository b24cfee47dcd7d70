"""The session folder: what is in it, and what survives."""

import csv
import json
import os
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.services.sessions.columns import COLUMNS
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sink.csv_writer import CsvWriter
from tests.samples import EMOTION, EPOCH, HAPPY, PACKETS


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "emotions.csv").open() as file:
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
    assert tuple(happy) == COLUMNS
    assert (happy["stream"], happy["seq"], happy["track"]) == ("drive", "7", "1")
    assert [happy[k] for k in "xywh"] == ["145", "30", "135", "135"]
    assert int(happy["captured_at"]) == EMOTION.captured_at
    assert happy["label"] == "happy"
    assert float(happy["confidence"]) == float(happy["happy"]) == HAPPY[3]
    assert (stale["label"], stale["happy"], stale["missing"]) == ("", "", "stale")
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
    assert second.streams["drive"].next_seq == 1
    write(second, 1)
    write(second, 2)
    second.checkpoint()
    second.close()
    assert [row["seq"] for row in rows(tmp_path)] == ["0", "0", "1", "1", "2", "2"]
    session = json.loads((tmp_path / "session.json").read_text())
    assert session["streams"]["drive"]["frames"] == 3


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


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AffectlineError, match=r"--out .*file/s: cannot write"):
        CsvWriter(tmp_path / "file" / "s", {})


def test_somebody_elses_session_json_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text("[]")
    with pytest.raises(AffectlineError, match="not one of ours"):
        CsvWriter(tmp_path, {})
    assert (tmp_path / "session.json").read_text() == "[]"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    timeline = CsvWriter(tmp_path, {})
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, timeline._file.fileno())
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
