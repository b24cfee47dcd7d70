"""Records: what they carry, how they look, and how a supervisor passes on those of its children."""

import json
import logging
import os

import pytest

from affectline.common import logs
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", (None, None)),
        ("debug", ("debug", None)),
        ("json", (None, "json")),
        (" Debug , JSON", ("debug", "json")),
        ("text,error", ("error", "text")),
    ],
)
def test_the_variable_sets_level_and_format(text: str, parsed: tuple[str, str]) -> None:
    assert logs.parse(text) == parsed


def test_a_wrong_variable_is_one_clear_line() -> None:
    with pytest.raises(AffectlineError, match="AFFECTLINE_LOG=loud: 'loud' is neither"):
        logs.parse("loud")


def test_options_win_over_the_variable_and_are_handed_to_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(logs.VARIABLE, "error,json")
    logs.configure("debug")
    assert os.environ[logs.VARIABLE] == "debug,json"
    assert logging.getLogger(logs.ROOT).level == logging.DEBUG
    logs.configure(form="text")
    assert os.environ[logs.VARIABLE] == "debug,text"


def log_something() -> None:
    log = ServiceLogger("detector/drive")
    log.warning("no face", extra={"stream": "drive", "seq": 7})
    log.info("not at this level")
    log.error("gone")


def test_text_is_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    log_something()
    assert capsys.readouterr().err.splitlines() == [
        "affectline: detector/drive drive 7: no face",
        "affectline: detector/drive: gone",
    ]


def test_json_is_an_object_a_line_with_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form="json")
    log_something()
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    time = first.pop("time")
    assert time.endswith("Z")
    assert first == {
        "level": "warning", "logger": "affectline.detector", "service": "detector/drive",
        "stream": "drive", "seq": 7, "message": "no face",
    }  # fmt: skip
    assert "seq" not in second


def test_a_childs_records_are_logged_again_in_the_supervisors_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("debug", "json", is_supervised=True)
    log_something()
    ServiceLogger("detector/drive").debug("detail")
    lines = capsys.readouterr().err.splitlines()
    logs.configure("warning", "text")
    texts = [logs.relay(line, "detector/drive") for line in lines]
    assert texts == ["no face", "not at this level", "gone", "detail"]
    assert capsys.readouterr().err.splitlines() == [
        "affectline: detector/drive drive 7: no face",
        "affectline: detector/drive: gone",
    ]


@pytest.mark.parametrize("line", ["Segmentation fault", '{"level": 7}', "[1]", '"x"', "null"])
def test_what_a_library_prints_is_passed_on_as_it_is(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    assert logs.relay(line, "capture/cam") == line
    assert capsys.readouterr().err == f"affectline: capture/cam: {line}\n"


def test_an_exception_is_in_both_formats(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("why")

    for form in ("text", "json"):
        logs.configure(form=form)
        try:
            fail()
        except ValueError:
            ServiceLogger("x").exception("it failed")
    *text, line = capsys.readouterr().err.splitlines()
    assert text[0] == "affectline: x: it failed"
    assert text[-1] == "ValueError: why"
    assert logs.relay(line, "x").splitlines()[-1] == "ValueError: why"


FORGED = "x\naffectline: hub: ERROR forged\x1b[2J\r\x9b2J\u2028\u202e"
SHOWN = r"x\naffectline: hub: ERROR forged\x1b[2J\r\x9b2J\u2028\u202e"


def test_a_peer_s_text_is_one_line_that_moves_no_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure()
    ServiceLogger("hub").warning("refused: %s", FORGED, extra={"stream": "a\x1b[1m"})
    assert capsys.readouterr().err == rf"affectline: hub a\x1b[1m: refused: {SHOWN}" + "\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_nor_does_it_in_what_a_supervisor_passes_on(
    form: logs.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(form="json")
    try:
        int(FORGED.replace("\n", " ") * 2)
    except ValueError:
        ServiceLogger("hub").exception("refused: %s", FORGED)
    line = capsys.readouterr().err
    logs.configure(form=form)
    for told in (logs.relay(line, "hub"), logs.relay(FORGED, "hub"), capsys.readouterr().err):
        assert not set(told) & {"\x1b", "\x9b", "\r", "\u2028", "\u202e"}
        assert "\naffectline: hub: ERROR" not in told
    assert "\nTraceback" in logs.relay(line, "hub"), "tracebacks keep their lines"
    if form == "json":
        relayed = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert relayed["exception"].startswith("Traceback")
