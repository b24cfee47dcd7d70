import re
from pathlib import Path

import pytest

from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.report.sections.chart import draw_chart
from affectline.services.report.sections.narrative import VALIDATION, describe_session
from affectline.services.report.words import (
    format_clock,
    format_duration,
    format_second,
    percent,
    signed,
)
from affectline.services.sessions.timeseries import SessionSeries, read_series
from tests.recordings import SECOND, START, frame, recording

ROOT = Path(__file__).parents[5]
NO_BODY = "How calm: unknown, because there was no heart rate or skin conductance."


def describe(session: SessionSeries) -> list[str]:
    """The sentences with plain spaces."""
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in describe_session(session)]


def test_what_was_seen_comes_first_and_then_how_calm() -> None:
    seen, calm = describe(read_series(recording()))
    assert seen.startswith(
        "One face for 75 % of 1 min; mostly happy (share of frames 100 %, mean probability 40 %). "
        "Mean valence +0.13, mean arousal +0.40, both from \N{MINUS SIGN}1 to 1."
    )
    assert calm.startswith(
        "How calm anna was: mostly calm. Nervousness, a stress index from heart rate and skin "
        "conductance "
        "(0: as at rest, 100: as under stress), had a median of 12 and was above 60 for 48 % of "
        "the time. The highest was 80, at 0:31, 1 s after “<hard> braking”. Mean quality 90 %."
    )
    assert calm.endswith(
        "Validated on 17 people: it put stress above rest in 69 of 100 cases (chance: 50)."
    )
    assert "never above 60." in describe(read_series(recording(nervous=50.0)))[1]


def test_where_the_quality_is_too_low_it_says_what_is_missing_first() -> None:
    calm = describe(read_series(recording(quality=0.2)))[1]
    assert calm == (
        "How calm anna was: unknown. No skin contact (100 % of the time). Nervousness, a stress "
        "index from heart rate and skin conductance (0 to 100), has a mean quality of 20 %; it "
        "is reported at 50 % or more."
    )


def states(*qualities: float, reason: str = "the baseline is young") -> SessionSeries:
    def signal(quality: float) -> SignalContribution:
        return SignalContribution(
            value=70.0, unit="/min", quality=quality, reason=reason if quality < 1 else ""
        )

    return read_series(
        Packet(State(
            subject="anna", at=START + i * SECOND, nervousness=30.0, quality=quality,
            signals={"heart": signal(quality), "skin": signal(quality)},
        ))
        for i, quality in enumerate(qualities)
    )  # fmt: skip


def test_what_is_known_for_a_part_of_the_time_is_told_as_such() -> None:
    (mostly,) = describe(states(*[0.2] * 2, *[1.0] * 8))
    assert mostly.startswith("How calm anna was: mostly a little tense. Nervousness, ")
    assert "Not known for 20 % of the time: baseline too short (100 % of it)." in mostly
    assert "in 82 of 100 cases" in mostly
    (hardly,) = describe(states(*[0.2] * 8, *[1.0] * 2))
    assert hardly.startswith(
        "How calm anna was: known for only 20 % of the time, and then mostly a little tense. In "
        "the rest: baseline too short (100 % of it). Nervousness"
    )


def test_reasons_are_in_plain_words() -> None:
    (text,) = describe(states(0.1, reason="heart_rate: too few beats or out of date"))
    assert "Heart rate: too few beats or out of date (100 % of the time)." in text


def test_several_people_are_told_apart() -> None:
    both = read_series(
        Packet(State(
            subject=name, at=START, nervousness=nervous, quality=1.0,
            signals={"heart": SignalContribution(value=70.0, quality=1.0)},
        ))
        for name, nervous in (("anna", 10.0), ("ben", 90.0))
    )  # fmt: skip
    anna, ben = describe(both)
    assert anna.startswith("How calm anna was: mostly calm.")
    assert ben.startswith("How calm ben was: mostly very nervous.")


def test_the_validation_is_that_of_the_documentation() -> None:
    page = (ROOT / "docs/validation.md").read_text()
    for signals, share in VALIDATION.items():
        name = "together" if len(signals) > 1 else min(signals)
        (figure,) = re.findall(rf"\| {name} \| \*\*([\d.]+)\*\* \| [\d.]+ \| [\d.]+ \|", page)
        assert round(100 * float(figure) + 1e-9) == share


def test_a_face_out_of_sight_does_not_lower_what_heart_and_skin_say() -> None:
    heart = SignalContribution(value=70.0, unit="/min", quality=0.4, reason="the baseline is young")
    unseen = SignalContribution(reason="no face in sight")

    def first_paragraph(**signals: SignalContribution) -> str:
        state = State(subject="a", at=START, nervousness=20.0, quality=0.4, signals=signals)
        return describe(read_series([Packet(state)]))[0]

    said = first_paragraph(heart=heart, face=unseen)
    assert said.startswith("How calm a was: unknown. Baseline too short (100 % of the time). Nerv")
    lost = SignalContribution(reason="lost")
    assert first_paragraph(heart=lost, face=unseen) == "No person was seen or measured."


