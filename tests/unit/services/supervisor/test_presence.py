"""Which of the streams that a recording requires are there."""

import pytest

from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Packet
from affectline.services.supervisor.presence import FRESH_S, StreamPresence
from tests.samples import EMOTION
from tests.unit.services.biometrics.fakes import settings

HEALTH = Health.example()
LONG = "Markers of the driving simulator in the big hall"


def health(service: str, state: str = "ready", detail: str = "") -> Packet:
    return Packet(HEALTH.model_copy(update={"service": service, "state": state, "detail": detail}))


def test_faces_and_signals_are_there_while_they_come() -> None:
    samples = Samples.example()
    presence = StreamPresence((EMOTION.stream, f"{samples.subject}/{samples.signal}", "other"))
    presence.observe(Packet(EMOTION), 1.0)
    presence.observe(Packet(samples), 2.0)
    assert presence.missing(3.0) == ["other"]
    assert presence.missing(1.0 + FRESH_S) == [EMOTION.stream, "other"]


@pytest.mark.parametrize("subject", ["anna", "participant-2026-11-30-A-left-hand", "x" * 64])
@pytest.mark.parametrize("name", ["PsychoPyMarkers", "My Markers", LONG])
def test_a_marker_stream_is_there_once_it_is_open(name: str, subject: str) -> None:
    presence = StreamPresence((name,))
    service = settings("lsl", name=name, subject=subject).service
    others = settings("lsl", name=f"{name}2", subject=subject).service
    presence.observe(health(service, detail="searching"), 1.0)
    presence.observe(health(service, "degraded", "LSL: it was not found"), 1.0)
    presence.observe(health(others), 1.0)
    assert presence.missing(1.0) == [name]
    presence.observe(health(service), 2.0)
    assert presence.missing(2.0) == []
