"""Reads ``session.json``, the summary of a run that the sink writes into the session folder."""

from pathlib import Path
from typing import Any, TypeVar

from affectline.common.json_text import parse_json
from affectline.services.sessions.stream_stats import StreamSummary

K = TypeVar("K")


def read_session(folder: Path) -> dict[str, Any]:
    """Read the ``session.json`` of a session folder.

    Raises:
        OSError: The file is missing or unreadable.
        ValueError: The file is not JSON.
    """
    content: dict[str, Any] = parse_json((folder / "session.json").read_text(encoding="utf-8"))
    return content


def is_finished(folder: Path) -> bool:
    """Whether the ``session.json`` of a session folder says that all of its streams have ended."""
    try:
        streams = read_session(folder)["streams"]
        return bool(streams) and all(stream["end"] for stream in streams.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def summarize_run(session: dict[str, Any], folder: Path, seconds: float) -> dict[str, Any]:
    """Add up the streams of a session.

    Args:
        session: Content of the session's ``session.json``.
        folder: The session folder.
        seconds: How long the run took.
    """
    total = StreamSummary()
    for saved in session["checkpoint"]["streams"].values():
        stats = StreamSummary.model_validate(saved)
        total.frames += stats.frames
        total.frames_with_face += stats.frames_with_face
        total.faces += stats.faces
        total.lost += stats.lost
        _add_counts(total.skipped, stats.skipped)
        total.expressions = total.expressions.merge([stats.expressions])
        total.signs = total.signs.merge([stats.signs])
        _add_counts(total.latency_buckets, stats.latency_buckets)
    return {
        "session": str(folder),
        "seconds": round(seconds, 3),
        "frames": total.frames,
        "frames_with_face": total.frames_with_face,
        "faces": total.faces,
        "skipped": sum(total.skipped.values()),
        "lost": total.lost,
        "latency_ms": {f"p{q}": total.latency_ms(q / 100) for q in (50, 95, 99)},
        **total.expressions.to_dict(),
        "signs": total.signs.to_dict(),
        "streams": session["streams"],
        "files": [str(folder / name) for name in session["files"]],
    }


def _add_counts(total: dict[K, int], counts: dict[K, int]) -> None:
    for key, count in counts.items():
        total[key] = total.get(key, 0) + count
