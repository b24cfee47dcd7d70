"""Sockets of tools and of the launcher."""

import pytest
import zmq

from affectline.common.runtime.sockets import LINGER_MS, OutletSubscriber
from affectline.common.settings.hub import HubSettings
from tests.pipelines import free_port
from tests.samples import PACKETS


@pytest.mark.parametrize(("is_hub_gone", "waits_ms"), [(False, LINGER_MS), (True, 0)])
def test_only_a_hub_that_is_there_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, is_hub_gone: bool, waits_ms: int
) -> None:
    """Otherwise every run would end half a second late: subscriptions wait for the next hub."""
    waited: list[float | None] = []
    destroy = zmq.Context.destroy

    def note(context: "zmq.Context[zmq.Socket[bytes]]", linger: float | None = None) -> None:
        waited.append(linger)
        destroy(context, linger=0)

    monkeypatch.setattr(zmq.Context, "destroy", note)
    outlet = OutletSubscriber(HubSettings(port=free_port()), ("emotion/",))
    outlet.publish(PACKETS["Marker"])
    outlet.close(is_hub_gone=is_hub_gone)
    assert waited == [waits_ms]
