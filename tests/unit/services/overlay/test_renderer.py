import pytest

from affectline.common.wire.messages import Emotion
from affectline.services.overlay import renderer
from affectline.services.overlay.renderer import OverlayRenderer
from tests.recordings import SECOND, START, frame


def test_the_overlay_tells_the_rate_of_the_recording() -> None:
    overlay, rates = OverlayRenderer(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "draw", lambda _, __, status: rates.append(status.rate))
        for index in range(6):
            picture, answer = frame(index)
            assert isinstance(answer.message, Emotion)
            said = answer.message.model_copy(update={"published_at": START + index * SECOND // 25})
            overlay.add_frame(picture)
            matched = overlay.match(said)
            assert matched is not None
            overlay.render(matched, said)
    assert rates == [0.0, *[pytest.approx(25.0)] * 5]
