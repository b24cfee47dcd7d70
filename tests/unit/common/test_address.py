"""Secrets of cameras: none is shown, wherever an address has it."""

import logging
import sys
import threading
import time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common import address as module
from affectline.common.address import (
    conceal,
    display_text,
    escaped,
    host_of,
    is_stored,
    looks_secret,
    parse,
    redact,
    redact_text,
    remember,
    with_login,
)
from affectline.common.logs import JsonFormatter, TextFormatter, configure, relay
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import name_sources

CASES = {
    "rtsp://admin:p@ss@HOST/x": "rtsp://HOST/***",
    "rtsp://admin:pa/ss@HOST/x": "rtsp://HOST/***",
    "http://HOST/v.cgi?user=admin&pwd=pass": "http://HOST/***",
    "rtsp://HOST:554/user=admin&password=pass&channel=1": "rtsp://HOST:554/***",
}
ADDRESSES = CASES | {
    "rtsp://HOST/user=admin_password=pass_channel=1_stream=0.sdp": "rtsp://HOST/***",
    "rtsp://admin:pa?ss@HOST/x": "rtsp://HOST/***",
    "rtsp://admin:pa#ss@HOST:554/x": "rtsp://HOST:554/***",
    "rtsp://admin:p[a]ss@HOST/x": "rtsp://HOST/***",
    "rtsp://admin:p=ass@HOST/x": "rtsp://HOST/***",
    "rtsp://admin:p%40ss@HOST": "rtsp://HOST",
    "rtsp://admin:pass@HOST/Streaming/101?channel=2&token=pass": "rtsp://HOST/***",
    "http://HOST/v.cgi?user=admin&pwd=p@ss": "http://HOST/***",
    "http://HOST:80/v.cgi?user=admin&pwd=p@ss": "http://HOST:80/***",
    "rtsp://10.0.0.7:554/user=admin&password=p@ss&channel=1": "rtsp://10.0.0.7:554/***",
    "rtsp://admin:pass@[fe80::1]:554/x": "rtsp://[fe80::1]:554/***",
    "rtsps://HOST:7441/PassPassPassPass?enableSrtp": "rtsps://HOST:7441/***",
    "srt://HOST:9000?passphrase=passpasspass": "srt://HOST:9000/***",
    # Two readings: who can tell?
    "rtsp://admin:pass@HOST/v?pwd=p@ss": "rtsp://***",
    "rtsp://admin:p/w=pass@HOST/v": "rtsp://***",
    "rtsp://admin:p@s/s@HOST/x": "rtsp://***",
    "rtsp://admin:12/ss@HOST/x": "rtsp://***",
    "rtsp://HOST/user=admin&password=p@ss": "rtsp://***",
    "rtsp://admin:pass": "rtsp://***",
}
MISTYPED = {
    "rtsp:/admin:pass@HOST/x": "***",
    "admin:p@ss@HOST/x": "***",
    "HOST/v.cgi?user=admin&pwd=pass": "***",
    " rtsp://admin:pass@HOST/x": " rtsp://HOST/***",
    "my cam=rtsp://admin:pass@HOST/x": "my cam=rtsp://HOST/***",
}


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of other tests, nor of these."""
    monkeypatch.setattr(module, "_remembered", {})


@pytest.mark.parametrize(("address", "shown"), ADDRESSES.items())
def test_no_secret_is_shown(address: str, shown: str) -> None:
    assert redact(address) == shown
    assert redact_text(f"cannot open '{address}'").endswith(("***'", "HOST'", f"'{address}'"))
    (source,) = name_sources([address])
    assert source.source == address
    host = host_of(address)
    assert source.name == (host.strip("[]").replace(":", "-").strip("-") or "stream")
    texts = (source.name, repr(source), str([source]), conceal(f"no {address}, nor {address[7:]}"))
    described = str(PipelineSettings(sources=(source,)).describe())
    assert shown in described
    for text in (*texts, described):
        for secret in ("admin", "pass", "p@ss", "pa/ss", "pwd=", "password=", "PassPass"):
            assert secret not in text.replace("password_file", "")


@pytest.mark.parametrize("source", [
    "0", "film.mp4", "a@b.mp4", "takes/take=1.mp4", "http://HOST:8080/", "http://HOST",
    "file:///films/a@b%20c=1.mp4", "udp://239.0.0.1:1234", "rtsp://HOST:554",
])  # fmt: skip
def test_what_holds_no_secret_is_shown_as_it_is(source: str) -> None:
    assert redact(source) == source


@pytest.mark.parametrize(("source", "shown"), MISTYPED.items())
def test_an_address_that_is_mistyped_is_hidden_too(source: str, shown: str) -> None:
    assert redact(source) == shown


def test_cameras_of_one_host_are_numbered() -> None:
    sources = name_sources(["rtsp://10.0.0.7/s3cret/1", "rtsp://a:b@10.0.0.7/s3cret/2"])
    assert [source.name for source in sources] == ["10.0.0.7", "10.0.0.7-2"]


@pytest.mark.parametrize(("address", "opened"), {
    "rtsp://admin:p@ss@HOST/x": "rtsp://admin:p@ss@HOST/x",
    "rtsp://admin:pa/ss@HOST/x": "rtsp://admin:pa%2Fss@HOST/x",
    "rtsp://admin:p%ss/@HOST/x": "rtsp://admin:p%25ss%2F@HOST/x",
    "rtsp://admin:pa%2Fss@HOST/x": "rtsp://admin:pa%2Fss@HOST/x",
    "http://HOST/v.cgi?user=admin&pwd=p@ss": "http://HOST/v.cgi?user=admin&pwd=p@ss",
}.items())  # fmt: skip
def test_libraries_get_an_address_that_they_understand(address: str, opened: str) -> None:
    assert escaped(address) == opened


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_a_password_may_hold_anything(password: str) -> None:
    address = with_login("rtsp://HOST:554/x?a=b", "admin", password)
    parts = parse(address)
    assert parts is not None
    assert unquote(parts.password or "") == password
    assert (parts.username, parts.hostname, parts.port) == ("admin", "host", 554)
    assert redact(address) == "rtsp://HOST:554/***"


def test_a_login_that_does_not_fit_is_refused() -> None:
    assert with_login("rtsp://me@HOST/x", None, "p@ss") == "rtsp://me:p%40ss@HOST/x"
    for address, user, what in (
        ("film.mp4", "a", "not an address"),
        ("rtsp://a:b@HOST/x", None, "already has a password"),
        ("rtsp://a@HOST/x", "b", "already has a user"),
        ("rtsp://HOST/x", None, "no user"),
    ):
        with pytest.raises(ValueError, match=what):
            with_login(address, user, "p")


def test_standard_input_has_a_name_and_bytes_that_are_no_text_are_written() -> None:
    assert redact("-") == redact("/dev/stdin") == redact("/proc/77/fd/0") == "standard input"
    assert display_text("b_Zo\udceb.png") == r"b_Zo\xeb.png"


def test_texts_without_a_secret_stay_as_they_are() -> None:
    remember("rtsp://camera:camera@camera/video")
    for text in ("see https://mcap.dev/docs", "no hub on tcp://127.0.0.1:9", "capture/camera: a@b"):
        assert conceal(text) == text


@pytest.mark.parametrize("address", [*CASES, "rtsp://admin:p'a \"ss@HOST/x"])
def test_logs_and_what_libraries_print_are_without_secrets(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    remember(address)
    try:
        raise ValueError(address)  # noqa: TRY301
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
        record = logging.LogRecord("a", 40, "f.py", 1, "cannot open %s", (address,), trace)
    path = address.partition("HOST")[2]
    printed = relay(f"[rtsp @ 0x1] GET {path} of {address.partition('://')[2]} failed", "capture")
    texts = [JsonFormatter().format(record), TextFormatter(is_plain=True).format(record), printed]
    for text in texts:
        assert "HOST" in text
        for secret in ("admin", "ss@", "p'a", "pass&", "pwd", "password"):
            assert secret not in text


def test_what_nobody_has_caught_is_printed_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("warning")
    address = "rtsp://admin:pa/ss@HOST/x"
    remember(address)
    try:
        raise RuntimeError(f"[Errno 5] cannot read {address}")  # noqa: TRY301
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=open, args=(f"/none/{address}",))
    thread.start()
    thread.join()
    said = capsys.readouterr().err
    assert said.count("Traceback") == 2
    assert said.count("rtsp://HOST/***") == 2
    assert "ss@" not in said


def test_files_of_a_store_are_shown_unless_a_secret_is_in_the_address() -> None:
    assert redact("s3://bucket/day1/film.mp4") == "s3://bucket/day1/film.mp4"
    assert redact("s3://key:secret@bucket/film.mp4") == "s3://bucket/***"
    assert is_stored("S3://bucket/film.mp4")
    assert not any(map(is_stored, ("rtsp://HOST/x", "film.mp4", "s3", "file:///film.mp4")))


def test_long_words_are_searched_in_no_time() -> None:
    begin = time.process_time()
    for text in ("x" * 300_000, "a:" * 150_000, "?" * 300_000, "rtsp://" * 40_000):
        conceal(text)
        looks_secret(text)
    assert time.process_time() - begin < 5
    assert "pw" not in conceal("y" * 100 + "://user:pw@camera/")
