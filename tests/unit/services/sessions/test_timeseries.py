import numpy as np
import pytest

from affectline.common.wire.biometrics import Samples, sample_times
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording


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
