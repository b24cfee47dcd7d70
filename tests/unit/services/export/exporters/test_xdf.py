from pathlib import Path

import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.services.export.exporters import xdf
from affectline.services.sessions.sign_channels import DRIVER_CHANNELS, FACE_CHANNELS
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording
from tests.signed_sessions import signed_session


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_xdf_opens_in_pyxdf(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    turn = Packet(Marker(session="s", at=START + 40 * SECOND, label="turn"))
    session = read_series([*recording(), turn])
    xdf.write_xdf(xdf.make_streams(session), tmp_path / "s.xdf")
    with caplog.at_level("WARNING", logger="pyxdf"):
        streams, header = pyxdf.load_xdf(tmp_path / "s.xdf")
    assert not caplog.records
    assert header["info"]["version"] == ["1.0"]
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    assert set(by_name) == {"anna heart_rate", "anna nervousness", "drive emotion", "markers"}
    heart = by_name["anna heart_rate"]
    expected = session.series["anna heart_rate"]
    assert heart["time_series"][:, 0] == pytest.approx(expected.values)
    assert heart["time_stamps"] == pytest.approx(expected.times / 1e9)
    assert heart["info"]["desc"][0]["channels"][0]["channel"][0]["unit"] == ["/min"]
    assert by_name["markers"]["time_series"] == [['<hard> braking {"km/h": 63.5}'], ["turn"]]
    emotion = by_name["drive emotion"]["time_series"]
    assert emotion.shape == (45, 9), "valence and arousal follow the probabilities"
    assert emotion[0, LABELS.index("happy")] == pytest.approx(0.4)


def test_units_of_other_tools_may_hold_what_xml_cannot(tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    forbidden = "\x00\x01\x0b\x1f\ufffe\uffff"
    samples = Samples(
        subject="a", signal="x", unit=f"<µ{forbidden}S> & \x7f\t\U0001f600", epoch=1, seq=0,
        at=START, rate=1.0, values=(1.0, 2.0),
    )  # fmt: skip
    marker = Marker(session="s", at=START, label=f"<turn>{forbidden}")
    made = xdf.make_streams(read_series([Packet(samples), Packet(marker)]))
    xdf.write_xdf(made, tmp_path / "s.xdf")
    (signal, markers), _ = pyxdf.load_xdf(tmp_path / "s.xdf")
    (channel,) = signal["info"]["desc"][0]["channels"][0]["channel"]
    assert channel["unit"] == [samples.unit.replace(forbidden, "\ufffd" * len(forbidden))]
    assert signal["time_series"].tolist() == [[1.0], [2.0]]
    assert markers["time_series"] == [[marker.label]]


def test_a_long_series_goes_into_several_chunks(tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    count = xdf.SAMPLES_PER_CHUNK * 2 + 5
    values = np.random.default_rng(0).normal(size=(count, 1))
    made = xdf.XdfStream("long", "Signal", (("x", "1"),), np.arange(count) / 100, values)
    xdf.write_xdf([made], tmp_path / "s.xdf")
    (stream,), _ = pyxdf.load_xdf(
        tmp_path / "s.xdf", synchronize_clocks=False, dejitter_timestamps=False
    )
    assert np.array_equal(stream["time_series"], values)


def test_signs_and_drivers_have_streams_of_their_own(tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    session = read_series(signed_session())
    xdf.write_xdf(xdf.make_streams(session), tmp_path / "s.xdf")
    streams, _ = pyxdf.load_xdf(tmp_path / "s.xdf", dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    face, driver = by_name["drive face"], by_name["anna driver"]
    described = face["info"]["desc"][0]["channels"][0]["channel"]
    units = {one["label"][0]: one["unit"][0] for one in described}
    assert units == {channel.name: channel.unit for channel in FACE_CHANNELS}
    assert face["time_series"].shape == (1500, len(FACE_CHANNELS))
    names = list(units)
    blinks = face["time_series"][:, names.index("blink_duration")]
    assert np.isfinite(blinks).sum() == 14
    assert face["time_series"][:, names.index("doubt_speaking")].sum() == 8 * 25
    assert driver["time_series"].shape == (60, len(DRIVER_CHANNELS))
    assert np.isnan(driver["time_series"][0, 0])
    assert driver["time_series"][30, 0] == pytest.approx(26.0)
