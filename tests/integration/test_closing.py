"""Nothing waits to send to a hub that has ended."""

import signal
from pathlib import Path

import pytest

from affectline.common.clock import monotonic
from affectline.common.runtime import sockets
from affectline.common.wire.health import Health
from tests.integration.buses import Bus
from tests.samples import PACKETS


def test_closing_does_not_wait_for_another_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every run would end late: the launcher's subscriptions wait for the next hub."""
    monkeypatch.setattr(sockets, "LINGER_MS", 60_000)
    bus = Bus(tmp_path, "live", ("health/",))
    bus.wait_for(lambda heard: any(isinstance(message, Health) for message in heard))
    while not bus.listener.publish(PACKETS["Marker"], wait=True):
        pass
    (hub,) = bus.processes
    hub.send_signal(signal.SIGTERM)
    hub.communicate(timeout=20)
    began = monotonic()
    bus.close()
    assert monotonic() - began < 30
