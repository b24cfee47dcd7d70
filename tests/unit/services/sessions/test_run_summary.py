import json
from pathlib import Path

from affectline.services.sessions.run_summary import read_session, summarize_run
from affectline.services.sessions.stream_stats import StreamSummary


def test_a_run_is_the_sum_of_its_streams(tmp_path: Path) -> None:
    first = StreamSummary(
        frames=10, frames_with_face=8, faces=9, lost=1, skipped={"stale": 2},
        latency_buckets={100: 10}, labels={"happy": 6, "sad": 3},
    )  # fmt: skip
    second = StreamSummary(
        frames=2, faces=1, skipped={"stale": 1, "behind": 1}, latency_buckets={300: 2},
        labels={"happy": 1},
    )  # fmt: skip
    streams = {"front": first.model_dump(), "rear": second.model_dump()}
    content = {
        "streams": {"front": {}, "rear": {}}, "files": ["emotions.csv"],
        "checkpoint": {"streams": streams},
    }  # fmt: skip
    (tmp_path / "session.json").write_text(json.dumps(content))
    result = summarize_run(read_session(tmp_path), tmp_path, 1.23456)
    assert (result["frames"], result["frames_with_face"], result["faces"]) == (12, 8, 10)
    assert (result["skipped"], result["lost"], result["seconds"]) == (4, 1, 1.235)
    shares = {label: share for label, share in result["emotion_shares"].items() if share}
    assert shares == {"happy": 0.7, "sad": 0.3}
    assert result["latency_ms"]["p50"] < 10 < 300 < result["latency_ms"]["p95"]
    assert result["files"] == [str(tmp_path / "emotions.csv")]
