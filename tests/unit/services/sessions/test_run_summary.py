import json
from pathlib import Path

from affectline.common.labels import LABELS
from affectline.services.sessions.expression_figures import ExpressionFigures
from affectline.services.sessions.run_summary import read_session, summarize_run
from affectline.services.sessions.stream_stats import StreamSummary
from tests.samples import EMOTION

HAPPY = tuple({"happy": 0.9, "sad": 0.1}.get(label, 0.0) for label in LABELS)
SAD = tuple({"happy": 0.1, "sad": 0.9}.get(label, 0.0) for label in LABELS)


def figures(*seen: tuple[str, tuple[float, ...], int]) -> ExpressionFigures:
    """Figures of faces: label, distribution, and how many of them."""
    found = ExpressionFigures()
    for label, probabilities, count in seen:
        update = {"label": label, "probabilities": probabilities}
        for _ in range(count):
            found.add(EMOTION.faces[0].model_copy(update=update))
    return found


def test_a_run_is_the_sum_of_its_streams(tmp_path: Path) -> None:
    first = StreamSummary(
        frames=10, frames_with_face=8, faces=9, lost=1, skipped={"stale": 2},
        latency_buckets={100: 10}, expressions=figures(("happy", HAPPY, 6), ("sad", SAD, 3)),
    )  # fmt: skip
    second = StreamSummary(
        frames=2, faces=1, skipped={"stale": 1, "behind": 1}, latency_buckets={300: 2},
        expressions=figures(("happy", HAPPY, 1)),
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
    shares = {label: share for label, share in result["share_of_frames"].items() if share}
    assert shares == {"happy": 0.7, "sad": 0.3}
    assert result["mean_probability"]["happy"] == round((7 * 0.9 + 3 * 0.1) / 10, 4)
    assert result["valence"] > 0
    assert result["latency_ms"]["p50"] < 10 < 300 < result["latency_ms"]["p95"]
    assert result["files"] == [str(tmp_path / "emotions.csv")]


def test_the_counts_of_former_sessions_are_read() -> None:
    former = {**StreamSummary().model_dump(exclude={"expressions"}), "labels": {"happy": 3}}
    assert StreamSummary.model_validate(former).expressions.share_of_frames()["happy"] == 1.0
