import itertools
import re
import time
from typing import Any

import pytest

from affectline.common.model.artifact import load
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
from affectline.services.report.model_limits import describe_models
from affectline.services.report.page import render_page, source_name
from affectline.services.report.section import ReportData, make_sections
from affectline.services.report.sections.about import describe_origin
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import SessionSeries, read_series
from tests.recordings import SECOND, START, frame, recording
from tests.signed_sessions import signed_session


def page(name: str, packets: list[Packet], about: dict[str, Any] | None = None) -> str:
    data = ReportData(Recording(name, lambda: packets, about or {}), read_series(packets))
    return render_page(data, make_sections())


def test_the_page_needs_no_network_and_shows_everything() -> None:
    html = page("a & b", recording())
    assert "<title>a &amp; b</title>" in html
    assert "<h1>a &amp; b</h1>" in html
    assert "http" not in html.replace("http-equiv", "").replace("http%3A//www.w3.org/2000/svg", "")
    assert "&lt;hard&gt; braking" in html
    assert "<hard>" not in html
    assert "data:image/jpeg;base64," in html
    assert "<th scope=row class=signal>Heart rate of anna, bpm</th><td>66.0</td>" in html
    assert "km/h 63.5" in html
    assert len(html) < 100_000, "no library is in it"


def test_the_headings_are_in_order() -> None:
    html = page("a", [*recording(), *signed_session()], {"model": "vgg16-48@1"})
    assert re.findall("<h2>(.*?)</h2>", html) == [
        "Results", "By emotion", "By marker", "Responses to markers", "Over time", "Head and eyes",
        "About this report",
    ]  # fmt: skip
    levels = [int(level) for level in re.findall("<h([1-6])>", html)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_the_title_says_who_and_the_facts_say_what() -> None:
    study = {
        "participant": "07", "condition": "<rain>", "session": "pre", "task": "drive", "age": "34",
    }  # fmt: skip
    start = StreamStart(
        stream="drive", epoch=1, started_at=START, received_at=START, session_start=START,
        source="/data/films/to work.mp4", kind="film", live=False, duration_s=60.2,
    )  # fmt: skip
    html = page("one", [Packet(start), *recording()], {"study": study})
    assert "<h1>Participant 07 · condition &lt;rain&gt; · session pre · task drive</h1>" in html
    facts = dict(
        re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", html.replace("\N{NO-BREAK SPACE}", " "))
    )
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(START / 1e9))
    assert facts == {
        "Film": "to work.mp4", "Length": "1 min", "Date": day, "Measured": "Heart rate (anna)",
        "Age": "34", "Session folder": "one",
    }  # fmt: skip


def test_a_film_that_was_analysed_in_part_says_so() -> None:
    start = StreamStart(
        stream="drive", epoch=1, started_at=START, received_at=START, session_start=START,
        source="a.mp4", kind="film", live=False, duration_s=240.0,
    )  # fmt: skip
    html = page("a", [Packet(start), *recording()]).replace("\N{NO-BREAK SPACE}", " ")
    assert "<dd>4 min, of which 1 min (25 %) analysed</dd>" in html


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("../films/a b.mp4", "a b.mp4"), ("C:\\films\\a.mp4", "a.mp4"), ("0", "0"),
        ("rtsp://anna:secret@cam.lab:554/front?key=1", "cam.lab/front"), ("", ""),
    ],
)  # fmt: skip
def test_a_source_is_called_by_its_name_and_tells_no_secret(source: str, name: str) -> None:
    assert source_name(source) == name


def test_a_page_says_when_and_how_it_was_recorded() -> None:
    session = read_series(recording())
    about = {"model": "vgg16-48@1", "privacy": "everything", "settings": {}}
    note = describe_origin(session, about)
    day = time.strftime("%Y-%m-%d", time.localtime(START / 1e9))
    assert note.startswith(f"Begins {day} ")
    assert note.endswith(", privacy everything")
    html = page("a", recording(), about)
    assert f"<p class=note>{note}</p>" in html
    assert "Model vgg16-48@1: its accuracy is unknown here. It knows seven" in html
    assert describe_origin(SessionSeries(), {}) == ""


