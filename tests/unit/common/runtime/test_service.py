"""A stage, the runtime and the hub in one process: routes, order, back-pressure and the end."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.runtime import supervision
from affectline.common.runtime.keeping import Keeper
from affectline.common.runtime.service import ServiceRunner
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.runtime.supervision import BEAT_S, SupervisorLink
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.health import ENDED, Health
from affectline.common.wire.messages import (
    Emotion,
    Faces,
    Frame,
    Marker,
    Packet,
    Resend,
    Scores,
    StreamEnd,
)
from tests.in_process import InProcessPipeline
from tests.samples import FACES, FRAME, PACKETS

JPEG = b"\xff\xd8\xff\xd9"


class Splitter(Stage):
    """Sends the face of a frame to the work queue, and says what came back."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Faces: "work_queue", Marker: "bus"}
    stream = "drive"

    @on(Frame, newest_only=True)
    def on_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
        faces = FACES.model_copy(update={"seq": packet.message.seq})
        yield Packet(faces, PACKETS["Faces"].parts)

    @on(Scores)
    def on_scores(self, packet: Packet[Scores]) -> Iterator[Packet]:
        yield Packet(Marker(session="s", at=1, label=f"frame {packet.message.seq}"))

    def on_superseded(self, packet: Packet) -> Iterator[Packet]:
        assert isinstance(packet.message, Frame)
        yield Packet(Marker(session="s", at=1, label=f"skipped {packet.message.seq}"))


class Worker(Stage):
    """Answers faces from the work queue."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Scores: "bus"}

    @on(Faces, route="work_queue")
    def on_faces(self, packet: Packet[Faces]) -> Iterator[Packet]:
        answer = {"seq": packet.message.seq, "epoch": packet.message.epoch}
        yield Packet(PACKETS["Scores"].message.model_copy(update=answer))


class Ending(Stage):
    """Ends by itself with the stream."""

    is_over = False

    @on(StreamEnd)
    def on_end(self, packet: Packet[StreamEnd]) -> Iterable[Packet]:
        self.is_over = True
        return ()

    @property
    def done(self) -> bool:
        return self.is_over


def frame(seq: int, stream: str = "drive") -> Packet[Frame]:
    return Packet(FRAME.model_copy(update={"seq": seq, "stream": stream}), (JPEG,))


def test_work_goes_through_the_queue_and_answers_come_back_over_the_bus() -> None:
    with InProcessPipeline() as pipeline:
        pipeline.start(Worker(), "classifier/1")
        pipeline.start(Splitter(), "detector/drive")
        for seq in range(20):
            pipeline.publish(frame(seq))
            pipeline.publish(frame(seq, "drive-2"))  # whose topic begins alike
        labels = [pipeline.wait_for(Marker).message.label for _ in range(20)]
    assert labels == [f"frame {seq}" for seq in range(20)]


class Careful(Stage):
    """Sends again what consumers lack only when it may."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Marker: "bus"}
    tick_ms = 10
    may = False

    @property
    def may_send_again(self) -> bool:
        return self.may


def test_what_is_kept_is_sent_again_when_the_stage_allows_it() -> None:
    class Reader(Stage):
        """A consumer that is back: it lacks the marker."""

        def setup(self) -> None:
            self.context.keeper = Keeper("sink", ("marker/",), "live")

        @on(Marker)
        def on_marker(self, _: Packet[Marker]) -> Iterable[Packet]:
            self.context.counters["read"] += 1
            return ()

    with InProcessPipeline("live") as pipeline:
        careful = Careful()
        runner = pipeline.start(careful, "remote")
        assert runner.context.outbox
        runner.context.outbox._find("sink")
        runner.context.outbox.add(PACKETS["Marker"], 0.0)
        reader = pipeline.start(Reader(), "sink")
        while "sink" not in runner.context.ready:
            pipeline.wait_for(Health)
        assert reader.context.counters["read"] == 0
        careful.may = True
        runner.wakeup.wake()
        while reader.context.counters["read"] == 0:
            pipeline.wait_for(Health)


