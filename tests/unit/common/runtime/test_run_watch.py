"""One run of a pipeline is told from the next, and from one whose hub was restarted."""

from collections.abc import Callable

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.runtime.run_watch import HUNG_S, SILENT_S, RunWatch, describe_lost
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Marker, StreamDone, StreamEnd, StreamStart
from tests.fake_clock import Clock
from tests.samples import AT, EMOTION, EPOCH

FILM = StreamStart.example().model_copy(update={"epoch": EPOCH})
OF_FILM = {"stream": FILM.stream, "epoch": EPOCH}
END = StreamEnd.example().model_copy(update=OF_FILM)
DONE = StreamDone.example().model_copy(update=OF_FILM)
RESTARTED = FILM.model_copy(update={"epoch": EPOCH + 1})
BESIDE = FILM.model_copy(update={"stream": "cam", "epoch": EPOCH + 2})
OTHER = BESIDE.model_copy(update={"session_start": FILM.session_start + 9})
OTHER_EMOTION = EMOTION.model_copy(update={"stream": "cam", "epoch": EPOCH + 2})
AWAY, BACK = RunWatch.lose_hub, RunWatch.find_hub
Step = Message | Callable[[RunWatch], object]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> RunWatch:
    made = RunWatch(HubSettings(), clock)
    made.find_hub()
    return made


def take(watch: RunWatch, *steps: Step) -> None:
    for step in steps:
        if isinstance(step, Message):
            watch.observe(step)
        else:
            step(watch)


@pytest.mark.parametrize(
    ("steps", "is_another"),
    [
        ((FILM, EMOTION, OTHER), False),  # started by hand beside it
        ((FILM, EMOTION, END, OTHER), True),
        ((FILM, EMOTION, END, FILM), False),  # a replay that starts over
        ((FILM, END, BESIDE), False),  # a short film, and a camera that takes its time
        ((FILM, BESIDE, END, EMOTION), False),
        ((FILM, AWAY, BACK, EMOTION), False),
        ((FILM, AWAY, BACK, RESTARTED), False),
        ((FILM, AWAY, BACK, BESIDE, OTHER_EMOTION), False),
        ((FILM, AWAY, BACK, OTHER), True),  # the last run was killed
        ((FILM, AWAY, OTHER, BACK, OTHER_EMOTION), True),
        ((FILM, AWAY, BACK, OTHER_EMOTION), True),  # its start was missed
        ((FILM, END, AWAY, BACK), True),  # its camera may never come
        ((FILM, END, AWAY, FILM, BACK), True),  # the same film, whose date is its start
        ((AWAY, BACK, FILM), False),
    ],
)
def test_another_run_is_one_with_streams_of_its_own(
    watch: RunWatch, steps: tuple[Step, ...], is_another: bool
) -> None:
    take(watch, *steps)
    assert watch.runs == is_another
    assert watch.is_sure


def test_what_was_still_on_its_way_does_not_show_that_the_hub_is_back(watch: RunWatch) -> None:
    take(watch, FILM, AWAY, EMOTION)
    assert not watch.is_sure
    take(watch, BACK)
    assert not watch.is_sure
    take(watch, EMOTION)
    assert watch.is_sure


def problem(watch: RunWatch) -> str:
    try:
        watch.require()
    except AffectlineError as error:
        return error.problem
    return ""


def test_a_pipeline_is_needed_and_a_restart_of_its_hub_is_waited_for(clock: Clock) -> None:
    watch, nobody = RunWatch(HubSettings(), clock), "no hub on tcp://127.0.0.1:5555"
    assert problem(watch) == nobody
    watch.find_hub()
    assert problem(watch) == ""
    clock.now += HUNG_S
    assert problem(watch) == "", "it may hang, and is replaced"
    clock.now += 1
    assert problem(watch) == nobody
    watch.observe(Health.example())
    watch.lose_hub()
    clock.now += SILENT_S
    assert problem(watch) == ""
    clock.now += 0.1
    assert problem(watch) == nobody


def test_a_finished_run_takes_nothing_more(watch: RunWatch) -> None:
    take(watch, FILM, EMOTION, END, DONE.model_copy(update={"by": "fusion"}))
    assert problem(watch) == "", "the sink still writes"
    take(watch, DONE)
    assert problem(watch) == "the run on tcp://127.0.0.1:5555 has finished"
    take(watch, OTHER)
    assert problem(watch) == ""


def test_lost_markers_are_named() -> None:
    markers = [Marker(session="s", at=AT, label=f"trial {i}") for i in range(5)]
    assert describe_lost(markers[:1]) == "not stored: 'trial 0', set when the last run had gone"
    text = "not stored: 'trial 0', 'trial 1', 'trial 2' and 2 more, set when the last run had gone"
    assert describe_lost(markers) == text