def test_the_accuracy_of_a_model_is_that_of_its_manifest() -> None:
    shipped = load()
    session = read_series(recording())
    (line,) = describe_models(session, {"model": shipped.model_id})
    assert line.replace("\N{NO-BREAK SPACE}", " ").startswith(
        f"Model {shipped.model_id}: correct on 72 % of the faces of FER2013's private test set. It"
    )
    (votes,) = describe_models(session, {"model": f"{shipped.model_id}+votes"})
    assert "agrees with most of FER+'s ten annotators on 86" in votes
    (own,) = describe_models(session, {"model": f"{shipped.model_id}+votes+calibrated"})
    assert f"Model {shipped.model_id}+votes+calibrated: agrees with most of" in own
    assert "test set before it was calibrated to one person. It knows" in own
    elsewhere = {"settings": {"classifier": {"model": "//elsewhere/share"}}}
    (other,) = describe_models(session, {"model": "own@12345678", **elsewhere})
    assert "is unknown here" in other


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
    html = page("x", packets)
    (warning,) = re.findall("<p class=warning>(Not on the time axis.*?)</p>", html)
    assert "“in seconds 0” at 1970-01-" in warning
    assert warning.count("in seconds") == 3
    assert "and 2 more." in warning
    assert html.count("<td>not on the time axis</td>") == 5
    chart = html[html.index("<h2>Over time") :]
    assert "before all else" in chart
    assert "in seconds" not in chart
    assert html.count("<article>") == 2


def test_an_empty_session_is_a_page_too() -> None:
    html = page("nothing", [])
    assert "Nothing that changes over time" in html


def test_pictures_are_listed_and_have_no_time_axis() -> None:
    emotion = frame(1)[1].message
    assert isinstance(emotion, Emotion)
    unseen = emotion.faces[0].model_copy(
        update={"label": None, "confidence": None, "probabilities": None, "missing": "unanswered"}
    )
    doubted = emotion.faces[0].model_copy(update={"doubts": ("dark", "covered")})
    start = StreamStart(
        stream="drive", epoch=1, started_at=START, received_at=START, session_start=START,
        source="photos", kind="pictures", live=False,
    )  # fmt: skip
    pictures = [
        emotion.model_copy(update={"seq": i, "file": file, "faces": faces, "missing": missing})
        for i, (file, faces, missing) in enumerate([
            ("a/<one>.jpg", emotion.faces * 2, None), ("b.jpg", (), None), ("c.jpg", (), "invalid"),
            ("d.jpg", (unseen,), None), ("e.jpg", (doubted,), None),
        ])
    ]  # fmt: skip
    html = page("photos", [Packet(start), *map(Packet, pictures)])
    html = re.sub("<i .*?</i>", "", html).replace("\N{NO-BREAK SPACE}", " ")
    first = (
        "<th scope=row class=text>a/&lt;one&gt;.jpg</th><td class=text>happy</td><td>40.0 %</td>"
    )
    assert html.count(f"<tr>{first}<td>+0.13</td><td>+0.40</td></tr>") == 2
    for text in (
        "5 pictures, each analysed on its own: 3 of them show a face, 4 faces in total; mostly ",
        "b.jpg</th><td class='none text'>no face<",
        "c.jpg</th><td class='none text'>not analysed: invalid",
        "d.jpg</th><td class='none text'>no result: unanswered",
        "e.jpg</th><td class=text>happy (doubt: dark, covered)</td><td>40.0 %",
        "<dt>Pictures</dt><dd>photos</dd>",
    ):  # fmt: skip
        assert text in html
    assert "Over time" not in html
    assert "How calm" not in html
