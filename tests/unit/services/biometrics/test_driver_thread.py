import threading

from affectline.services.biometrics.driver import LONGEST_PAUSE_S, DeviceGone, Driver, Reading
from affectline.services.biometrics.driver_thread import BATCHES, Batch, DriverThread
from tests.unit.services.biometrics.fakes import START, Markers, Script, Step, beat

GONE = DeviceGone("the strap was taken off")


def make(driver: Driver) -> DriverThread:
    return DriverThread(driver, threading.Event(), lambda: None)


def test_a_device_that_is_gone_is_opened_again_after_growing_pauses() -> None:
    driver = Script(["open", [beat(START)], GONE, *[GONE] * 6, "open", [], [beat(START)], GONE, []])
    feed = make(driver)
    assert (feed.step(), feed.problem) == (0, "")
    pauses = [feed.step() for _ in range(7)]
    assert pauses == [0.5, 1, 2, 4, 8, 8, LONGEST_PAUSE_S]
    assert feed.problem == "the strap was taken off; trying again in 8 s"
    assert driver.closed.is_set()
    assert (feed.step(), bool(feed.problem)) == (0, True)  # it is back, but has said nothing
    assert (feed.step(), feed.problem) == (0, "")
    assert feed.step() == 0.5
    assert driver.counters["lost"] == 2  # once, and once; what failed to open was not lost again


def test_a_program_that_sends_markers_is_back_when_it_is_open_again() -> None:
    feed = make(Markers(["open", [], GONE, GONE, "open", [], []]))
    assert (feed.was_open, feed.step(), feed.was_open) == (False, 0, True)
    assert [feed.step() for _ in range(2)] == [0.5, 1]
    assert (feed.step(), feed.problem) == (0, "")
    assert feed._pause_s == 0.5


def test_a_driver_may_limit_the_pauses() -> None:
    driver = Script([GONE] * 4)
    driver.longest_pause_s = 0.5
    feed = make(driver)
    assert [feed.step() for _ in range(4)] == [0.5] * 4


def test_whatever_a_library_raises_is_reported_and_tried_again() -> None:
    driver = Script(["open", RuntimeError("bus error 5"), "open", [beat(START)]])
    feed = make(driver)
    assert feed.step() == 0.5
    assert feed.problem.startswith("RuntimeError: bus error 5")
    assert feed.step() == 0
    assert feed.exhausted is False
    assert feed.next_batch() == Batch([beat(START)], None)
    assert feed.exhausted
    assert driver.counters["failures"] == 1


def test_a_device_that_cannot_be_closed_is_opened_again_all_the_same() -> None:
    class Stuck(Script):
        def close(self) -> None:
            super().close()
            raise AssertionError("the bus is gone")

    driver = Stuck(["open", [beat(START)], GONE, "open", [beat(START)]])
    feed = make(driver)
    assert [feed.step() for _ in range(2)] == [0, 0.5]
    assert feed.problem.startswith("the strap was taken off")
    assert (feed.step(), feed.problem) == (0, "")
    assert driver.counters["failures"] == 1


def test_a_driver_waits_for_a_stage_that_fetches_nothing() -> None:
    script: list[Step] = ["open"]
    script += [[beat(START + i)] for i in range(BATCHES + 20)]
    driver, woken = Script(script), threading.Semaphore(0)
    feed = DriverThread(driver, threading.Event(), woken.release)
    feed.start()
    for _ in range(BATCHES):
        assert woken.acquire(timeout=10)
    taken: list[Reading] = []
    while not feed.exhausted:
        batch = feed.next_batch()
        taken += batch.readings if batch else []
        if not batch:
            woken.acquire(timeout=10)
    assert [reading.at - START for reading in taken] == list(range(BATCHES + 20))
    feed.join(10)
    assert driver.closed.is_set()


def test_stopping_ends_a_feed_that_waits_for_room() -> None:
    driver, stopping = Script(["open", *([[beat(START)]] * 500)]), threading.Event()
    woken = threading.Semaphore(0)
    feed = DriverThread(driver, stopping, woken.release)
    feed.start()
    for _ in range(BATCHES):
        assert woken.acquire(timeout=10)
    stopping.set()
    feed.join(10)
    assert not feed.is_alive()
    assert driver.closed.is_set()
