import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from affectline.common import logs
from affectline.common.errors import AffectlineError
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Marker, Packet
from affectline.common.wire.watermark import Watermark
from affectline.services.biometrics.driver import (
    BUTTON,
    EVENTS,
    Clock,
    DeviceGone,
    Driver,
    Event,
    Reading,
)
from affectline.services.biometrics.file_playback import (
    FilePlayback,
    RecordedSignal,
    RecordedSignals,
    regular_times,
)
from affectline.services.biometrics.spec import BiometricsProcess
from affectline.services.biometrics.stage import (
    MAX_UNSENT,
    MOST_BATCHES,
    MOST_UNKEPT,
    Biometrics,
)
from tests.unit.services.biometrics.fakes import START, Markers, Script, Step, beat, settings

Started = Callable[..., Biometrics]


class Bench:
    """A stage with a scripted driver, and what it publishes."""

    def __init__(
        self, driver: Driver, delivery: str = "live", expected: tuple[str, ...] = ()
    ) -> None:
        self.woken = threading.Event()
        process = BiometricsProcess(settings=settings("ble"), consumers=expected)
        self.stage = Biometrics(process, lambda *_: driver)
        self.stage.context = StageContext(
            "biometrics/person/ble", delivery="lossless" if delivery == "lossless" else "live",
            now=lambda: START, wake=self.woken.set,
        )  # fmt: skip
        self.stage.setup()
        self.published: list[Samples] = []

    def tick(self, *, accept: bool = True) -> None:
        for packet in self.stage.tick():
            self.hear(packet, accept=accept)

    def hear(self, packet: Packet, *, accept: bool = True) -> None:
        assert isinstance(packet.message, Samples)
        if accept:
            self.published.append(packet.message)
        else:
            list(self.stage.on_send_failed(packet))

    def run_until(self, reached: Callable[[], bool], *, accept: bool = True) -> None:
        """Tick whenever the stage asks for it."""
        for _ in range(10_000):
            self.woken.clear()
            self.tick(accept=accept)
            if reached():
                return
            assert self.woken.wait(10)
        raise AssertionError("it never came to that")


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(driver: Driver, *arguments: object) -> Bench:
        made.append(Bench(driver, *arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.stage.cleanup()


def test_readings_become_numbered_messages(bench: Callable[..., Bench]) -> None:
    pulse = Reading("heart_rate", "/min", START, (60.0,), offsets=(0,))
    b = bench(Script(["open", [beat(START), pulse], [beat(START + 1)]]))
    b.run_until(lambda: b.stage.done)
    assert [(m.signal, m.seq, m.at - START) for m in b.published] == [
        ("rr_interval", 0, 0), ("heart_rate", 0, 0), ("rr_interval", 1, 1),
    ]  # fmt: skip
    first = b.published[0]
    assert (first.subject, first.device, first.synthetic) == ("person", "scripted", False)
    assert first.epoch == START // 1_000_000
    assert b.stage.context.counters["samples"] == 3


def test_drivers_go_by_the_hubs_time_once_it_is_known() -> None:
    clocks: list[Clock] = []

    def make(_: BiometricsSettings, clock: Clock) -> Driver:
        clocks.append(clock)
        return Script([])

    stage = Biometrics(BiometricsProcess(settings=settings("ble")), make)
    stage.context = StageContext("biometrics/person/ble", now=lambda: START)
    stage.setup()
    stage.context.now = lambda: START + 37  # as the runtime does when the hub has answered
    assert clocks[0].now() == START + 37
    stage.cleanup()


def test_a_press_of_the_devices_button_is_a_marker(bench: Callable[..., Bench]) -> None:
    press = Reading(BUTTON, "1", START, (1.0, 1.0), offsets=(0, 5))
    b = bench(Script(["open", [press, beat(START)]]))
    said: list[Message] = []
    while not b.stage.done:
        b.woken.clear()
        said += [packet.message for packet in b.stage.tick()]
        assert b.stage.done or b.woken.wait(10)
    first, second, _ = said
    assert isinstance(first, Marker)
    assert isinstance(second, Marker)
    assert (first.label, first.at, second.at) == ("button", START, START + 5)
    assert (first.source, first.extra) == ("scripted", {"subject": "person"})


def test_every_message_of_simulated_signals_is_marked(bench: Callable[..., Bench]) -> None:
    driver = Script(["open", [beat(START)], [beat(START)]])
    driver.synthetic = True
    b = bench(driver)
    b.run_until(lambda: b.stage.done)
    assert [m.synthetic for m in b.published] == [True, True]


def test_health_reports_that_a_device_is_lost_and_back(
    bench: Callable[..., Bench], capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[Step] = [
        "open",
        [beat(START)],
        DeviceGone("out of reach"),
        "open",
        [beat(START + 1)],
        [],
    ]
    logs.configure()
    b = bench(Script(steps))
    context = b.stage.context
    seen: set[tuple[str, str]] = set()

    def back() -> bool:
        seen.add((context.state, context.detail))
        return len(b.published) == 2

    b.run_until(back)
    assert ("degraded", "out of reach; trying again in 0.5 s") in seen
    b.run_until(lambda: b.stage.done)
    b.tick()
    assert (context.state, context.detail) == ("ready", "")
    assert context.counters["lost"] == 1
    assert capsys.readouterr().err == (
        "affectline: biometrics/person/ble: out of reach; trying again in 0.5 s\n"
        "affectline: biometrics/person/ble: reading scripted again\n"
    )


def test_a_sensor_is_searched_for_until_it_is_open(bench: Callable[..., Bench]) -> None:
    opening, opened = threading.Event(), threading.Event()

    class Slow(Markers):
        def open(self) -> None:
            opening.set()
            assert opened.wait(10)
            super().open()

    b = bench(Slow(["open", [], [beat(START)]]))
    context = b.stage.context
    assert (context.state, context.detail) == ("ready", "searching")
    b.tick()
    assert opening.wait(10)
    b.tick()
    assert (context.state, context.detail) == ("ready", "searching")
    opened.set()
    b.run_until(lambda: b.stage.done)
    b.tick()
    assert (context.state, context.detail) == ("ready", "")


@pytest.mark.parametrize(("kind", "is_reported"), [(Script, True), (Markers, False)])
def test_only_sensors_are_reported_as_silent(
    bench: Callable[..., Bench], kind: type[Script], is_reported: bool
) -> None:
    b = bench(kind([]))
    thread = b.stage._thread
    assert thread
    thread.was_open = True
    b.stage._last_reading_s -= 60
    b.stage._report_health(thread)
    assert (b.stage.context.state == "degraded") == is_reported
    assert b.stage.context.detail.startswith("nothing from scripted for 60 s") == is_reported


@pytest.mark.parametrize(("kind", "is_said"), [(Markers, True), (Script, False)])
def test_markers_by_the_clock_beside_films_with_other_times_are_warned_about(
    kind: type[Script], is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    process = BiometricsProcess(settings=settings("ble"), films_have_own_times=True)
    stage = Biometrics(process, lambda *_: kind([]))
    stage.context = StageContext("biometrics/person/ble", now=lambda: START)
    stage.setup()
    for _ in range(2):
        stage._say_remarks()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == is_said
    assert not is_said or "markers of scripted have the clock's times" in said[0]
    stage.cleanup()


def test_live_delivery_keeps_what_the_hub_missed_in_order(bench: Callable[..., Bench]) -> None:
    script: list[Step] = [
        "open",
        *([beat(START + i)] for i in range(100)),
        DeviceGone("gone"),
        "open",
        [],
    ]
    driver = Script(script)
    b = bench(driver)
    b.run_until(lambda: b.stage.context.counters["samples"] == 100, accept=False)
    assert b.published == []
    b.run_until(lambda: len(b.published) == 100)
    assert [m.seq for m in b.published] == list(range(100))
    assert b.stage.context.counters["skipped"] == 0


def test_live_delivery_counts_what_it_cannot_keep(bench: Callable[..., Bench]) -> None:
    many = [beat(START + i) for i in range(MAX_UNSENT + 10)]
    b = bench(Script(["open", many, []]))
    b.run_until(lambda: b.stage.context.counters["skipped"] == 10, accept=False)
    b.run_until(lambda: b.stage.done)
    assert [m.seq for m in b.published] == list(range(10, MAX_UNSENT + 10))


def test_lossless_delivery_starts_when_its_consumers_are_there(
    bench: Callable[..., Bench],
) -> None:
    b = bench(Script(["open", [beat(START)]]), "lossless", ("recorder", "fusion"))
    b.tick()
    assert b.stage.context.detail == "waiting for fusion, recorder"
    b.stage.context.ready |= {"recorder", "fusion"}
    b.run_until(lambda: b.stage.done)
    assert len(b.published) == 1


def test_an_error_that_time_does_not_heal_ends_it(bench: Callable[..., Bench]) -> None:
    b = bench(Script([AffectlineError("--file x: is empty", "name another")]))
    with pytest.raises(AffectlineError, match="is empty"):
        b.run_until(lambda: False)


def test_values_that_are_no_numbers_are_counted(bench: Callable[..., Bench]) -> None:
    b = bench(Script(["open", [beat(START, float("nan")), beat(START + 1)]]))
    b.run_until(lambda: b.stage.done)
    b.tick()
    assert [m.values for m in b.published] == [(800.0,)]
    assert b.stage.context.counters["missing"] == 1


def test_stopping_publishes_what_was_read(bench: Callable[..., Bench]) -> None:
    driver = Script(["open", [beat(START)], *[[]] * 100_000])
    b = bench(driver)
    b.woken.clear()
    b.tick()
    assert b.woken.wait(10)
    for packet in b.stage.stop():
        b.hear(packet)
    assert len(b.published) == 1


class Table(FilePlayback):
    """Ten seconds, four samples a second."""

    rows = 40

    def load(self) -> RecordedSignals:
        times = regular_times(0, 4.0, self.rows)
        values = np.arange(float(self.rows))
        return RecordedSignals([RecordedSignal("ppg", "1", times, values, 4.0)], 0)


class LongTable(Table):
    """A minute and forty seconds."""

    rows = 400


class AlignedRun:
    """A table beside a film, at pace fast, and how far each has come."""

    film = "capture/front"

    def __init__(
        self, table: type[Table] = Table, *, loop: bool = False, offset: float = 0.0
    ) -> None:
        process = BiometricsProcess(
            settings=settings("e4", folder="x", loop=loop, offset=offset), pace="fast",
            session_start=START,
            recorded_sources=(self.film, "biometrics/person/e4"),
            ends_with=(self.film, "capture/other") if loop else (),
        )  # fmt: skip
        self.woken = threading.Event()
        self.stage = Biometrics(process, lambda chosen, clock: table(chosen, clock))
        self.stage.context = StageContext("biometrics/person/e4", wake=self.woken.set)
        self.stage.setup()
        self.seconds: list[float] = []
        self.promised: list[Watermark] = []

    def tick(self) -> None:
        for packet in self.stage.tick():
            match packet.message:
                case Watermark() as promise:
                    self.promised.append(promise)
                case Samples() as samples:
                    assert not self.promised or samples.at >= self.promised[-1].at
                    self.seconds.append((samples.at - START) / 1e9)

    def tick_until(self, reached: Callable[[], bool]) -> None:
        for _ in range(1000):
            self.woken.clear()
            self.tick()
            if reached():
                return
            self.woken.wait(0.2)
        raise AssertionError("it never came to that")

    def film_reaches(self, seconds: float, *, ended: bool = False) -> None:
        at = START + round(seconds * 1e9)
        list(self.stage.handle(Packet(Watermark(source=self.film, at=at, ended=ended))))


@pytest.fixture
def aligned() -> Iterator[Callable[..., AlignedRun]]:
    made: list[AlignedRun] = []

    def make(*arguments: type[Table], **given: Any) -> AlignedRun:
        made.append(AlignedRun(*arguments, **given))
        return made[-1]

    yield make
    for one in made:
        one.stage.cleanup()


def test_a_table_keeps_step_with_a_film(aligned: Callable[..., AlignedRun]) -> None:
    run = aligned()
    run.tick_until(lambda: bool(run.promised))
    assert run.seconds == []  # the film is not there yet
    run.film_reaches(0)
    run.tick_until(lambda: len(run.seconds) == 9)
    run.tick()
    assert run.seconds[-1] == 2.0  # as far ahead as a source may be
    run.tick_until(lambda: run.promised[-1].at == START + 2_250_000_000)
    run.film_reaches(5)
    run.tick_until(lambda: len(run.seconds) == 29)
    assert not run.promised[-1].ended


def test_a_table_ends_with_all_its_rows_and_waits_for_the_others(
    aligned: Callable[..., AlignedRun],
) -> None:
    run = aligned()
    run.film_reaches(9)
    run.tick_until(lambda: bool(run.promised and run.promised[-1].ended))
    assert run.seconds == [i / 4 for i in range(40)]
    assert not run.stage.done  # a consumer that is started again shall hear of it
    run.film_reaches(9.5, ended=True)
    assert run.stage.done


def test_a_film_that_has_ended_holds_no_table_up(aligned: Callable[..., AlignedRun]) -> None:
    run = aligned(offset=600)
    run.film_reaches(1, ended=True)
    run.tick_until(lambda: run.stage.done)
    assert (run.seconds[0], run.seconds[-1], len(run.seconds)) == (600, 609.75, 40)


def test_a_table_that_outlasts_the_film_hears_and_is_heard_all_the_time(
    aligned: Callable[..., AlignedRun],
) -> None:
    run = aligned(LongTable)
    run.film_reaches(1, ended=True)
    rows_before = 0

    def has_ended() -> bool:
        nonlocal rows_before
        # Between two calls the process reads what others publish
        assert len(run.seconds) - rows_before <= MOST_BATCHES
        rows_before = len(run.seconds)
        return run.stage.done

    run.tick_until(has_ended)
    assert run.seconds == [i / 4 for i in range(400)]
    assert len(run.promised) >= 400, "a promise after every block"


def test_a_table_waits_for_consumers_that_are_far_behind(
    aligned: Callable[..., AlignedRun],
) -> None:
    run = aligned(LongTable)
    run.stage.context.outbox = outbox = Outbox(run.stage.context.service, ("sink",))
    for seq in range(MOST_UNKEPT + 1):
        late = Samples.example().model_copy(update={"seq": seq, "at": START + seq * 10**9})
        outbox.add(Packet(late), 0.0)
    run.film_reaches(1, ended=True)
    thread = run.stage._thread
    run.tick_until(lambda: thread is not None and thread._batches.full())
    assert run.seconds == []
    outbox.on_kept(Kept(by="sink", prefixes=(), ended=True))
    run.tick_until(lambda: run.stage.done)
    assert len(run.seconds) == 400


def test_while_messages_wait_the_promise_ends_at_the_earliest_of_them(
    aligned: Callable[..., AlignedRun],
) -> None:
    run = aligned(LongTable)
    run.film_reaches(50)
    run.tick_until(lambda: bool(run.seconds))
    at = START + 60 * 10**9
    stage = run.stage
    stage._complete_until = at + 10**9
    stage._unsent.extend(
        stage.to_packets([Reading("ppg", "1", at + i, (1.0,), offsets=(0,)) for i in (7, 5, 9)])
    )
    earliest = min(packet.message.event_time or 0 for packet in stage._unsent)
    (packet,) = stage._announce(ended=True)
    promise = packet.message
    assert isinstance(promise, Watermark)
    assert (promise.at, promise.ended) == (earliest, False)


def test_a_table_that_begins_late_says_so_at_once(aligned: Callable[..., AlignedRun]) -> None:
    run = aligned(offset=600)
    run.film_reaches(0)
    run.tick_until(lambda: bool(run.promised and run.promised[-1].at == START + 600 * 10**9))
    assert run.seconds == []


def test_a_table_over_and_over_ends_where_the_film_ends(
    aligned: Callable[..., AlignedRun],
) -> None:
    run = aligned(loop=True)
    run.film_reaches(0)
    run.tick_until(lambda: bool(run.promised))
    assert run.seconds == []  # it follows: nobody knows yet where the film ends
    run.film_reaches(9)
    run.tick_until(lambda: bool(run.seconds and run.seconds[-1] == 8.75))
    run.film_reaches(12.1)
    run.film_reaches(12.1, ended=True)
    run.tick_until(lambda: run.stage.done)
    assert run.seconds == [i / 4 for i in range(49)]
    assert run.promised[-1].ended


def test_what_the_driver_has_found_out_is_said_once(
    bench: Callable[..., Bench], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    driver = Script(["open", [beat(START)], [beat(START + 1)]])
    driver.remarks.append("sensors.csv: 3 of 158 rows were left out: more cells than columns")
    b = bench(driver)
    b.run_until(lambda: b.stage.done)
    b.tick()
    assert capsys.readouterr().err == (
        "affectline: biometrics/person/ble: "
        "sensors.csv: 3 of 158 rows were left out: more cells than columns\n"
    )


@pytest.mark.parametrize(
    ("rate", "offsets"),
    [(float("nan"), ()), (0.0, ()), (1e6, ()), (1.0, (0,)), (None, ()), (None, (-1,))],
)
def test_samples_without_sound_times_cost_themselves_alone(
    bench: Callable[..., Bench], rate: float | None, offsets: tuple[int, ...]
) -> None:
    wrong = Reading("ecg", "mV", START, (1.0,), rate, offsets)
    b = bench(Script(["open", [wrong, beat(START)]]))
    b.run_until(lambda: b.stage.done)
    assert [m.signal for m in b.published] == ["rr_interval"]
    assert b.stage.context.counters["invalid"] == 1


def test_what_is_said_before_time_began_is_no_marker(bench: Callable[..., Bench]) -> None:
    said = Reading(EVENTS, "1", -5, (1.0,), offsets=(0,), events=(Event("go", {}),))
    b = bench(Script(["open", [said, beat(START)]]))
    b.run_until(lambda: b.stage.done)
    assert b.stage.context.counters["invalid"] == 1
