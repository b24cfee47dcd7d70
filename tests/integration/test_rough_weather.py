"""Rubbish on every socket, readers that never read, cameras that go away."""

import random
import socket
import time
import urllib.request
from pathlib import Path

import msgpack
import psutil
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectline.common.runtime.endpoints import reach
from affectline.common.wire import codec
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from affectline.services.cli.run import EXIT_INTERRUPTED
from tests.cameras import HttpCamera
from tests.pipelines import Pipeline
from tests.samples import PACKETS

ENDLESS = "sources: [{name: sample, source: sample, loop: true}]\ndelivery: live\npace: realtime\n"

wire = {name: [bytes(part) for part in codec.encode(p)] for name, p in PACKETS.items()}
topics = st.sampled_from(
    [b"frame/sample", b"scores/sample", b"resend/sample", b"emotion/sample", b"stream/sample",
     b"health/sink", b"marker/x", b"", b"\xff"]
)  # fmt: skip


@st.composite
def rubbish(draw: st.DrawFn) -> list[bytes]:
    """Random parts, a message cut short, or one with a field of the wrong type."""
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return [draw(topics), *draw(st.lists(st.binary(max_size=60), max_size=4))]
    parts = list(wire[draw(st.sampled_from(sorted(wire)))])
    if kind == 1:
        which = draw(st.integers(0, len(parts) - 1))
        parts[which] = parts[which][: draw(st.integers(0, max(0, len(parts[which]) - 1)))]
        return parts
    fields = msgpack.unpackb(parts[1])
    name = draw(st.sampled_from(sorted(fields)))
    fields[name] = draw(st.sampled_from([None, "x", -1, 1.5, [], {}, [[]], 2**64 - 1, b"\xff"]))
    return [draw(topics), msgpack.packb(fields), *parts[2:]]


def endless(tmp_path: Path) -> Pipeline:
    config = tmp_path / "endless.yaml"
    config.write_text(ENDLESS)
    return Pipeline(tmp_path / "out", "--config", str(config))


def test_rubbish_is_counted_and_dropped(tmp_path: Path) -> None:
    with endless(tmp_path) as pipeline:
        pipeline.wait_for_frame(5)
        before = pipeline.pids()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        ingress, work = context.socket(zmq.PUB), context.socket(zmq.PUSH)
        bus, outlet = context.socket(zmq.XSUB), context.socket(zmq.XSUB)
        hub = reach(pipeline.hub)
        for peer, endpoint in (
            (ingress, hub.ingress), (work, hub.work_in), (bus, hub.bus), (outlet, hub.outlet),
        ):  # fmt: skip
            peer.setsockopt(zmq.LINGER, 0)
            peer.setsockopt(zmq.SNDTIMEO, 5000)
            peer.connect(endpoint.address)

        @given(rubbish())
        @settings(
            max_examples=3000, deadline=None, database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )  # fmt: skip
        def throw(parts: list[bytes]) -> None:
            ingress.send_multipart(parts)
            work.send_multipart(parts)
            for side in (bus, outlet):
                side.send_multipart([parts[0][:1] + b"\x02" + parts[-1]])

        throw()
        for offset in (0, 1, 5, 6):  # to strangers the others are closed
            port = pipeline.hub.port + offset
            with socket.create_connection(("127.0.0.1", port)) as raw:
                raw.sendall(random.Random(port).randbytes(5000))
        counted = set[str]()
        for packet in pipeline.messages(10):
            health = packet.message
            if isinstance(health, Health) and health.counters.get("invalid"):
                counted.add(health.service)
            if counted >= {"detector/sample", "classifier/1", "sink", "capture/sample"}:
                break
        assert counted >= {"detector/sample", "classifier/1", "sink", "capture/sample"}
        now = time.time_ns()
        pipeline.wait_for(lambda m: isinstance(m, Emotion) and m.captured_at > now)
        assert pipeline.pids() == before, "nobody died of it"
        assert pipeline.interrupt() == EXIT_INTERRUPTED
        context.destroy(linger=0)


def test_a_reader_that_never_reads_costs_no_memory(tmp_path: Path) -> None:
    config = tmp_path / "raw.yaml"
    # Raw frames at three times the clip's size: a megabyte each, thirty a second
    config.write_text(ENDLESS + "capture: {encoding: raw, width: 704}\n")
    with Pipeline(tmp_path / "out", "--config", str(config)) as pipeline:
        pipeline.wait_for_frame(5)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        deaf = context.socket(zmq.SUB)
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.setsockopt(zmq.SUBSCRIBE, b"")
        deaf.connect(pipeline.hub.outlet)
        hub = psutil.Process(pipeline.pids()["hub"])
        pipeline.wait_for_frame(240)
        settled = hub.memory_info().rss
        pipeline.wait_for_frame(480)
        grown = hub.memory_info().rss - settled
        context.destroy(linger=0)
        pipeline.interrupt()
    assert grown < 30e6, f"the hub grew by {grown / 1e6:.0f} MB in eight seconds"


def test_a_network_camera_that_goes_away_is_opened_again(tmp_path: Path) -> None:
    with (
        HttpCamera() as camera,
        Pipeline(tmp_path / "out", "--source", f"door={camera.address}") as pipeline,
    ):
        pipeline.wait_for_frame(5)
        camera.switch_off()
        lost = pipeline.wait_for(
            lambda m: isinstance(m, Health) and m.service == "capture/door"
            and m.state == "degraded"
        )  # fmt: skip
        assert "trying again in" in getattr(lost, "detail", "")
        camera.switch_on()
        now = time.time_ns()
        pipeline.wait_for(lambda m: isinstance(m, Emotion) and m.captured_at > now)
        well = pipeline.wait_for(
            lambda m: isinstance(m, Health) and m.service == "capture/door"
            and m.state == "ready"
        )  # fmt: skip
        assert getattr(well, "counters", {})["reopened"] == 1
        assert pipeline.interrupt() == EXIT_INTERRUPTED


def test_prometheus_scrapes_every_service(tmp_path: Path) -> None:
    with endless(tmp_path) as pipeline:
        pipeline.wait_for_frame(30)
        expected = ("hub", "capture/sample", "detector/sample", "classifier/1", "sink")
        for service in expected:
            pipeline.wait_for(lambda m, s=service: m.topic == f"health/{s}")  # type: ignore[misc]
        url = f"http://127.0.0.1:{pipeline.hub.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        for service in expected:
            assert f'affectline_ready{{service="{service}"}} 1.0' in text
        assert 'affectline_messages_total{counter="frames",service="capture/sample"}' in text
        assert 'affectline_latency_seconds{quantile="0.99",service="sink"}' in text
        pipeline.interrupt()
