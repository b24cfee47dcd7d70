import pytest

from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.messages import Marker, Packet
from affectline.services.report.sections.chart import (
    draw_chart,
)
from affectline.services.report.sections.narrative import describe_session
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, frame, recording


def test_the_first_paragraph_says_how_calm_and_how_sure() -> None:
    first, *_ = describe_session(read_series(recording()))
    assert "Over 1 min 0 s, anna was mostly calm" in first
    assert "48% of the time it was above 60" in first
    assert "The highest was 80, at 0:31, 1 s after “<hard> braking”." in first
    assert "The report is sure of that (mean quality 90%)." in first
    assert "What lowers it: no skin contact (heart; 100% of the time)." in first
    assert "running baseline" in first
    bad = describe_session(read_series(recording(quality=0.2)))[0]
    assert "very unsure" in bad
    assert "and it was never above 60." in describe_session(read_series(recording(nervous=50.0)))[0]


def test_a_face_out_of_sight_does_not_lower_what_heart_and_skin_say() -> None:
    heart = SignalContribution(value=70.0, unit="/min", quality=0.9, reason="the baseline is young")
    unseen = SignalContribution(reason="no face in sight")

    def first_paragraph(**signals: SignalContribution) -> str:
        state = State(subject="a", at=START, nervousness=20.0, quality=0.5, signals=signals)
        return describe_session(read_series([Packet(state)]))[0]

    said = first_paragraph(heart=heart, face=unseen)
    assert "What lowers it: the baseline is young (heart; 100% of the time)." in said
    assert "no face in sight (face;" in first_paragraph(
        heart=SignalContribution(reason="lost"), face=unseen
    )


def test_without_states_it_says_that_nothing_can_be_said() -> None:
    only_faces = [packet for index in range(9) for packet in frame(index)]
    first, faces = describe_session(read_series(only_faces))
    assert first.startswith("How calm the person was cannot be said")
    assert "a face was in sight 67% of the time" in faces
    assert "happy (40% on average)" in faces


def test_what_is_synthetic_is_called_so() -> None:
    made_up = Samples(
        subject="a", signal="heart_rate", unit="/min", epoch=1, seq=0, at=START, rate=1.0,
        values=(60.0,), synthetic=True,
    )  # fmt: skip
    assert any("synthetic" in text for text in describe_session(read_series([Packet(made_up)])))


def test_a_marker_that_is_far_ahead_is_no_end_of_the_session() -> None:
    ahead = Marker(session="s", at=2**63 - 1, label="far ahead")
    session = read_series([*recording(), Packet(ahead)])
    assert session.seconds == pytest.approx(59.75)
    assert session.strays == [ahead]
    assert "far ahead" in describe_session(session)[-1]
    assert "far ahead" not in draw_chart(session)


def test_a_session_of_markers_alone_has_no_strays() -> None:
    markers = [Marker(session="s", at=START + i * 3600 * SECOND, label="x") for i in range(3)]
    session = read_series(map(Packet, markers))
    assert not session.strays
    assert session.seconds == 7200
    assert not any("axis" in text for text in describe_session(session))
