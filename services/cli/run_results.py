"""The results of a run: a table, or one JSON object. They are needed when it ends."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from affectline.common.text_table import text_table
from affectline.services.sessions.columns import SESSION_TABLES
from affectline.services.sessions.expression_figures import MEAN_PROBABILITY, SHARE_OF_FRAMES
from affectline.services.sessions.run_summary import read_session, summarize_run
from affectline.services.sessions.sign_figures import sign_lines


def tell_results(
    folder: Path,
    elapsed_s: float,
    first_emotion_s: float | None,
    restarts: dict[str, int],
    *,
    as_json: bool,
) -> bool:
    """Print the results of a run; return whether anything went wrong.

    Args:
        folder: Of its session.
        elapsed_s: How long it took, in s.
        first_emotion_s: From its start to the first emotion, in s.
        restarts: How often processes were started again, by their names.
        as_json: As one JSON object.
    """
    session = read_session(folder)
    result = summarize_run(session, folder, elapsed_s)
    result |= {"first_emotion_s": first_emotion_s, "restarts": restarts}
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    else:
        print_result(result)
    return report_sources(result["streams"], is_replay="replay_of" in session)


def report_sources(streams: dict[str, Any], *, is_replay: bool) -> bool:
    """Report which parts of the sources were unreadable or skipped; return whether any were.

    Args:
        streams: The streams' part of the summary.
        is_replay: They were replayed: the person has named a recording, and no source.
    """
    for name, stream in streams.items():
        if stream["detail"]:
            where = f"{name}:" if is_replay else "--source"
            sys.stderr.write(f"affectline: {where} {stream['detail']}\n")
    return any(stream["end"] in ("damaged", "truncated") for stream in streams.values())


def remove_if_empty(folder: Path) -> None:
    """Remove the session folder of a run that analysed no frame."""
    if not (folder / "session.json").exists():
        return
    try:
        streams = read_session(folder)["streams"]
        if any(stream["frames"] for stream in streams.values()):
            return
        tables = [f"{table.name}.csv" for table in SESSION_TABLES]
        for name in ("session.json", *tables):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except (OSError, ValueError, KeyError):
        return


def print_result(result: dict[str, Any]) -> None:
    """Print the results of a run as a table."""
    streams: dict[str, Any] = result["streams"]
    table = text_table("", *streams, title="Affectline", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    rows: list[tuple[str, list[str]]] = [
        ("frames", [str(s["frames"]) for s in streams.values()]),
        ("frames with a face", [str(s["frames_with_face"]) for s in streams.values()]),
        ("faces", [str(s["faces"]) for s in streams.values()]),
        ("tracks", [str(s["tracks"] or "") for s in streams.values()]),
        ("skipped", [_format_skipped(s) for s in streams.values()]),
    ]
    rows += [
        (f"latency {q}", [_format_ms(s["latency_ms"][q]) for s in streams.values()])
        for q in ("p50", "p95", "p99")
    ]
    # Their titles stand in the wide column, so that many streams fit beside each other
    if any(stream["frames_with_face"] for stream in streams.values()):
        rows.append((f"{SHARE_OF_FRAMES}, {MEAN_PROBABILITY}", [""] * len(streams)))
        rows += [
            (f"  {label}", [_format_expression(s, label) for s in streams.values()])
            for label in result["share_of_frames"]
        ]
    rows += [
        (f"mean {axis}, -1 to 1", [_format_affect(s[axis]) for s in streams.values()])
        for axis in ("valence", "arousal")
    ]
    signs = {name: sign_lines(stream.get("signs")) for name, stream in streams.items()}
    rows += [
        (title, [lines.get(title, "") for lines in signs.values()])
        for title in dict.fromkeys(title for lines in signs.values() for title in lines)
    ]
    rows.append(("ended", [s["end"] or "" for s in streams.values()]))
    for title, cells in rows:
        table.add_row(title, *cells)
    console = Console()
    console.print(table)
    speed = result["frames"] / result["seconds"] if result["seconds"] else 0
    console.print(f"{result['seconds']:.1f} s, {speed:.0f} frames/s from start to end")
    for service, times in result["restarts"].items():
        console.print(f"{service} was restarted {times} time(s)")
    console.print("Files:", highlight=False)
    for file in result["files"]:
        console.print(f"  {os.path.relpath(file)}", highlight=False, soft_wrap=True)


def _format_skipped(stream: dict[str, Any]) -> str:
    total = sum(stream["skipped"].values()) + stream["lost"]
    reasons = [f"{n} {reason}" for reason, n in stream["skipped"].items()]
    if stream["lost"]:
        reasons.append(f"{stream['lost']} lost")
    return f"{total} ({', '.join(reasons)})" if reasons else "0"


def _format_expression(stream: dict[str, Any], label: str) -> str:
    if not stream["frames_with_face"]:
        return ""
    return f"{stream['share_of_frames'][label]:.1%}, {stream['mean_probability'][label]:.1%}"


def _format_affect(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _format_ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"
