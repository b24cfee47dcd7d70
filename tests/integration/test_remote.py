"""An experiment marks and records a running pipeline: HTTP, WebSocket, LabRecorder's TCP."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from affectline.common.recording.reader import SessionReader
from affectline.common.runtime.recordings import make_record, start_recording, stop_recording
from affectline.common.wire import codec
from affectline.common.wire.messages import Marker
from tests.pipelines import Pipeline, free_port

PAGE = "http://localhost:8000"
CAMERA = """
import sys
from tests.cameras import HttpCamera
with HttpCamera() as camera:
    print(camera.address, flush=True)
    sys.stdin.read()
"""
"""A process of its own, because the camera serves for longer than one test."""


class Remote:
    """A client of the remote control of a running pipeline."""

    def __init__(self, folder: Path, pipeline: Pipeline, port: int, lab_port: int) -> None:
        self.pipeline, self.port, self.lab_port = pipeline, port, lab_port
        self.sessions = folder / "sessions"
        self._token_file = folder / "token"

    @property
    def token(self) -> str:
        return self._token_file.read_text().strip()

    def answers(self) -> bool:
        """Whether the program is there: it writes its token before it listens."""
        try:
            return self._token_file.exists() and self.call("GET", "/status")[0] == 200
        except urllib.error.URLError:
            return False

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and content of an answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        known = {"Authorization": f"Bearer {self.token if token is None else token}"} | headers
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, known, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or "{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "{}")

    def wait_until_recorded(self, session: str | None) -> None:
        """Wait until the status names this session, or none."""
        deadline = time.monotonic() + 20
        while (found := self.call("GET", "/status")[1]["recording"]) != session:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def wait_for_metrics(self, of_recorder: str, *, is_there: bool) -> None:
        """Wait until the hub's metrics have those of a recorder, or not: they are a second old."""
        url = f"http://127.0.0.1:{self.pipeline.hub.metrics_port}/metrics"
        series = f'affectline_ready{{service="recorder/{of_recorder}"}} 1.0\n'
        deadline = time.monotonic() + 20
        while True:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
            if (series in text) == is_there:
                assert is_there or f"recorder/{of_recorder}" not in text, "it looks as if it failed"
                return
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def live(self, token: str | None = None, origin: str | None = None) -> Any:
        token = self.token if token is None else token
        url = f"ws://127.0.0.1:{self.port}/markers/live?token={token}"
        return connect(url, origin=origin, open_timeout=10)  # type: ignore[arg-type]

    def labrecorder(self, *lines: str) -> list[str]:
        """What LabRecorder's lines are answered."""
        with socket.create_connection(("127.0.0.1", self.lab_port), timeout=30) as client:
            file = client.makefile("rw", newline="\n")
            answers = []
            for line in lines:
                file.write(line + "\r\n")
                file.flush()
                answers.append(file.readline().rstrip("\n"))
            return answers

    def markers(self, session: str) -> list[Marker]:
        with SessionReader(self.sessions / session) as reader:
            found = [codec.decode(m.parts).message for m in reader.messages()]
        return [one for one in found if isinstance(one, Marker)]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("remote")
    port = free_port()
    config = folder / "settings.yaml"
    camera = subprocess.Popen(
        [sys.executable, "-c", CAMERA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert camera.stdout
    content = {
        "sources": [{"name": "front", "source": camera.stdout.readline().strip()}],
        "dashboard": {"sessions": str(folder / "sessions")},
        "services": {
            "remote": {
                "port": port, "labrecorder_port": port + 1, "token_file": str(folder / "token"),
                "origins": [PAGE, f"http://127.0.0.1:{port + 2}"],
            }
        },
    }  # fmt: skip
    config.write_text(json.dumps(content))
    with Pipeline(folder / "run", "--config", str(config)) as pipeline:
        made = Remote(folder, pipeline, port, port + 1)
        pipeline.wait_for_frame(5)
        deadline = time.monotonic() + 20
        while not made.answers():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield made
    camera.communicate(timeout=10)


def test_http_marks_and_records_and_says_when_it_does(remote: Remote) -> None:
    before = time.time_ns()
    body = {"name": "anna", "participant": "07", "task": "stroop", "consent": "in writing"}
    assert remote.call("POST", "/recordings", body) == (201, {"recording": "anna"})
    code, told = remote.call("POST", "/markers", {"label": "trial 1", "fields": {"side": "left"}})
    assert code == 201
    assert before <= told["at"] <= time.time_ns()
    _, late = remote.call("POST", "/markers", {"label": "key", "age_ms": 250})
    remote.wait_until_recorded("anna")
    assert remote.call("GET", "/status") == (200, {"streams": ["front"], "recording": "anna"})
    assert remote.call("POST", "/recordings", body) == (
        409, {"error": "anna is being recorded: stop it first"},
    )  # fmt: skip
    assert remote.call("DELETE", "/recordings/current") == (200, {"recorded": "anna"})
    assert remote.call("DELETE", "/recordings/current")[0] == 409
    first, second = sorted(remote.markers("anna"), key=lambda one: one.label)[::-1]
    assert (first.label, first.at, first.extra) == ("trial 1", told["at"], {"side": "left"})
    assert (second.label, second.at) == ("key", late["at"])
    with SessionReader(remote.sessions / "anna") as reader:
        assert reader.about["study"] == {"participant": "07", "task": "stroop"}
        assert reader.about["consent"] == "in writing"
    assert remote.call("POST", "/recordings", body) == (201, {"recording": "anna-2"})
    assert remote.call("DELETE", "/recordings/current") == (200, {"recorded": "anna-2"})


def test_the_status_names_recordings_that_another_program_starts_and_stops(remote: Remote) -> None:
    hub = remote.pipeline.hub
    action = make_record("bert", privacy="everything", consent="in writing", study={})
    assert start_recording(hub, action) == "bert"
    remote.wait_until_recorded("bert")
    remote.wait_for_metrics(of_recorder="bert", is_there=True)
    assert stop_recording(hub) == "bert"
    remote.wait_until_recorded(None)
    remote.wait_for_metrics(of_recorder="bert", is_there=False)
    assert remote.call("POST", "/recordings", {"name": "carl"})[0] == 201
    remote.wait_until_recorded("carl")
    assert stop_recording(hub) == "carl"
    remote.wait_until_recorded(None)


def test_a_websocket_marks_at_the_client_s_own_time(remote: Remote) -> None:
    skew_ms = 3_600_000.0  # the client's clock is an hour ahead
    with remote.live(origin=PAGE) as client:
        for _ in range(4):
            ping = json.loads(client.recv(timeout=10))
            now = time.time() * 1000 + skew_ms
            client.send(json.dumps({"pong": ping["ping"], "now_ms": now}))
        pressed = time.time_ns()
        time.sleep(0.2)  # it comes late
        client.send(json.dumps({"label": "key", "at_ms": pressed / 1e6 + skew_ms}))
        told: dict[str, Any] = {}
        while "label" not in told:
            told = json.loads(client.recv(timeout=10))
        assert abs(told["at"] - pressed) < 20_000_000
        assert 0 <= told["error_ms"] < 20
        for bad in ("[]", "{", '{"label": 5}', '{"label": "x", "at_ms": "now"}', '{"label": "x", '
                    '"at_ms": 0}'):  # fmt: skip
            client.send(bad)
            answer: dict[str, Any] = {}
            while "error" not in answer:
                answer = json.loads(client.recv(timeout=10))


def test_labrecorder_s_protocol_records(remote: Remote) -> None:
    assert remote.labrecorder(
        "select all", "filename {participant:P003} {task:drive} {run:1}", "start"
    ) == ["OK", "OK", "OK"]
    assert remote.labrecorder("start")[0].startswith("ERROR sub-P003_task-drive_run-1 is being")
    assert remote.labrecorder("stop", "stop")[0] == "OK"
    with SessionReader(remote.sessions / "sub-P003_task-drive_run-1") as reader:
        assert reader.about["study"] == {"participant": "P003", "task": "drive", "run": "1"}
        assert reader.file.footer is not None, "it is complete when the answer comes"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/markers", b"{", 400), ("POST", "/markers", [1], 400),
        ("POST", "/markers", {"label": ""}, 400), ("POST", "/markers", {"label": "x" * 1001}, 409),
        ("POST", "/markers", {"label": "x", "age_ms": -5}, 409),
        ("POST", "/markers", {"label": "x", "age_ms": True}, 400),
        ("POST", "/markers", {"label": "x", "fields": 5}, 400),
        ("POST", "/markers", {"label": "x" * 70_000}, 400),
        ("POST", "/markers", {"label": "x", "id": 5}, 400),
        ("POST", "/markers", {"label": "x", "id": "x" * 101}, 400),
        ("POST", "/markers", b"[" * 60_000, 400),
        ("POST", "/recordings", {"name": "x", "privacy": "none"}, 409),
    ],
)  # fmt: skip
def test_bad_requests_are_answered_in_one_line(
    method: str, path: str, body: Any, code: int, remote: Remote
) -> None:
    found, told = remote.call(method, path, body)
    assert found == code
    assert told["error"]
    assert "\n" not in told["error"]


def test_strangers_stay_outside(remote: Remote) -> None:
    for token in ("", "wrong", remote.token[:-1]):
        assert remote.call("POST", "/markers", {"label": "x"}, token=token)[0] == 401
        assert remote.call("GET", "/status", token=token)[0] == 401
    for token, origin in (("wrong", None), (remote.token, "http://evil.example")):
        with pytest.raises(Exception, match=r"40[13]|rejected"):
            remote.live(token, origin).close()
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    url = f"http://127.0.0.1:{remote.port}/markers"
    request = urllib.request.Request(url, headers=preflight, method="OPTIONS")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=10)
    preflight["Origin"] = PAGE
    request = urllib.request.Request(url, headers=preflight, method="OPTIONS")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["access-control-allow-origin"] == PAGE
    assert (remote._token_file.stat().st_mode & 0o777) == 0o600


def test_hostile_tcp_clients_are_let_go(remote: Remote) -> None:
    with socket.create_connection(("127.0.0.1", remote.lab_port), timeout=10) as client:
        client.sendall(b"x" * 5000 + b"\n")
        assert client.recv(100).startswith(b"ERROR the line is too long")
    many = [socket.create_connection(("127.0.0.1", remote.lab_port), timeout=10) for _ in range(8)]
    try:
        for client in many:
            client.sendall(b"update\n")
            assert client.recv(10) == b"OK\n"
        with socket.create_connection(("127.0.0.1", remote.lab_port), timeout=10) as ninth:
            assert ninth.recv(100) == b"ERROR too many clients\n"
    finally:
        for client in many:
            client.close()


def test_more_markers_than_anybody_means_are_refused(remote: Remote) -> None:
    with remote.live() as client:
        for _ in range(300):
            client.send(json.dumps({"label": "flood"}))
        answers = [json.loads(client.recv(timeout=10)) for _ in range(300)]
    assert any("markers a second" in one.get("error", "") for one in answers)
