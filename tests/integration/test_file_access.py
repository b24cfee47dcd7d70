"""Sessions of real runs: nobody else may read them, whoever wrote them."""

import os
import signal
import stat
from pathlib import Path

from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from tests.pipelines import Pipeline, free_port, process, run

USUAL = 0o022
"""The umask that most systems have."""


def affectline(*arguments: str | Path) -> None:
    done = run(*map(str, arguments), umask=USUAL, timeout=200)
    assert done.returncode == 0, done.stderr


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


def check(folder: Path, for_folders: int, for_files: int) -> set[str]:
    """Check a folder with all that is in it; returns the names of its files."""
    found = modes(folder)
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if mode != (for_folders if (folder.parent / name).is_dir() else for_files)
    }
    assert not wrong
    return {Path(name).name for name in found}


def test_a_session_and_what_is_made_of_it_later(tmp_path: Path) -> None:
    drive, again = tmp_path / "sessions" / "drive", tmp_path / "again"
    port = ["--port", str(free_port())]
    shown = ["--display", "mp4", "--report"]
    affectline("up", "--source", "sample", *shown, "--out", drive, *port)
    affectline("export", drive, "--to", "csv")
    affectline("export", drive, "--to", "mp4")
    affectline("export", drive, "--to", "parquet", "--out", drive / "figures" / "today")
    affectline("report", drive, "--out", drive / "figures" / "second.html")
    affectline(
        "replay", drive, "--rate", "max", "--record", "--out", again, "--group-access", *port
    )
    assert {"session.mcap", "emotions.csv"} <= check(again, 0o750, 0o640)
    names = check(tmp_path / "sessions", 0o700, 0o600)
    assert {
        "emotions.csv", "session.json", "session.mcap", "sample.mp4", "report.html", "second.html",
        "emotions.parquet",
    } <= names  # fmt: skip
    affectline("export", drive, "--to", "csv", "--out", tmp_path / "elsewhere")
    affectline("report", drive, "--out", tmp_path / "elsewhere" / "report.html")
    assert set(modes(tmp_path / "elsewhere").values()) == {0o755, 0o644}, "as the user's umask says"


def test_recordings_that_are_made_beside_a_run_and_opened_to_a_group(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "sources: [{name: sample, source: sample, loop: true}]\n"
        "delivery: live\nsink: {group_access: true}\n"
        f"dashboard: {{sessions: {tmp_path / 'sessions'}}}\n"
    )
    sessions = tmp_path / "sessions"

    def records(name: str, message: Message) -> bool:
        if not isinstance(message, Health) or message.service != f"recorder/{name}":
            return False
        return message.counters.get("recorded", 0) > 5

    before = os.umask(USUAL)
    try:
        with Pipeline(tmp_path / "up", "--config", str(settings)) as pipeline:
            pipeline.wait_for_frame(2)
            hub = ["--hub", f"127.0.0.1:{pipeline.hub.port}"]
            affectline("control", "record", "paged", "--consent", "Anna, today", *hub)
            pipeline.wait_for(lambda message: records("paged", message))
            recorder = ["record", "--out", str(sessions / "beside"), "--config", str(settings)]
            with process(*recorder, *hub) as recording:
                pipeline.wait_for(lambda message: records("beside", message))
                recording.send_signal(signal.SIGINT)
                recording.wait(20)
            affectline("control", "stop-recording", *hub)
            affectline("control", "quit", *hub)
            pipeline.finish()
    finally:
        os.umask(before)
    assert {"paged", "beside", "session.mcap"} <= check(sessions, 0o750, 0o640)
    assert {"emotions.csv", "session.json"} <= check(tmp_path / "up", 0o750, 0o640)
