import time
from typing import Any

import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import Samples, SignalContribution, State, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Marker, Packet, Quality
from affectline.services.report.page import render_page
from affectline.services.report.section import ReportData, make_sections
from affectline.services.report.sections.chart import (
    POINTS,
    downsample,
    downsample_stack,
    draw_chart,
)
from affectline.services.report.sections.narrative import describe_origin, describe_session
from affectline.services.report.sections.thumbnails import crop_thumbnails
from affectline.services.sessions.marker_responses import marker_responses
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import Series, SessionSeries, read_series

cv2 = pytest.importorskip("cv2")
START = 1_795_445_587_000_000_000
SECOND = 1_000_000_000
QUALITY = Quality(size=40, blur=300.0, brightness=0.5)


def frame(index: int) -> tuple[Packet, Packet]:
    picture = np.full((96, 128, 3), 40, np.uint8)
    picture[20:60, 30:70] = (0, 0, 255)
    _, encoded = cv2.imencode(".jpg", picture)
    about = {
        "stream": "drive", "epoch": 1, "seq": index, "captured_at": START + index * SECOND,
        "width": 128, "height": 96,
    }  # fmt: skip
    shares = tuple(0.4 if label == "happy" else 0.1 for label in LABELS)
    face = FaceEmotion(track=1, box=(30, 20, 40, 40), quality=QUALITY, smoothed=shares)
    faces = (face,) if index % 4 else ()
    answer = Emotion.model_validate({**about, "published_at": START, "faces": faces})
    return Packet(Frame.model_validate(about), (encoded.tobytes(),)), Packet(answer)


def recording(nervous: float = 80.0, quality: float = 0.9) -> list[Packet]:
    packets = [packet for index in range(60) for packet in frame(index)]
    for index in range(60):
        after = index > 30
        at = START + index * SECOND
        rate = 92.0 if after else 66.0
        packets.append(Packet(Samples(
            subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=index, at=at, rate=4.0,
            values=(rate, rate + 0.5, rate, rate - 0.5),
        )))  # fmt: skip
        share = SignalContribution(
            value=rate, unit="/min", quality=quality, reason="no skin contact"
        )
        packets.append(Packet(State(
            subject="anna", at=at, nervousness=nervous if after else 12.0, quality=quality,
            baseline="continuous", baseline_s=30.0, signals={"heart": share},
        )))  # fmt: skip
    marker = Marker(
        session="s", at=START + 30 * SECOND, label="<hard> braking", extra={"km/h": 63.5}
    )
    return [*packets, Packet(marker)]


def page(name: str, packets: list[Packet], about: dict[str, Any] | None = None) -> str:
    data = ReportData(Recording(name, lambda: packets, about or {}), read_series(packets))
    return render_page(data, make_sections())


def test_messages_become_series() -> None:
    session = read_series(recording())
    heart = session.series["anna heart_rate"]
    assert (len(heart.times), heart.unit) == (240, "/min")
    assert np.diff(heart.times).min() == SECOND // 4
    assert session.seconds == pytest.approx(59.75)
    assert session.frames == {"drive": 60}
    assert session.frames_without_face == {"drive": 15}
    assert len(session.observations) == 45


def test_uneven_samples_have_their_own_times() -> None:
    samples = Samples(
        subject="a", signal="rr_interval", unit="ms", epoch=1, seq=0, at=START,
        offsets=(0, 800), values=(800.0, 810.0),
    )  # fmt: skip
    assert sample_times(samples) == [START, START + 800]


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


def test_thumbnails_show_the_face_nearest_to_the_marker() -> None:
    session = read_series(recording())
    (picture,) = crop_thumbnails(session, recording())
    assert picture is not None
    seen = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert seen.shape == (160, 160, 3)
    assert seen[80, 80, 2] > 200  # the red face in its middle
    assert seen[2, 2].max() < 80  # and something around it


def test_the_page_needs_no_network_and_shows_everything() -> None:
    html = page("a & b", recording())
    body = html[html.rindex("</script>") :]
    # A second into the session, as plotly reads times.
    assert '"1970-01-01T00:00:01.000"' in html
    assert "<title>a &amp; b</title>" in html
    assert 'src="http' not in html
    assert "&lt;hard&gt; braking" in body
    assert "<hard>" not in body
    assert "data:image/jpeg;base64," in body
    assert "<td>anna heart rate<td>66 /min" in body
    assert "km/h 63.5" in body


