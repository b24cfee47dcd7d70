import re

import pytest

from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.report.sections.chart import (
    draw_chart,
)
from affectline.services.report.sections.narrative import (
    describe_session,
    format_clock,
    format_duration,
)
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, frame, recording


def test_the_first_paragraph_says_how_calm_and_how_sure() -> None:
    first, *_ = describe_session(read_series(recording()))
    assert "Over 59.8 s, anna was mostly calm" in first
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
    lost = SignalContribution(reason="lost")
    assert first_paragraph(heart=lost, face=unseen) == "Nobody was seen or measured."


def test_without_sensors_it_begins_with_what_was_seen() -> None:
    only_faces = [packet for index in range(9) for packet in frame(index)]
    face_alone = State(
        subject="person", at=START, nervousness=40.0, arousal=0.2, valence=0.1, quality=0.2,
        signals={"face": SignalContribution(value=0.1, quality=0.9)},
    )  # fmt: skip
    session = read_series([*only_faces, Packet(face_alone)])
    seen, source = describe_session(session)
    assert seen.startswith("In drive a face was in sight in 67% of 9 frames over 8.0 s")
    assert "happy most (share of the frames 100.0%, mean probability 40.0%)" in seen
    assert "Mean valence was +0.13, mean arousal +0.40." in seen
    assert "Russell and Mehrabian (1977" in source
    page = " ".join([seen, source, draw_chart(session)])
    assert not re.search(r"\b(calm|nervous|stress|tense)", page.split("<script")[0])
    assert "ervousness" not in page


def test_signals_that_told_nothing_are_mentioned() -> None:
    samples = Samples(
        subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=START, rate=1.0,
        values=(60.0,),
    )  # fmt: skip
    (alone,) = describe_session(read_series([Packet(samples)]))
    assert alone == "Signals of anna were recorded, but no fusion process ran beside them."
    useless = State(subject="anna", at=START, quality=0.0)
    (beside,) = describe_session(read_series([Packet(samples), Packet(useless)]))
    assert beside == "Signals of anna were recorded, but none of them could be used."


def test_a_film_without_faces_says_so() -> None:
    without = [packet for index in (0, 4, 8) for packet in frame(index)]
    assert describe_session(read_series(without)) == [
        "In drive no face was seen in 3 frames over 8.0 s."
    ]


def test_several_faces_are_counted() -> None:
    emotion = frame(1)[1].message
    assert isinstance(emotion, Emotion)
    faces = tuple(emotion.faces[0].model_copy(update={"track": i}) for i in (1, 2))
    other = tuple(emotion.faces[0].model_copy(update={"track": i}) for i in (3, 4))
    packets = [
        Packet(emotion.model_copy(update={"seq": seq, "faces": seen}))
        for seq, seen in enumerate((faces, other))
    ]
    words = describe_session(read_series(packets))[0]
    assert "up to 2 faces at a time were in sight" in words
    assert "as 4 tracks" in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(19.64, "19.6 s"), (59.97, "1 min 0 s"), (490, "8 min 10 s"), (3675, "1 h 1 min 15 s")],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_moments_before_the_start_have_a_minus() -> None:
    session = read_series(recording(), START + 90 * SECOND)
    assert format_clock(START, session) == "-1:30"
    assert format_clock(START + 155 * SECOND, session) == "1:05"


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
