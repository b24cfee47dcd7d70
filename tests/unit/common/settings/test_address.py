"""Passwords of cameras: none is shown, wherever an address has it."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.address import display_text, redact, redact_text
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.common.settings.sources import name_sources

ADDRESSES = {
    "rtsp://admin:p@ss@HOST/x": "rtsp://HOST/x",
    "rtsp://admin:pa/ss@HOST/x": "rtsp://HOST/x",
    "http://HOST/v.cgi?user=admin&pwd=pass": "http://HOST/v.cgi?user=***&pwd=***",
    "rtsp://HOST:554/user=admin&password=pass&channel=1":
        "rtsp://HOST:554/user=***&password=***&channel=1",
    "rtsp://HOST/user=admin_password=pass_channel=1_stream=0.sdp": "rtsp://HOST/user=***",
    "http://HOST/v.cgi?user=admin&pwd=p@ss": "http://HOST/v.cgi?user=***&pwd=***",
    "rtsp://admin:pass@HOST/v?pwd=p@ss": "rtsp://***",
    "rtsp://admin:p/w=pass@HOST/v": "rtsp://***",
    "rtsp://admin:pass@HOST/Streaming/101?channel=2&token=pass":
        "rtsp://HOST/Streaming/101?channel=2&token=***",
    "rtsp://admin:p=ass@HOST/x": "rtsp://HOST/x",
}  # fmt: skip


@pytest.mark.parametrize(("address", "shown"), ADDRESSES.items())
def test_no_part_of_a_password_is_shown(address: str, shown: str) -> None:
    assert redact(address) == shown
    assert redact_text(f"cannot open '{address}'") == f"cannot open '{shown}'"
    (source,) = name_sources([address])
    assert source.source == address
    assert "pass" not in source.name.replace("password", "")
    assert "ss" not in source.name
    described = str(PipelineSettings(sources=(source,)).describe())
    assert shown in described
    assert address not in described


@pytest.mark.parametrize("source", [
    "0", "film.mp4", "a@b.mp4", "http://HOST:8080/video", "file:///films/a@b%20c=1.mp4",
    "rtsp://HOST:554/Streaming/Channels/101",
])  # fmt: skip
def test_what_holds_no_secret_is_shown_as_it_is(source: str) -> None:
    assert redact(source) == source


def test_standard_input_has_a_name_and_bytes_that_are_no_text_are_written() -> None:
    assert redact("-") == redact("/dev/stdin") == redact("/proc/77/fd/0") == "standard input"
    assert display_text("b_Zo\udceb.png") == r"b_Zo\xeb.png"


def test_an_error_in_a_settings_file_hides_the_address(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "drive.yaml"
    path.write_text("sources: [{source: 'rtsp://admin:secret@HOST/x'}]\n")
    with pytest.raises(AffectlineError) as error:
        load(path)
    assert "rtsp://HOST/x" in str(error.value)
    assert "secret" not in str(error.value)
