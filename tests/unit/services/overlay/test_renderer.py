from typing import Any

import pytest

from affectline.common.wire.messages import Emotion, StreamStart
from affectline.services.overlay import renderer
from affectline.services.overlay.drawing import Heading
from affectline.services.overlay.renderer import OverlayRenderer, time_code
from tests.recordings import SECOND, START, frame


def headings(overlay: OverlayRenderer, **changes: Any) -> list[Heading]:
    """What stands above six frames, 25 a second, with other fields in their results."""
    found: list[Heading] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "draw", lambda _, __, heading, *___: found.append(heading))
        for index in range(6):
            picture, answer = frame(index)
            assert isinstance(answer.message, Emotion)
            at = START + index * SECOND // 25
            said = answer.message.model_copy(update={"published_at": at, **changes})
            overlay.add_frame(picture)
            matched = overlay.match(said)
            assert matched is not None
            overlay.render(matched, said)
    return found


def test_the_overlay_tells_the_rate_of_the_recording_where_it_is_asked_to() -> None:
    stats = [heading.stats for heading in headings(OverlayRenderer(stats=True), received_at=START)]
    assert stats[0] == "0 frames/s   0 ms   0 skipped"
    assert stats[1:] == [f"25 frames/s   {40 * i} ms   0 skipped" for i in range(1, 6)]
    assert {heading.stats for heading in headings(OverlayRenderer())} == {""}


def test_a_film_has_its_own_time_a_camera_that_of_the_session_a_picture_its_name() -> None:
    assert headings(OverlayRenderer(), media_time=3_725_042_999_999)[0].time == "01:02:05.042"
    assert headings(OverlayRenderer())[2].time == "00:00:02.000", "from the first frame on"
    overlay = OverlayRenderer()
    overlay.begin(
        StreamStart(
            stream="drive", epoch=1, started_at=START, received_at=START, kind="camera",
            session_start=START - 60 * SECOND, source="0", live=True,
        )
    )  # fmt: skip
    assert headings(overlay)[1].time == "00:01:01.000"
    assert headings(OverlayRenderer(), file="day 1/Zoë.png")[0].time == "Zoë.png"


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "00:00:00.000"), (999_999, "00:00:00.000"), (10**18, "277777:46:40.000")]
)
def test_a_time_code(ns: int, text: str) -> None:
    assert time_code(ns) == text
