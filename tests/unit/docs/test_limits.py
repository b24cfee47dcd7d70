"""The limits on the protocol's page are those of the code."""

from pathlib import Path

from affectline.common.runtime import allowance
from affectline.common.runtime.clock_sync import PROBES_AT_ONCE, PROBES_PER_S
from affectline.common.runtime.sockets import MAX_SHORT_BYTES
from affectline.common.vision.decode import MOST_PICTURE_PIXELS, MOST_PIXELS
from affectline.common.wire import codec, screening
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import MOST_COUNTERS
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import MOST_NESTED
from affectline.services.detector.result_buffer import REPEAT_S
from affectline.services.hub import connections, guest_screen, metrics_server, prometheus
from affectline.services.hub.outlet import SUBSCRIPTIONS

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


def row(beginning: str) -> str:
    _, _, limits = PAGE.read_text(encoding="utf-8").partition("## Limits")
    return next(line for line in limits.splitlines() if line.startswith(f"| {beginning}"))


def test_the_limits_of_all_messages() -> None:
    assert screening.AHEAD_NS == 86_400 * 10**9
    assert f"| {screening.MOST_SKIPPED}, and {screening.MOST_PER_SECOND} for" in row("numbers")
    names = row("different topics")
    assert set(screening.MOST_TOPICS.values()) == {64}
    assert f"{screening.MOST_OTHER_TOPICS} of others" in names
    assert f"samples of {screening.MOST_SUBJECTS} people" in names
    assert f"for {screening.FORGOTTEN_S / 60:.0f} minutes" in names
    assert f"nested {MOST_NESTED} deep" in row("lists and maps")
    assert f"| {MOST_COUNTERS}, with" in row("counters")
    assert f"{MOST_PIXELS // 10**6} million" in row("an image")
    assert f"{MOST_PICTURE_PIXELS // 10**6} million for a single picture" in row("an image")
    assert REPEAT_S == 1 / 4
    assert f"{PROBES_AT_ONCE} times at once, then {PROBES_PER_S:.0f} times" in row("the hub's time")


def test_the_longest_headers() -> None:
    longest = {
        kind.__name__
        for kind in message_kinds().values()
        if kind.max_header_bytes == codec.MAX_HEADER_BYTES
    }
    assert longest == {"Emotion", "Faces", "Scores", "Kept"}
    assert (Message.max_header_bytes, Samples.max_header_bytes) == (64 << 10, 128 << 10)


def test_the_limits_of_metrics() -> None:
    assert f"| {prometheus.MOST_SERVICES};" in row("services in the metrics")
    assert prometheus.FORGET_S == 60
    told = f"| {metrics_server.MOST_CONNECTIONS}, for {metrics_server.PATIENCE_S:.0f} s"
    assert told in row("connections to the metrics")


def rates(limits: guest_screen.Limits) -> str:
    a_second = f"{limits.messages_per_s} messages and {int(limits.bytes_per_s) >> 20} MB a second"
    return f"{a_second}, and bursts of {limits.burst_s:.0f} s"


def test_the_limits_of_keys() -> None:
    sensor, operator = guest_screen.SENSOR, guest_screen.OPERATOR
    most = sensor.topics
    names = f"{most} signals, {most} sessions, {most // 2} people"
    assert f"{rates(sensor)}; {names}" in row("a `sensor`")
    assert f"{rates(operator)}; {operator.topics} sessions" in row("an `operator`")
    assert f"| {connections.MOST_WAITING};" in row("connections to a port that have sent nothing")
    assert f"| {connections.MOST_UNREAD_OF_A_PROCESS >> 30} GB," in row("unread data of a process")
    assert f"({connections.MOST_PIPELINE_CONNECTIONS} connections to" in PAGE.read_text(
        encoding="utf-8"
    )
    assert allowance.PACE == 4 / 5


def test_the_limits_of_peers_without_a_key() -> None:
    assert rates(guest_screen.GUESTS) in row("all of them")
    most = guest_screen.GUESTS.topics
    assert f"| {most} signals, {most} sessions, {most // 2} people" in row("names")
    part = row("a part of")
    assert f"{guest_screen.MAX_GUEST_BYTES >> 10} kB" in part
    assert f"{codec.MAX_PART_BYTES >> 20} MB" in part
    assert f"{MAX_SHORT_BYTES >> 10} kB at outlet" in part
    known = connections.MOST_CONNECTIONS, connections.HANDSHAKE_MS // 1000
    assert "| {}, which must complete the handshake within {} s".format(*known) in row(
        "connections to a port"
    )
    unread = connections.MOST_UNREAD_BYTES >> 20, connections.MOST_UNREAD_TOGETHER >> 20
    assert "| {} MB; all connections together {} MB |".format(*unread) in row(
        "unread data of a connection"
    )
    assert f"| {SUBSCRIPTIONS} |" in row("subscriptions")
    assert f"| {connections.PATIENCE_S:.0f} s |" in row("how long")
