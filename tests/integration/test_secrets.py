"""Cameras with passwords, in real runs: what was secret is nowhere afterwards, nor meanwhile."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from tests.cameras import HttpCamera
from tests.pipelines import Pipeline, run

pytestmark = pytest.mark.timeout(200)
USER, FIRST, SECOND = "adminadmin", "sec12345", "ret67890"
SECRETS = (USER, FIRST, SECOND, "pwd=", "password=", "user=", "camera_word")
PLACES = {
    f"http://{USER}:{FIRST}@{SECOND}@HOST/one": ("/one", f"{USER}:{FIRST}@{SECOND}"),
    f"http://{USER}:{FIRST}/{SECOND}@HOST/two": ("/two", f"{USER}:{FIRST}/{SECOND}"),
    f"http://HOST/v.cgi?user={USER}&pwd={FIRST}": (f"/v.cgi?user={USER}&pwd={FIRST}", ""),
    f"http://HOST/user={USER}&password={FIRST}&channel=1": (
        f"/user={USER}&password={FIRST}&channel=1",
        "",
    ),
    f"http://HOST/{FIRST}/{SECOND}/live": (f"/{FIRST}/{SECOND}/live", ""),
}
"""The addresses as people write them, and the request with the login that they mean."""


def processes(pipeline: Pipeline) -> Iterator[psutil.Process]:
    parent = psutil.Process(pipeline.process.pid)
    yield parent
    with contextlib.suppress(psutil.Error):
        yield from parent.children(recursive=True)


def follow(pipeline: Pipeline, camera: HttpCamera, streams: int) -> Iterator[str]:
    """All that can be seen of a run from outside: messages, and processes by ``ps``.

    The camera is switched off once every stream has answers, and the run ended once every capture
    has tried again.
    """
    answered: set[str] = set()
    lost: set[str] = set()
    for packet in pipeline.messages(timeout_s=60):
        message: Message = packet.message
        yield f"{message.topic} {message.model_dump_json()}"
        if isinstance(message, Emotion) and message.seq >= 3:
            answered.add(message.stream)
        if isinstance(message, Health):
            yield from seen_by_ps(pipeline)
            if message.state == "degraded" and "does not answer" in message.detail:
                lost.add(message.service)
        if len(answered) == streams:
            camera.switch_off()
        if len(lost) == streams:
            return
    raise AssertionError(f"{answered} answered, {lost} lost; {pipeline.log()}")


def seen_by_ps(pipeline: Pipeline) -> Iterator[str]:
    for process in processes(pipeline):
        with contextlib.suppress(psutil.Error):
            yield " ".join(process.cmdline())
            if process.pid != pipeline.process.pid:
                yield str(process.environ())


def written(folder: Path) -> Iterator[str]:
    """All that is in the files of a folder, and their names."""
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder))
        if path.is_file():
            yield path.read_bytes().decode("latin-1")
    with SessionReader(folder / FILE) as reader:
        yield json.dumps(reader.about)
        for message in reader.messages():
            yield b" ".join(message.parts).decode("latin-1")


def look_through(traces: Iterator[str] | list[str]) -> int:
    """Check that no secret is in what was left; returns how much that was."""
    count = 0
    for count, trace in enumerate(traces, 1):  # noqa: B007 - counted
        found = [secret for secret in SECRETS if secret in trace]
        at = trace.find(found[0]) if found else 0
        assert not found, (found, trace[max(0, at - 200) : at + 200])
    return count


def make_more_of(out: Path) -> Iterator[str]:
    for command in (
        ["info", str(out), "--json"], ["sessions", str(out.parent), "--json"], ["check", str(out)],
        ["report", str(out)], ["export", str(out), "--to", "csv"],
    ):  # fmt: skip
        done = run(*command)
        yield done.stdout
        yield done.stderr


def test_of_addresses_on_the_command_line_nothing_is_left(tmp_path: Path) -> None:
    admitted = set(PLACES.values())
    with HttpCamera(lambda path, login: (path, login) in admitted) as camera:
        host = f"127.0.0.1:{camera.port}"
        given = [word for place in PLACES for word in ("--source", place.replace("HOST", host))]
        options = ["--record", "--display", "mp4", "--log-level", "debug", *given]
        out = tmp_path / "sessions" / "drive"
        out.parent.mkdir()
        with Pipeline(out, *options) as pipeline:
            assert look_through(follow(pipeline, camera, len(PLACES))) > 40
            pipeline.process.send_signal(2)
            said, _ = pipeline.process.communicate(timeout=60)
            log = pipeline.log()
    assert camera.served == {path for path, _ in admitted}
    assert look_through([log, said]) == 2
    assert f'"http://{host}/***"' in said + (out / "session.json").read_text()
    assert set(json.loads(said)["streams"]) == {
        "127.0.0.1", *(f"127.0.0.1-{i}" for i in range(2, len(PLACES) + 1)),
    }  # fmt: skip
    look_through(make_more_of(out))
    assert look_through(written(out)) > 40


def test_of_files_and_the_environment_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = f"{FIRST}/@:{SECOND}?"
    monkeypatch.setenv("CAMERA_WORD", word)
    (tmp_path / "camera_word").write_text(f"{word}\n")
    with HttpCamera(lambda _, login: login == f"{USER}:{word}") as camera:
        address = f"127.0.0.1:{camera.port}/{FIRST}"
        settings = tmp_path / "study.yaml"
        settings.write_text(
            "sources:\n"
            f"  - {{name: file, source: 'http://{address}/1', user: {USER},\n"
            f"     password_file: {tmp_path / 'camera_word'}}}\n"
            f"  - {{name: variable, source: 'http://{USER}:${{CAMERA_WORD}}@{address}/2'}}\n"
            "recording: {record: true}\n"
        )
        with Pipeline(tmp_path / "drive", "--config", str(settings)) as pipeline:
            look_through(follow(pipeline, camera, 2))
            pipeline.process.send_signal(2)
            said, _ = pipeline.process.communicate(timeout=60)
            log = pipeline.log()
    assert camera.served == {f"/{FIRST}/1", f"/{FIRST}/2"}
    assert os.environ["CAMERA_WORD"]
    look_through([log, said, *written(tmp_path / "drive"), *make_more_of(tmp_path / "drive")])
