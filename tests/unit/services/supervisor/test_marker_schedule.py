"""Planned markers stand at their moments of the session's time line."""

from affectline.common.runtime.spec import RunTimeLine
from affectline.common.settings.pipeline import TimedMarker
from affectline.common.wire.messages import Marker
from affectline.common.wire.watermark import Watermark
from affectline.services.supervisor.marker_schedule import PLAN, MarkerSchedule
from tests.samples import EMOTION

SECOND = 1_000_000_000
START = 1_795_445_587 * SECOND
PLANNED = (TimedMarker(at_s=10, label="ten"), TimedMarker(at_s=5, label="five"))
FILM = "capture/front"


def schedule(*recorded: str) -> MarkerSchedule:
    return MarkerSchedule(PLANNED, RunTimeLine(START, recorded))


def due(one: MarkerSchedule, clock_s: float = 0) -> list[tuple[str, float]]:
    markers = [packet.message for packet in one.due(START + round(clock_s * SECOND))]
    return [(m.label, (m.at - START) / SECOND) for m in markers if isinstance(m, Marker)]


def promise(one: MarkerSchedule, now_s: float) -> tuple[float, bool]:
    (packet,) = one.promise(now_s)
    assert isinstance(packet.message, Watermark)
    assert packet.message.source == PLAN
    return (packet.message.at - START) / SECOND, packet.message.ended


def frame(one: MarkerSchedule, at_s: float) -> None:
    at = START + round(at_s * SECOND)
    one.observe(EMOTION.model_copy(update={"stream": "front", "captured_at": at}))


def test_beside_a_camera_they_go_by_the_clock() -> None:
    live = schedule()
    assert due(live, 4.9) == []
    assert due(live, 5.2) == [("five", 5)], "at its own time, however late it is said"
    assert due(live, 10) == [("ten", 10)]
    assert not list(live.promise(0)), "nobody waits"


def test_of_a_film_they_go_by_the_film() -> None:
    film = schedule(FILM, PLAN)
    assert due(film, clock_s=60) == []
    assert promise(film, 0) == (5, False)
    frame(film, 4.9)
    assert due(film) == []
    frame(film, 5.04)
    assert due(film) == [("five", 5)]
    assert promise(film, 1) == (10, False)


def test_a_table_that_is_ahead_of_the_film_counts_too() -> None:
    both = schedule(FILM, "biometrics/anna/csv", PLAN)
    both.observe(Watermark(source="biometrics/anna/csv", at=START + 6 * SECOND))
    assert due(both) == [("five", 5)]


def test_what_was_planned_for_after_the_end_does_not_happen_and_nobody_waits_for_it() -> None:
    film = schedule(FILM, PLAN)
    frame(film, 7)
    assert due(film) == [("five", 5)]
    film.observe(Watermark(source=FILM, at=START + 7 * SECOND, ended=True))
    assert promise(film, 0)[1]
    assert due(film) == []


def test_its_own_watermark_is_no_progress() -> None:
    film = schedule(FILM, PLAN)
    film.observe(Watermark(source=PLAN, at=START + 100 * SECOND))
    assert due(film) == []