def test_a_stage_that_is_done_ends_with_exit_code_0_and_has_published_its_health() -> None:
    with InProcessPipeline() as pipeline:
        runner = pipeline.start(Ending(), "sink")
        assert pipeline.wait_for(Health).message.service in ("sink", "hub")
        pipeline.publish(PACKETS["StreamEnd"])
        assert pipeline.join("sink") == 0
        assert runner.context.counters["in"] == 1


def test_the_last_health_says_that_a_process_has_ended_unless_it_failed() -> None:
    class Refused(Ending):
        def cleanup(self) -> None:
            raise AffectlineError("a.mp4: cannot be completed", "make room")

    with InProcessPipeline() as pipeline:
        refused = ServiceRunner(Refused(), "recorder/a", pipeline.hub, "live", pipeline.sockets)
        refused.wakeup.stopping = True
        with pytest.raises(AffectlineError, match="completed"):
            refused.run()
        pipeline.start(Ending(), "sink")
        pipeline.publish(PACKETS["StreamEnd"])
        last = pipeline.wait_for(Health).message
        while last.detail != ENDED:
            last = pipeline.wait_for(Health).message
        assert last.service == "sink"
        assert pipeline.join("sink") == 0


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_only_in_live_delivery_is_a_frame_passed_over_for_a_newer_one(delivery: Delivery) -> None:
    class Slow(Splitter):
        def __init__(self) -> None:
            self.entered, self.may_continue = threading.Event(), threading.Event()

        @on(Frame, newest_only=True)
        def on_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
            self.entered.set()
            assert self.may_continue.wait(10)
            yield Packet(Marker(session="s", at=1, label=f"frame {packet.message.seq}"))

    stage = Slow()
    with InProcessPipeline(delivery) as pipeline:
        runner = pipeline.start(stage, "detector/drive")
        pipeline.publish(frame(0))
        assert stage.entered.wait(10)
        for seq in (1, 2, 3):
            pipeline.publish(frame(seq))
        pipeline.publish(PACKETS["Marker"])
        while pipeline.wait_for(Marker).message.label != "hard braking":
            pass  # all frames have passed the hub now
        receiver = runner.receivers[-1].socket
        while not receiver.poll(0):
            pass
        stage.may_continue.set()
        labels = [pipeline.wait_for(Marker).message.label for _ in range(4)]
    if delivery == "live":
        assert labels == ["frame 0", "skipped 1", "skipped 2", "frame 3"]
    else:
        assert labels == ["frame 0", "frame 1", "frame 2", "frame 3"]