def test_a_page_says_when_and_how_it_was_recorded() -> None:
    session = read_series(recording())
    about = {"model": "vgg16-48@1", "privacy": "everything", "settings": {}}
    note = describe_origin(session, about)
    day = time.strftime("%Y-%m-%d", time.localtime(START / 1e9))
    assert note.startswith(f"Recorded {day} ")
    assert note.endswith(", model vgg16-48@1, privacy everything")
    assert f"<p class=note>{note}</p>" in page("a", recording(), about)
    assert describe_origin(SessionSeries(), {}) == ""


@pytest.mark.parametrize("factor", [1_000_000_000, 1_000_000, 1_000])
def test_a_marker_whose_time_is_decades_off_does_not_stretch_the_axis(factor: int) -> None:
    wrong = [
        Marker(session="s", at=(START + i * SECOND) // factor, label=f"in seconds {i}")
        for i in range(5)
    ]
    early = Marker(session="s", at=START - 20 * SECOND, label="before all else")
    packets = [*map(Packet, wrong), *recording(), Packet(early)]
    session = read_series(packets)
    assert session.first == START - 20 * SECOND
    assert session.seconds == pytest.approx(79.75)
    assert session.strays == wrong
    words = describe_session(session)
    assert "Over 1 min 20 s, anna" in words[0]
    assert "Not on the time axis" in words[-1]
    assert "“in seconds 0” at 1970-01-" in words[-1]
    assert words[-1].count("in seconds") == 3
    assert "and 2 more." in words[-1]
    rows = list(marker_responses(session.markers, session.series.values()))
    html = page("x", packets)
    body = html[html.rindex("</script>") :]
    assert html.count('"dash":"dot"') == 2
    assert "before all else" in html[: html.rindex("</script>")]
    assert "in seconds" not in html[html.index('"annotations"') : html.rindex("</script>")]
    assert body.count("not on the time axis<br>in seconds") == 5
    assert "<td>in seconds 4<td>anna heart rate<td class=none>not measured" in body
    assert len([row for row in rows if row.marker.startswith("in seconds")]) == 10


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


def test_hundreds_of_markers_are_drawn_at_once() -> None:
    session = read_series(recording())
    session.markers = [
        Marker(session="s", at=START + i * SECOND // 10, label=f"event {i}") for i in range(500)
    ]
    html = draw_chart(session)
    assert html.count('"dash":"dot"') == 500
    assert "event 7" not in html, "so many names would lie on each other"


def test_what_has_bounds_is_drawn_between_them_and_named_once() -> None:
    html = draw_chart(read_series(recording()))
    for bounds in ("[0,100]", "[0,1]"):
        assert f'"range":{bounds}' in html
    assert html.index("Nervousness, 0 to 100") < html.index("anna heart rate")
    assert html.count('"showlegend":true') == len(LABELS), "a title names a row's only curve"


def test_a_stack_stays_whole_when_it_is_thinned() -> None:
    count = 5 * POINTS
    times = START + np.arange(count) * (SECOND // 30)
    times[count // 2 + 3 :] += 60 * SECOND
    parts = np.random.default_rng(1).dirichlet(np.ones(7), count)
    stack = [Series(label, "", times, parts[:, i]) for i, label in enumerate(LABELS)]
    thinned, values = downsample_stack(stack)
    assert values.shape == (7, len(thinned))
    assert len(thinned) <= POINTS + 3
    assert (np.diff(thinned) > 0).all()
    whole = values.sum(axis=0)
    assert np.flatnonzero(whole < 0.5).size == 2, "nothing on both sides of the gap"
    assert whole[whole > 0.5] == pytest.approx(1.0)


def test_an_empty_session_is_a_page_too() -> None:
    html = page("nothing", [])
    assert "Nothing that changes over time" in html


def test_thinning_keeps_peaks_and_marks_gaps() -> None:
    times = START + np.arange(100_000) * (SECOND // 10)
    times[50_000:] += 60 * SECOND
    values = np.sin(np.arange(100_000) / 500)
    values[31_337] = 9.0
    thinned, kept = downsample(Series("x", "", times, values))
    assert len(thinned) <= POINTS + 2
    assert np.nanmax(kept) == 9.0
    assert np.isnan(kept).sum() == 1
    assert (np.diff(thinned) > 0).all()
