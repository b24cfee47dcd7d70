"""``affectline export`` and ``affectline report`` as typed."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.cli.main import app
from affectline.services.export.exporter import EXPORTERS
from affectline.services.report.sections.responses import ResponsesSettings
from tests.recordings import recording
from tests.samples import PACKETS

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drive")
    writer = SessionWriter(folder / "session.mcap", {})
    for i, packet in enumerate(recording()):
        writer.add(type(packet.message).__name__, codec.encode(packet), i, i)
    writer.finish()
    return folder


def test_every_exporter_is_listed() -> None:
    done = RUNNER.invoke(app, ["export", "--list"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for name in EXPORTERS.names():
        assert f"│ {name} " in done.stdout


def test_an_exporter_s_settings_are_set_by_name(session: Path, tmp_path: Path) -> None:
    command = ["export", str(session), "--to", "csv", "--out", str(tmp_path)]
    done = RUNNER.invoke(app, [*command, "--delimiter", ";"])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "markers.csv") in done.stdout
    text = (tmp_path / "markers.csv").read_text(encoding="utf-8-sig")
    assert text.startswith("time_s;session;label")


@pytest.mark.parametrize("to", ["csv", "parquet", "xdf", "foxglove", "fex", "openface"])
def test_an_export_replaces_an_earlier_one_and_nothing_else(
    session: Path, tmp_path: Path, to: str
) -> None:
    command = ["export", str(session), "--to", to, "--out", str(tmp_path)]
    for _ in range(2):
        done = RUNNER.invoke(app, command)
        assert done.exit_code == 0, done.output
    for line in done.stdout.splitlines():
        path = Path(line)
        own = path.read_bytes()
        path.write_bytes(b"mine")
        refused = RUNNER.invoke(app, command)
        assert f"--out {path}: is there already, and is not" in str(refused.exception)
        assert path.read_bytes() == b"mine"
        path.write_bytes(own)


def test_an_export_into_a_session_is_refused(session: Path, tmp_path: Path) -> None:
    command = ["export", str(session), "--to", "csv", "--out"]
    for _ in range(2):
        assert RUNNER.invoke(app, [*command, str(tmp_path / "tables")]).exit_code == 0
    before = {path: path.read_bytes() for path in session.iterdir()}
    refused = RUNNER.invoke(app, [*command, str(session)])
    assert "a session, whose own files may have the same names" in str(refused.exception)
    assert {path: path.read_bytes() for path in session.iterdir()} == before


@pytest.mark.parametrize("wrong", [("--to", "docx"), (), ("--to", "csv", "--music", "loud")])
def test_a_wrong_option_is_a_usage_error(session: Path, wrong: tuple[str, ...]) -> None:
    done = RUNNER.invoke(app, ["export", str(session), *wrong])
    assert done.exit_code == 2


def test_a_wrong_setting_is_explained(session: Path) -> None:
    command = ["export", str(session), "--to", "csv"]
    wrong = RUNNER.invoke(app, [*command, "--delimiter", "x"])
    assert "--delimiter: Input should be ',', ';' or" in str(wrong.exception)
    other = RUNNER.invoke(app, [*command, "--compression", "zstd"])
    assert "the exporter csv has no such setting" in str(other.exception)


def test_help_lists_the_exporters_and_their_settings() -> None:
    text = RUNNER.invoke(app, ["export", "--help-all"], env={"COLUMNS": "200"}).stdout
    assert re.search(rf"--to +{re.escape('[' + '|'.join(EXPORTERS.names()) + ']')}", text), text
    assert "csv: Character between the cells of a row." in text
    assert "--exporter" not in text


def test_a_recording_without_matching_messages_leaves_no_folder(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "session.mcap", {})
    writer.add("StreamDone", codec.encode(PACKETS["StreamDone"]), 1, 1)
    writer.finish()
    done = RUNNER.invoke(app, ["export", str(tmp_path), "--to", "csv"])
    assert "holds nothing for --to csv" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["session.mcap"]


def test_what_is_refused_leaves_no_folder(session: Path, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    RUNNER.invoke(app, ["export", str(session), "--to", "csv", "--out", str(drive)])
    out = tmp_path / "film"
    done = RUNNER.invoke(app, ["export", str(drive), "--to", "mp4", "--out", str(out)])
    assert "--to mp4 needs a session recorded" in str(done.exception)
    assert not out.exists()


def test_sessions_are_found_at_any_depth_but_not_among_exports(
    session: Path, tmp_path: Path
) -> None:
    for name in ("day1/sessions/a", "day2/sessions/a"):
        shutil.copytree(session, tmp_path / name)
    for _ in range(2):
        done = RUNNER.invoke(app, ["export", str(tmp_path), "--to", "csv"])
        assert done.exit_code == 0, done.output
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("markers.csv")}
    assert found == {f"export/{day}/sessions/a/markers.csv" for day in ("day1", "day2")}


def test_one_session_that_cannot_be_exported_stops_no_other(session: Path, tmp_path: Path) -> None:
    sessions, out = tmp_path / "sessions", tmp_path / "out"
    for name in ("a", "b", "c", "d"):
        shutil.copytree(session, sessions / name)
    (sessions / "b" / "session.mcap").write_bytes(b"no recording")
    (sessions / "c" / "edits.json").write_text("{")
    done = RUNNER.invoke(app, ["export", str(sessions), "--to", "csv", "--out", str(out)])
    assert done.exit_code == 1
    assert str(done.exception).startswith("2 of 4 sessions were not exported: b, c")
    assert (out / "a" / "markers.csv").is_file()
    assert (out / "d" / "markers.csv").is_file()
    first, second = done.stderr.splitlines()
    assert "sessions/b" in first
    assert "edits.json" in second


def test_what_could_not_be_read_completely_is_exported_and_ends_with_1(
    session: Path, tmp_path: Path
) -> None:
    sessions, out = tmp_path / "sessions", tmp_path / "out"
    for name in ("a", "b"):
        shutil.copytree(session, sessions / name)
    path = sessions / "b/session.mcap"
    path.write_bytes(path.read_bytes()[:-2000])
    for place, words in ((sessions, "of 2 sessions were not"), (sessions / "b", "b was not")):
        done = RUNNER.invoke(app, ["export", str(place), "--to", "csv", "--out", str(out)])
        assert done.exit_code == 1
        assert words in str(done.exception)
        assert "read completely" in str(done.exception)
        assert done.stderr.count("the rest was read") == 1
        assert str(out / "markers.csv" if place == sessions / "b" else out / "a") in done.stdout
        shutil.rmtree(out)


def test_a_section_s_settings_are_set_by_name(session: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    command = ["report", str(session), "--out", str(page), "--before", "5"]
    done = RUNNER.invoke(app, [*command, "--set", "markers.enabled=false"])
    assert done.exit_code == 0, done.output
    body = page.read_text()
    assert "<h2>By marker</h2>" not in body
    assert "<th scope=col>recovery" in body
    wrong = RUNNER.invoke(app, [*command, "--set", "enabled=false"])
    assert wrong.exit_code == 2


def test_the_help_shows_the_defaults_of_the_settings() -> None:
    text = RUNNER.invoke(app, ["report", "--help"], env={"COLUMNS": "200"}).stdout
    settings = ResponsesSettings()
    for seconds in (settings.before_s, settings.after_s):
        assert f"[default: {seconds:.0f}]" in text