class Flood(Ending):
    """Publishes for longer than the supervisor waits, in one go."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Marker: "bus"}

    def __init__(self, now: list[float]) -> None:
        self._now = now

    def tick(self) -> Iterator[Packet]:
        for _ in range(20 if not self.is_over else 0):
            self._now[0] += BEAT_S
            yield Packet(Marker(session="s", at=1, label="x"))
        self.is_over = True


def test_a_stage_that_publishes_for_long_still_answers_the_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    beats: list[float] = []
    monkeypatch.setattr(supervision, "monotonic", lambda: now[0])
    monkeypatch.setattr(SupervisorLink, "beat", lambda _: beats.append(now[0]))
    with InProcessPipeline("lossless") as pipeline:
        pipeline.start(Flood(now), "sink")
        assert pipeline.join("sink") == 0
    assert sorted({at for at in beats if at > 1000}) == [1000 + i * BEAT_S for i in range(1, 21)]


def test_subscriptions_follow_from_the_handlers() -> None:
    assert Splitter().subscriptions == ("frame/drive", "scores/drive")
    assert not Splitter().uses_work_queue
    assert Worker().subscriptions == ()
    assert Worker().uses_work_queue
    assert Ending().subscriptions == ("stream/",)


def test_the_handler_of_the_nearest_base_is_called_and_the_rest_is_passed_over() -> None:
    class Base(Stage):
        handled: ClassVar[list[str]] = []

        @on(Emotion, Resend)
        def on_two(self, packet: Packet[Message]) -> Iterable[Packet]:
            self.handled.append(f"base {type(packet.message).__name__}")
            return ()

    class Derived(Base):
        @on(Emotion)
        def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
            self.handled.append("derived Emotion")
            return ()

    for name in ("Emotion", "Resend", "Marker"):
        list(Derived().handle(PACKETS[name]))
    assert Base.handled == ["derived Emotion", "base Resend"]


def test_a_failure_without_a_supervisor_is_raised_and_everything_is_closed() -> None:
    class Failing(Stage):
        closed = False

        def setup(self) -> None:
            raise AffectlineError("no camera", "plug one in")

        def cleanup(self) -> None:
            Failing.closed = True

    from affectline.common.runtime.service import run_service
    from affectline.common.settings.hub import HubSettings

    with pytest.raises(AffectlineError, match="no camera: plug one in"):
        run_service(Failing(), "capture/x", HubSettings(port=1), "live")
    assert Failing.closed


@pytest.mark.parametrize("is_first", [True, False])
def test_what_fails_first_is_reported_and_a_failed_clean_up_too(is_first: bool) -> None:
    class Film(Stage):
        done = True

        def setup(self) -> None:
            if not is_first:
                raise AffectlineError("a.mp4: the disk is full", "make room")

        def cleanup(self) -> None:
            raise AffectlineError("a.mp4: cannot be completed", "make room")

    with InProcessPipeline() as pipeline:
        runner = ServiceRunner(Film(), "sink", pipeline.hub, "live", pipeline.sockets)
        with pytest.raises(AffectlineError, match="completed" if is_first else "full") as raised:
            runner.run()
    assert raised.value.__context__ is None, "one line, not two tracebacks"


class Disk(Stage):
    """Keeps markers, and is asked to stop while it is busy with the first of them."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.is_free = threading.Event()
        self.wakeup: WakeupPipe | None = None

    def setup(self) -> None:
        self.context.keeper = Keeper(self.context.service, ("marker/",), self.context.delivery)

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        self.labels.append(packet.message.label)
        assert self.is_free.wait(10)
        assert self.wakeup
        self.wakeup.stopping = True
        return ()


def test_what_has_arrived_before_the_stop_is_kept() -> None:
    disk = Disk()
    with InProcessPipeline("live") as pipeline:
        disk.wakeup = pipeline.start(disk, "recorder/anna").wakeup
        for number in range(200):
            pipeline.publish(Packet(Marker(session="s", at=number, label=f"trial {number}")))
        while pipeline.wait_for(Marker).message.at < 199:
            pass  # the hub has passed all of them on
        disk.is_free.set()
        assert pipeline.join("recorder/anna") == 0
    assert disk.labels == [f"trial {number}" for number in range(200)]


class Unhurried(Stage):
    """Would wait for hours for further markers, if nothing woke it."""

    gather_ms = 10_000_000

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.has_last = threading.Event()

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        self.labels.append(packet.message.label)
        if packet.message.label == "last":
            self.has_last.set()
        return ()


def test_a_stage_that_gathers_waits_for_more_but_not_if_many_are_waiting() -> None:
    stage = Unhurried()
    labels = [*(f"trial {number}" for number in range(900)), "last"]
    with InProcessPipeline("live") as pipeline:
        runner = pipeline.start(stage, "recorder/anna")
        for number, label in enumerate(labels):
            pipeline.publish(Packet(Marker(session="s", at=number, label=label)))
        while pipeline.wait_for(Marker).message.label != "last":
            pass  # the hub has passed all of them on
        assert not stage.labels
        woken = 0
        while not stage.has_last.wait(0.2):
            runner.wakeup.wake()
            woken += 1
    assert stage.labels == labels
    assert 1 <= woken < 5, "a hundred are read at once, and it waited before each hundred"


def test_a_stage_that_gathers_stops_at_once() -> None:
    stage = Unhurried()
    with InProcessPipeline("live") as pipeline:
        runner = pipeline.start(stage, "recorder/anna")
        pipeline.publish(Packet(Marker(session="s", at=1, label="trial 1")))
        while pipeline.wait_for(Marker).message.label != "trial 1":
            pass
        runner.wakeup.stopping = True
        runner.wakeup.wake()
        assert pipeline.join("recorder/anna") == 0
