"""LabRecorder's lines are understood as it does, and answered by OK or by what was wrong."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest
from starlette.testclient import TestClient

from affectline.common.errors import AffectlineError
from affectline.services.remote import labrecorder
from affectline.services.remote.client_clock import ClientClock
from affectline.services.remote.controller import RemoteController
from affectline.services.remote.labrecorder import (
    MOST_CLIENTS,
    LabRecorderServer,
    LabRecorderSession,
    make_session_name,
    parse_filename,
)
from affectline.services.remote.web import Door, make_app
from affectline.services.web.logins import Visitor


class Spy(RemoteController):
    """Remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.problem = ""

    def record(self, session: str, fields: Mapping[str, str], caller: Visitor) -> str:
        if self.problem:
            raise AffectlineError(self.problem, "")
        self.asked.append((session, fields))
        return session

    def stop(self, caller: Visitor) -> str:
        self.asked.append(("stop", {}))
        return "x"


def test_a_session_of_labrecorder_s_own_commands() -> None:
    spy = Spy()
    session = LabRecorderSession(spy)
    lines = (
        "update", "select all",
        r"filename {root:C:\Data\} {template:exp%n\%p_%b.xdf} {participant:P003} {run:2} "
        "{task:drive}",
        "start", "stop",
    )  # fmt: skip
    assert [session.answer(line) for line in lines] == ["OK"] * 5
    assert spy.asked == [
        ("exp2-P003_drive", {"participant": "P003", "run": "2", "task": "drive"}), ("stop", {}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"participant": "P003", "session": "1", "task": "drive"}, "sub-P003_ses-1_task-drive"),
        ({"template": "a/b/%p.xdf", "participant": "x y"}, "x-y"),
        ({"participant": "../../etc"}, "sub-..-..-etc"),
    ],
)
def test_names_are_names_of_sessions(fields: dict[str, str], name: str) -> None:
    assert make_session_name(fields) == name
    assert make_session_name({}).startswith("recording-")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("record", "not start, stop, select"), ("filename P003", "no field in braces"),
        ("filename {drive:c}", "drive unknown"), ("select some", "not start, stop"),
        ("start", "refused it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(line: str, says: str) -> None:
    spy = Spy()
    spy.problem = "refused it"
    answer = LabRecorderSession(spy).answer(line)
    assert answer.startswith("ERROR ")
    assert says in answer
    assert "\n" not in answer


def test_nothing_selected_is_nothing_recorded() -> None:
    spy = Spy()
    session = LabRecorderSession(spy)
    assert session.answer("select none") == "OK"
    assert session.answer("start") == "ERROR nothing is selected: send: select all"
    assert spy.asked == []


def test_fields_may_hold_colons() -> None:
    assert parse_filename("{root:C:/x} {task:a}") == {"root": "C:/x", "task": "a"}


def test_the_shortest_round_trip_tells_the_clock() -> None:
    offset = ClientClock()
    assert offset.age_of(5.0, 100.0) is None
    # The client's clock is 90 s behind; one way took longer than the other
    offset.add(sent_s=100.0, client_s=10.2, received_s=100.3)
    offset.add(sent_s=101.0, client_s=11.005, received_s=101.01)
    assert offset.error_s == pytest.approx(0.005)
    assert offset.age_of(11.5, 101.75) == pytest.approx(0.25, abs=0.001)
    assert offset.age_of(11.7505, 101.75) == 0, "it is not ahead of us by less than the error"
    assert (offset.age_of(13.0, 101.75) or 0) < 0


def test_a_page_in_a_browser_cannot_have_lines_sent() -> None:
    spy = Spy()
    with LabRecorderServer(0, spy) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with socket.create_connection(server.server_address[:2]) as client:  # type: ignore[arg-type]
            client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nstart\n")
            client.shutdown(socket.SHUT_WR)
            answer = client.makefile("rb").read()
        server.shutdown()
        serving.join()
    assert answer == b"ERROR use the other port for HTTP\n"
    assert not spy.asked


@pytest.fixture
def server() -> Iterator[LabRecorderServer]:
    with LabRecorderServer(0, Spy()) as listening:
        serving = threading.Thread(target=listening.serve_forever, args=(0.05,))
        serving.start()
        yield listening
        listening.shutdown()
        serving.join()


def connect(server: LabRecorderServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10)


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line + b"\n")
    return client.recv(200)


def test_silent_clients_are_not_in_the_way(server: LabRecorderServer) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(server)) for _ in range(MOST_CLIENTS)]
        silent[1].sendall(b"nonsense\n")
        clients = [stack.enter_context(connect(server)) for _ in range(MOST_CLIENTS)]
        assert [ask(client, b"update") for client in clients] == [b"OK\n"] * MOST_CLIENTS
        assert silent[0].recv(1) == b"", "it made room"
        refused = stack.enter_context(connect(server))
        assert refused.recv(100) == b"ERROR too many clients\n"
        assert ask(clients[0], b"update") == b"OK\n"


def test_only_clients_that_have_sent_a_command_stay(
    server: LabRecorderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(server) as experiment, connect(server) as silent:
        assert ask(experiment, b"update") == b"OK\n"
        assert ask(silent, b"hello").startswith(b"ERROR")
        monkeypatch.setattr(labrecorder, "FIRST_S", 0.0)
        assert silent.recv(1) == b""
        assert ask(experiment, b"stop") == b"OK\n"


@pytest.mark.parametrize(
    ("body", "code", "asked"),
    [
        ({"name": "a", "participant": 7, "condition": None}, 201, {"participant": "7"}),
        ({"name": "a", "task": ["x"]}, 400, None),
        ({"name": "a", "task": True}, 400, None),
    ],
)
def test_a_recording_s_fields_are_texts(
    body: dict[str, object], code: int, asked: dict[str, str] | None
) -> None:
    spy = Spy()
    client = TestClient(make_app(Door("secret"), (), spy, dict))
    done = client.post("/recordings", json=body, headers={"Authorization": "Bearer secret"})
    assert done.status_code == code
    assert [fields for _, fields in spy.asked] == ([asked] if asked is not None else [])


def test_fields_in_fields_do_not_multiply() -> None:
    names = ("participant", "session", "task", "run", "acquisition")
    places = ("%s", "%b", "%n", "%a", "%m")
    fields = {name: place * 100 for name, place in zip(names, places, strict=True)}
    assert len(make_session_name({"template": "%p" * 100, **fields})) <= 64
    assert make_session_name({"template": "%p_%s", "participant": "%s", "session": "1"}) == "s_1"
