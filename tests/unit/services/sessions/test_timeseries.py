import numpy as np
import pytest

from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Packet, StreamStart
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording


def test_messages_become_series() -> None:
    session = read_series(recording())
    heart = session.series["anna heart_rate"]
    assert (len(heart.times), heart.unit) == (240, "/min")
    assert np.diff(heart.times).min() == SECOND // 4
    assert session.seconds == pytest.approx(59.75)
    drive = session.streams["drive"]
    assert (drive.frames, drive.frames_with_face) == (60, 45)
    assert session.seconds_of("drive") == 59
    assert list(session.affects["drive"]) == ["valence", "arousal"]
    assert len(session.affects["drive"]["valence"].times) == 45
    assert len(session.observations) == 45


def test_uneven_samples_have_their_own_times() -> None:
    samples = Samples(
        subject="a", signal="rr_interval", unit="ms", epoch=1, seq=0, at=START,
        offsets=(0, 800), values=(800.0, 810.0),
    )  # fmt: skip
    assert sample_times(samples) == [START, START + 800]


def test_samples_without_skin_contact_are_in_no_series() -> None:
    heart = Samples(
        subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=START, rate=1.0,
        values=(72.0,),
    )  # fmt: skip
    lost = {"values": (0.0, 0.0), "quality": 0.0, "reason": "no skin contact"}
    packets = [
        Packet(heart), Packet(heart.model_copy(update=lost | {"seq": 1, "at": START + SECOND})),
    ]  # fmt: skip
    session = read_series(packets)
    assert session.series["anna heart_rate"].values.tolist() == [72]
    assert session.seconds == 2, "but they are a part of the session"


def test_the_start_of_the_session_is_zero() -> None:
    start = StreamStart.example().model_copy(update={"session_start": START - SECOND})
    start = start.model_copy(update={"stream": "drive", "started_at": START})
    packets = [Packet(start), *recording()]
    assert read_series(packets).zero == START - SECOND
    assert read_series(packets, START - 9 * SECOND).zero == START - 9 * SECOND, "as recorded"
    assert read_series(recording()).zero == START, "its first event, where nothing says"


def test_states_of_a_face_alone_are_not_told() -> None:
    alone = State(subject="person", at=START, nervousness=40.0, valence=0.1, quality=0.2)
    session = read_series([*recording(), Packet(alone)])
    assert session.measured == {"anna"}
    told = {series.name for series in session.told_series}
    assert told == {"anna heart_rate", "anna nervousness"}