def test_without_sensors_it_says_that_there_were_none() -> None:
    only_faces = [packet for index in range(9) for packet in frame(index)]
    face_alone = State(
        subject="person", at=START, nervousness=40.0, arousal=0.2, valence=0.1, quality=0.2,
        signals={"face": SignalContribution(value=0.1, quality=0.9)},
    )  # fmt: skip
    session = read_series([*only_faces, Packet(face_alone)])
    seen, calm = describe(session)
    assert seen.startswith("One face for 67 % of 9.0 s")
    assert calm == NO_BODY
    page = " ".join([seen, draw_chart(session)])
    assert not re.search(r"\b(calm|nervous|stress|tense)", page.replace("calm)", ""))
    assert "ervousness" not in page


def test_signals_that_told_nothing_are_mentioned() -> None:
    samples = Samples(
        subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=START, rate=1.0,
        values=(60.0,),
    )  # fmt: skip
    (alone,) = describe(read_series([Packet(samples)]))
    assert alone == (
        "How calm anna was: unknown. Signals were recorded, but not turned into a state: no "
        "fusion process ran beside the sensors."
    )
    useless = State(subject="anna", at=START, quality=0.0)
    (beside,) = describe(read_series([Packet(samples), Packet(useless)]))
    assert beside == "How calm anna was: unknown. Signals were recorded, but could not be used."


def test_a_film_without_faces_says_so() -> None:
    without = [packet for index in (0, 4, 8) for packet in frame(index)]
    assert describe(read_series(without)) == ["No face in 3 frames of 12.0 s.", NO_BODY]


def test_several_faces_are_counted() -> None:
    emotion = frame(1)[1].message
    assert isinstance(emotion, Emotion)
    faces = tuple(emotion.faces[0].model_copy(update={"track": i}) for i in (1, 2))
    other = tuple(emotion.faces[0].model_copy(update={"track": i}) for i in (3, 4))
    packets = [
        Packet(emotion.model_copy(update={"seq": seq, "faces": seen}))
        for seq, seen in enumerate((faces, other))
    ]
    words = describe(read_series(packets))[0]
    assert words.startswith("Up to 2 faces at a time for 100 % of 0.0 s, in 4 tracks; mostly happy")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(19.64, "19.6 s"), (59.97, "1 min"), (490, "8 min 10 s"), (3675, "1 h 1 min 15 s")],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, words: str) -> None:
    assert format_duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == words


def test_moments_before_the_start_have_a_minus() -> None:
    session = read_series(recording(), START + 90 * SECOND)
    assert format_clock(START, session) == "\N{MINUS SIGN}1:30"
    assert format_clock(START + 155 * SECOND, session) == "1:05"
    assert format_second(3725.27, 1) == "1:02:05.3"


def test_what_is_simulated_is_called_so() -> None:
    simulated = [
        Packet(p.message.model_copy(update={"synthetic": True}))
        if isinstance(p.message, Samples)
        else p
        for p in recording()
    ]
    for quality in (0.9, 0.1):
        session = read_series([*simulated, *recording(quality=quality)])
        assert describe(session)[1].endswith(" The signals were simulated: no person was measured.")


def test_a_marker_that_is_far_ahead_is_no_end_of_the_session() -> None:
    ahead = Marker(session="s", at=2**63 - 1, label="far ahead")
    session = read_series([*recording(), Packet(ahead)])
    assert session.seconds == pytest.approx(59.75)
    assert session.strays == [ahead]
    assert "far ahead" not in draw_chart(session)


def test_a_session_of_markers_alone_has_no_strays() -> None:
    markers = [Marker(session="s", at=START + i * 3600 * SECOND, label="x") for i in range(3)]
    session = read_series(map(Packet, markers))
    assert not session.strays
    assert session.seconds == 7200
    assert describe(session) == ["No person was seen or measured."]


def test_what_is_nearly_nothing_or_nearly_all_is_told_so() -> None:
    told = [
        percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0, 0.001, 0.5, 0.999, 1)
    ]
    assert told == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]
    assert [signed(value) for value in (-0.001, 0.004, -0.25, 1.0)] == [
        "0.00", "0.00", "\N{MINUS SIGN}0.25", "+1.00",
    ]  # fmt: skip


def test_the_largest_of_several_faces_is_called_so() -> None:
    session = read_series(recording())
    session.most_faces["drive"] = 2
    assert "Expression of the largest face: probability" in draw_chart(session)
