"""The dashboard in a real browser, with messages that the tests publish."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from affectline.common.clock import now_ns
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.face_signs import Blink
from affectline.common.wire.messages import EXAMPLE_SIGNS, Marker, StreamDone, StreamEnd
from affectline.services.sessions.catalog import describe
from tests.browsers import chromium, open_page, screenshot
from tests.dashboards import EPOCH, LiveDashboard, brightness, distribution, health
from tests.recordings import write_recording

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ENDS = (StreamEnd.example(), StreamDone.example())
EVIL = '<img src=x onerror="window.hacked=1">'
STALE = "[data-stream=cam].af-stale"
"""A picture that is not one of now is gray."""
TEN_S = 10_000_000_000
PLACES = """async () => {
  const { echarts } = await import('nicegui-echart');
  const chart = echarts.getInstanceByDom(document.querySelector('.af-chart'));
  return chart.getOption().series.filter((one) => one.markLine).map((one) =>
    one.markLine.data.map((line) =>
      chart.convertToPixel({ xAxisIndex: one.xAxisIndex }, line.xAxis)));
}"""
"""Where each marker is on each row of the curves, in pixels from the left."""
SCREEN = """() => {
  const canvas = document.querySelector('canvas');
  const [red] = canvas.getContext('2d').getImageData(600, 300, 1, 1).data;
  const bars = [...document.querySelectorAll('.af-bars dd')].map((dd) => Number(dd.dataset.share));
  return [Number(canvas.dataset.seq), red, bars];
}"""
"""What is on the screen at one moment: number, brightness, bars."""
INK = """async (name) => {
  const { echarts } = await import('nicegui-echart');
  const box = document.querySelector('.af-chart');
  const option = echarts.getInstanceByDom(box)?.getOption();
  const row = option?.title.findIndex(({ text }) => text.includes(name)) ?? -1;
  if (row < 0) return [];
  const { top, height } = option.grid[row];
  const probe = document.createElement('i');
  probe.style.color = 'var(--heart)';
  box.append(probe);
  const heart = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const canvas = box.querySelector('canvas');
  const ratio = canvas.width / canvas.clientWidth;
  const [wide, first] = [canvas.width, Math.round(top * ratio)];
  const { data } = canvas.getContext('2d').getImageData(0, first, wide, Math.round(height * ratio));
  const columns = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (heart.every((value, j) => Math.abs(value - data[i + j]) < 20)) columns.add(i / 4 % wide);
  }
  return [...columns].map((x) => x / ratio).sort((a, b) => a - b);
}"""
"""Where a row of the curves has the colour of the heart, in pixels from the left."""
BAND = """() => {
  const { data } = document.querySelector('canvas').getContext('2d').getImageData(92, 100, 5, 60);
  const reds = [...data].filter((_, i) => i % 4 === 0);
  return [reds.filter((red) => red > 200).length / reds.length,
    reds.filter((red) => red < 40).length / reds.length];
}"""
"""Of the pixels left of the first face's box: the shares of bright and dark ones."""
SEQ = "() => Number(document.querySelector('canvas')?.dataset.seq ?? -1)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    board = LiveDashboard(tmp_path_factory.mktemp("board"))
    with board.hub_running(), board.serving():
        yield board


def stream_status(page: Any, stream: str = "cam") -> Any:
    return page.locator(f"[data-stream={stream}] .af-status")


def open_health(page: Any) -> None:
    """Have the line on the processes show all of them."""
    page.locator(".af-health summary").click()


def moves(page: Any) -> None:
    """Wait until another picture is shown than now."""
    page.wait_for_selector("canvas[data-seq]")
    now = page.evaluate(SEQ)
    page.wait_for_function(f"({SEQ})() > {now}")


def test_the_status_names_everything_that_is_missing(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        page.get_by_text("no stream has started yet").wait_for()
        screenshot(page, "dashboard-empty")
        board.start()
        stream_status(page).get_by_text("waiting").wait_for()
        with board.showing():
            moves(page)
            stream_status(page).wait_for(state="detached")
        board.publish(health("capture/cam", "degraded", "camera 0 is gone; trying again in 2 s"))
        stream_status(page).get_by_text("no camera").wait_for()
        stream_status(page).get_by_text("trying again in 2 s").wait_for()
        page.wait_for_selector(STALE)
        board.publish(health("capture/cam"))
        with board.showing(lambda: board.show(faces=0)):
            stream_status(page).get_by_text("no face").wait_for()
            assert page.locator(STALE).count() == 0
        with board.showing(lambda: board.show(damaged=True)):
            stream_status(page).get_by_text("could not be decoded").wait_for()
        with board.showing():
            stream_status(page).wait_for(state="detached")


def test_what_is_lost_is_seen(browser: Any, board: LiveDashboard) -> None:
    def heart(**changes: Any) -> Samples:
        about = {"subject": "anna", "signal": "heart_rate", "unit": "/min", "epoch": 1, "seq": 0}
        beat = {"at": now_ns(), "offsets": (0,), "values": (62.0,)}
        return Samples.model_validate(about | beat | changes)

    def be_well() -> None:
        board.show()
        board.publish(heart())

    def complain() -> None:
        board.publish(
            health("capture/cam", "degraded", "camera 0 is gone; trying again in 2 s"),
            health("biometrics/anna/ble", "degraded", "strap does not answer"),
            heart(values=(250.0,), quality=0.0, reason="no skin contact"),
        )

    with open_page(browser, board.url) as page:
        board.start()
        with board.showing(be_well):
            for _ in range(3):
                moves(page)
        with board.showing(complain):
            open_health(page)
            page.get_by_text("sensor lost: no skin contact").wait_for()
            lost = page.get_by_role("alert")  # beside the curves
            lost.get_by_text("heart rate of anna, no skin contact").wait_for()
            lost.get_by_text("biometrics/anna/ble, strap does not answer").wait_for()
            stream_status(page).get_by_text("no camera").wait_for()
            screenshot(page, "dashboard-lost", full_page=True)
        board.publish(health("capture/cam"))


def test_picture_and_bars_are_always_those_of_one_frame(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        with board.showing():
            for _ in range(10):
                moves(page)
                seq, bright, bars = page.evaluate(SCREEN)
                assert bright == pytest.approx(brightness(seq), abs=2)
                assert bars == pytest.approx(distribution(seq), abs=1e-4)


def test_a_snapshot_is_of_the_picture_on_the_screen_and_says_when_it_fails(
    browser: Any, board: LiveDashboard
) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show()
        seq = board.seq
        page.wait_for_function(f"({SEQ})() === {seq}")

        def be_late(route: Any) -> None:
            for _ in range(8):
                board.show()
            route.continue_()

        page.route("**/snapshot?*", be_late)
        with page.expect_download() as download:
            page.keyboard.press("k")
        with zipfile.ZipFile(download.value.path()) as archive:
            # Recordings are to be blurred here, but nothing is being recorded
            assert sorted(archive.namelist()) == [f"cam-{seq:06d}.jpg", f"cam-{seq:06d}.json"]
        page.get_by_text("downloaded as snapshot-").wait_for()
        page.wait_for_function(f"({SEQ})() === {board.seq}")
        page.route("**/snapshot?*", lambda route: route.abort())
        page.keyboard.press("k")
        page.get_by_text("not downloaded").wait_for()


def test_a_snapshot_is_named_by_the_clock_of_its_browser(
    browser: Any, board: LiveDashboard
) -> None:
    zone = "Pacific/Kiritimati"  # 14 hours ahead of UTC
    with open_page(browser, board.url, timezone_id=zone) as page:
        board.start()
        with board.showing():
            moves(page)
            with page.expect_download() as download:
                page.keyboard.press("k")
    name = download.value.suggested_filename
    taken = datetime.strptime(f"{name[9:24]}+1400", "%Y%m%dT%H%M%S%z")
    assert abs(time.time() - taken.timestamp()) < 120, name


def test_values_next_to_zero_have_no_sign(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show(signs={"valence": -0.004, "arousal": -0.006})
        page.get_by_text("valence +0.00").wait_for()
        page.get_by_text("arousal \N{MINUS SIGN}0.01").wait_for()


def test_the_page_keeps_as_many_markers_as_the_server(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show()
        page.locator(".af-chart canvas").wait_for()
        page.evaluate(
            """async () => {
              const { feed } = await import('affectline-web');
              const at = Date.now() - 1000;
              const markers = Array.from({ length: 300 }, (_, i) => ({ at, label: `m${i}` }));
              const points = [[at - 1000, 0, 0, 0], [at + 1000, 0, 0, 0]];
              const series = { 'pose/cam': { points } };
              feed.emit('curves', { reset: false, zero: null, series, markers });
            }"""
        )
        page.wait_for_function("document.querySelector('.af-chart').dataset.markers === '200'")


def test_a_doubted_face_is_hatched_and_says_why(browser: Any, board: LiveDashboard) -> None:
    doubts: tuple[str, ...] = ()

    def act() -> None:
        signs = EXAMPLE_SIGNS | {"doubts": doubts, "blink": Blink(at=now_ns(), duration_ms=167.0)}
        board.show(signs=signs if board.seq % 80 == 0 else signs | {"blink": None})
        board.publish(State.example().model_copy(update={"at": now_ns()}))

    with open_page(browser, board.url) as page:
        board.start()
        with board.showing(act):
            page.wait_for_function("document.querySelector('.af-chart')?.dataset.rows > 0")
            page.wait_for_function(f"({BAND})()[1] === 0")
            page.locator(".af-choice select").select_option("30 s")
            page.wait_for_timeout(1_500)
            doubts = ("speaking", "dark")
            page.locator(".af-face .af-doubt").get_by_text(
                "not to be trusted: speaking, dark"
            ).wait_for()
            page.wait_for_function("document.querySelector('.af-chart').dataset.doubts > 0")
            listed = page.get_by_role("list", name="Stretches not to be trusted")
            listed.get_by_text("speaking, dark").first.wait_for()
            face = page.locator("[data-face='cam/1']")
            for text in ("12° to their right", "left 94%, right 90% open", "not calibrated"):
                face.get_by_text(text).wait_for()
            driver = page.locator("[data-subject=driver]")
            driver.get_by_text("not validated on drivers").wait_for()
            driver.get_by_text("away for 1.2 s").wait_for()
            bright, dark = page.evaluate(BAND)
            assert min(bright, dark) > 0.2
            page.wait_for_timeout(1_500)
            screenshot(page, "dashboard-signs", full_page=True)
            doubts = ()
            page.locator(".af-face .af-doubt").wait_for(state="detached")
            page.wait_for_function(f"({BAND})()[1] === 0")


def test_a_marker_is_at_the_same_place_on_all_curves(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show()
        at = (now_ns() // TEN_S + 1) * TEN_S  # the label of this time is at the very edge
        same: dict[str, Any] = {"subject": "ben", "at": at}
        board.publish(
            Samples(
                **same, signal="heart_rate", unit="/min", epoch=1, seq=0, offsets=(0,), values=(62,)
            ),
            State(**same, nervousness=12.0),
            Marker(session="s", at=at - TEN_S, label="brake"),
        )
        page.get_by_role("list", name="Markers").get_by_text("brake").wait_for()
        page.wait_for_function("document.querySelector('.af-chart').dataset.rows >= 3")
        rows = page.evaluate(PLACES)
        assert len(rows) >= 3
        assert rows[0]
        assert all(row == pytest.approx(rows[0], abs=0.1) for row in rows), rows


def test_slow_sensors_are_drawn_and_their_gaps_are_left_open(
    browser: Any, board: LiveDashboard
) -> None:
    now = now_ns()

    def publish(subject: str, *seconds: float) -> None:
        board.publish(*(
            Samples(
                subject=subject, signal="heart_rate", unit="/min", epoch=1, seq=seq,
                at=now + round(second * 1e9), offsets=(0,), values=(60 + seq % 2,),
            )
            for seq, second in enumerate(seconds)
        ))  # fmt: skip

    publish("slow", *range(-40, 0, 4))
    publish("lost", *range(-40, -30), *range(-10, 0))
    publish("once", -1)
    with open_page(browser, board.url) as page:
        page.wait_for_function(f"async () => (await ({INK})('once')).length")
        slow, lost, once = (page.evaluate(INK, name) for name in ("slow", "lost", "once"))
    widest = [max(b - a for a, b in pairwise(columns)) for columns in (slow, lost)]
    assert slow[-1] - slow[0] > 200, "one line"
    assert widest[0] < 3, "one line"
    assert widest[1] > 50, "nothing where the sensor was lost"
    assert once[-1] - once[0] < 8, "a dot"


def test_without_a_curve_to_show_nothing_is_left_of_the_last_one(
    browser: Any, board: LiveDashboard
) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.start("wall")
        board.show()
        board.show("wall", faces=0)
        canvas = page.locator(".af-chart canvas")
        canvas.wait_for()
        chips = page.get_by_role("group", name="Curves").get_by_role("button")
        for chip in chips.all():
            if chip.get_attribute("aria-pressed") == "true":
                chip.click()
        page.get_by_text("All curves are hidden.").wait_for()
        canvas.wait_for(state="detached")
        screenshot(page, "curves-hidden")
        page.get_by_role("button", name="Expression").click()
        canvas.wait_for()
        page.get_by_role("button", name="wall", exact=True).click()
        canvas.wait_for(state="detached")
        page.get_by_role("button", name="cam", exact=True).click()
        canvas.wait_for()
    end_stream(board, "wall")


def test_another_run_shows_nothing_of_the_last(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show()
        board.publish(Marker(session="s", at=now_ns(), label="of the last run"))
        page.wait_for_selector("[data-stream=cam] canvas[data-seq]")
        page.wait_for_function("document.querySelector('.af-chart').dataset.rows > 0")
        page.get_by_role("list", name="Markers").get_by_text("of the last run").wait_for()
        end_stream(board, "cam")
        page.get_by_role("region", name="Finished").wait_for()
        page.get_by_role("button", name="Mark (M)").click()
        page.get_by_text("has finished: start the next one").wait_for()
        board.start("next")
        page.wait_for_selector("[data-stream=next]")
        page.wait_for_selector("[data-stream=cam]", state="detached")
        page.get_by_text("Curves appear with the first face or signal.").wait_for()
        page.get_by_role("list", name="Markers").wait_for(state="detached")
        page.get_by_role("region", name="Finished").wait_for(state="hidden")
        end_stream(board, "next")
    with open_page(browser, board.url) as page:
        board.start()
        page.wait_for_selector("[data-stream=next]", state="detached")


def end_stream(board: LiveDashboard, stream: str) -> None:
    about = {"stream": stream, "epoch": EPOCH}
    board.publish(*[one.model_copy(update=about) for one in ENDS])


def is_recorded(board: LiveDashboard, folder: str) -> None:
    """Wait until a recorder has begun its file: one that is stopped before leaves none."""
    deadline = time.monotonic() + 30
    while not (board.sessions / folder / "session.mcap").exists():
        board.show()
        assert time.monotonic() < deadline, f"{folder} is not recorded"
        time.sleep(0.1)


def test_nothing_that_anybody_typed_is_markup(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        board.start()
        board.show()
        page.wait_for_selector("canvas[data-seq]")
        board.publish(
            Marker(session="s", at=now_ns(), label=EVIL, source=EVIL),
            health("capture/cam", "degraded", EVIL),
            health("detector/cam", "degraded", EVIL),
        )
        page.get_by_role("list", name="Markers").get_by_text(EVIL).wait_for()
        stream_status(page).get_by_text(EVIL).wait_for()
        open_health(page)
        page.get_by_role("row", name="detector/cam").get_by_text(EVIL).wait_for()
        page.get_by_role("button", name="Record").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name of the session").fill(EVIL)
        dialog.get_by_label("Consent").fill(EVIL)
        dialog.get_by_role("button", name="Start recording").click()
        page.get_by_text(
            re.compile(r"^recording img-src-x-onerror-window.hacked-1, 0:0")
        ).wait_for()
        is_recorded(board, "img-src-x-onerror-window.hacked-1")
        page.get_by_role("button", name="Stop recording").click()
        row = page.locator("[data-session='img-src-x-onerror-window.hacked-1']")
        row.get_by_text(EVIL, exact=True).wait_for()
        for name, folder in (("../outside", "outside"), (".hidden", "hidden"), ("a/b", "a-b")):
            page.get_by_role("button", name="Record", exact=True).click()
            dialog.get_by_label("Name of the session").fill(name)
            dialog.get_by_label("Consent").fill("yes")
            dialog.get_by_role("button", name="Start recording").click()
            page.get_by_text(f"Recording {name} into the folder {folder}.").wait_for()
            page.get_by_text(re.compile(rf"^recording {folder}, 0:0")).wait_for()
            is_recorded(board, folder)
            page.get_by_role("button", name="Stop recording").click()
            page.locator(f"[data-session={folder}]").wait_for()
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() == 0
    others = [p.name for p in board.sessions.parent.iterdir() if p != board.sessions]
    assert others == ["board.yaml"]
    folders = {p.name for p in board.sessions.iterdir() if p.is_dir()}
    assert folders == {"outside", "hidden", "a-b", "img-src-x-onerror-window.hacked-1"}
    shutil.rmtree(board.sessions)


def test_a_page_that_stalls_costs_nothing_but_its_own_picture(
    browser: Any, board: LiveDashboard
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(open_page(browser, board.url))
        stalled = stack.enter_context(open_page(browser, board.url))
        stack.enter_context(board.showing())
        moves(one)
        moves(stalled)
        debugger = stalled.context.new_cdp_session(stalled)
        debugger.send("Debugger.enable")
        debugger.send("Debugger.pause")
        for _ in range(3):
            moves(one)
        debugger.send("Debugger.disable")
        moves(stalled)


def test_a_page_finds_its_server_again(browser: Any, board: LiveDashboard) -> None:
    board_2 = LiveDashboard(board.sessions.parent / "again")
    with ExitStack() as stack:
        stack.enter_context(board_2.hub_running())
        dashboard = stack.enter_context(board_2.serving(stdout=subprocess.DEVNULL))
        board_2.start()
        stack.enter_context(board_2.showing())
        page = stack.enter_context(open_page(browser, board_2.url))
        moves(page)
        dashboard.send_signal(signal.SIGKILL)
        page.get_by_text("Disconnected from the server. Reconnecting.").wait_for()
        screenshot(page, "dashboard-reconnecting")
        stack.enter_context(board_2.serving(stdout=subprocess.DEVNULL))
        page.get_by_text("Disconnected from the server. Reconnecting.").wait_for(state="detached")
        moves(page)


def test_what_a_recording_requires_is_red_while_it_is_not_there(
    browser: Any, tmp_path: Path
) -> None:
    needing = LiveDashboard(tmp_path / "needing", require=["cam", "anna/heart_rate"])
    with needing.hub_running(), needing.serving(stdout=subprocess.DEVNULL):
        needing.start()
        with needing.showing(), open_page(browser, needing.url) as page:
            missing = page.get_by_text("missing: anna/heart_rate", exact=True)
            missing.wait_for()
            assert missing.evaluate("e => getComputedStyle(e).color") == page.evaluate(
                "() => { const e = document.createElement('i'); e.style.color = 'var(--bad)';"
                "document.body.append(e); return getComputedStyle(e).color }"
            )
            screenshot(page, "dashboard-required")
            page.get_by_role("button", name="Record").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Consent").fill("Anna, in writing")
            dialog.get_by_role("button", name="Start recording").click()
            dialog.get_by_text("anna/heart_rate: missing, and required").wait_for()
            heart = Samples(
                subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=now_ns(),
                rate=1.0, values=(70.0,),
            )  # fmt: skip
            needing.publish(heart)
            missing.wait_for(state="hidden")


def test_every_control_is_reached_by_keyboard_and_seen_to_be(
    browser: Any, board: LiveDashboard
) -> None:
    with open_page(browser, board.url) as page:
        page.get_by_text("Snapshot (K)").wait_for()
        reached, outlines = [], []
        for _ in range(12):
            page.keyboard.press("Tab")
            about = page.evaluate(
                "() => { const e = document.activeElement, f = e.closest('.q-field__control') ?? e;"
                "return [e.innerText || e.ariaLabel || e.tagName, getComputedStyle(f).outlineStyle,"
                "getComputedStyle(f).outlineWidth] }"
            )
            reached.append(re.sub(r"\s+", " ", about[0]))
            outlines.append((about[1], about[2]))
            if "Record" in reached[-1]:
                break
        wanted = ("Snapshot (K)", "Label of the next marker", "Mark (M)", "Record")
        assert all(any(name in text for text in reached) for name in wanted), reached
        assert all(style == "solid" and width == "3px" for style, width in outlines), outlines
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_label("Name of the session").wait_for()
        page.get_by_role("dialog").get_by_text("faces pixelated").wait_for()  # as in the settings
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="hidden")


def test_operators_come_in_by_the_form_and_go_again(browser: Any, tmp_path: Path) -> None:
    """With TLS and on this machine's own address, as where several people have an account."""
    board = LiveDashboard(tmp_path / "shared", tls=True, ask_token=True)
    keys = {"AFFECTLINE_KEYS": str(tmp_path / "keys")}
    with board.hub_running(), board.serving(env=os.environ | keys):
        token = (board.sessions / ".dashboard-token").read_text().strip()
        viewer = (board.sessions / ".dashboard-token-viewer").read_text().strip()
        drive = write_recording(board.sessions / "drive")
        for path in (*drive.iterdir(), drive):
            os.utime(path, (0, 0))  # nobody is writing it any more
        with open_page(browser, board.url, ignore_https_errors=True) as page:
            log_in(page, "guess")
            page.get_by_role("alert").get_by_text("That token is wrong.").wait_for()
            screenshot(page, "dashboard-login")
            log_in(page, token)
            page.get_by_role("alert").get_by_text("Not checked").wait_for()
            page.wait_for_timeout(1100)  # the delay itself
            log_in(page, token)
            page.get_by_role("button", name="Delete: drive").click()
            page.get_by_role("button", name="Delete it").click()
            page.locator("[data-session=drive]").wait_for(state="detached")
            other = page.context.new_page()
            other.goto(board.url)
            other.get_by_role("button", name="Log out").click()
            other.get_by_label("Token").wait_for()
            page.get_by_label("Token").wait_for()  # the page that was open as well
            look_on(page, board, viewer)
        lines = (board.sessions / "audit.jsonl").read_text().splitlines()
        audit = [json.loads(line) for line in lines]
    assert [(line["who"].split()[0], line["did"]) for line in audit] == [
        ("operator", "logged in"), ("operator", "session deleted"), ("operator", "logged out"),
        ("viewer", "logged in"),
    ]  # fmt: skip
    assert "drive" not in str(audit), "named by its hash, as in deletions.jsonl"


def log_in(page: Any, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Open").click()


def look_on(page: Any, board: LiveDashboard, token: str) -> None:
    """As a viewer."""
    write_recording(board.sessions / "second")
    log_in(page, token)
    board.start()
    with board.showing():
        moves(page)
        page.keyboard.press("k")
        page.keyboard.press("m")
        page.locator("[data-session=second]").wait_for()
        moves(page)
        screenshot(page, "dashboard-viewer")
    assert page.locator(".af-snapshot").count() == 0
    for name in ("Record", "Snapshot (K)", "Mark (M)", "Replay", "Delete", "Make report"):
        assert page.get_by_role("button", name=name).count() == 0, name
    assert page.get_by_role("link", name="Replay").count() == 0
    page.goto(f"{board.url}replay/second")
    page.get_by_role("alert").get_by_text("viewers may not replay sessions").wait_for()
    assert page.request.get(f"{board.url}replay/second/curves").status == 403
    assert page.get_by_role("button", name="Log out").count() == 1


def test_no_script_of_a_page_runs_that_is_not_its_own(browser: Any, board: LiveDashboard) -> None:
    with open_page(browser, board.url) as page:
        page.get_by_role("button", name="Record").wait_for()
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.hacked = 1";
                document.body.append(script);
                const evil = '<i onclick="window.hacked = 1">x</i>';
                document.body.insertAdjacentHTML("beforeend", evil);
                document.body.lastChild.click();
            }"""
        )
        assert page.evaluate("window.hacked") is None
        assert len(page.problems) == 2, page.problems
        page.problems.clear()


def test_nothing_is_wider_than_a_phone(browser: Any, board: LiveDashboard) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    with open_page(browser, board.url, **phone) as page:
        board.start()
        with board.showing():
            moves(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(20, 23, 26)"


def test_what_a_recording_lacks_is_said_beside_it(browser: Any, board: LiveDashboard) -> None:
    write_recording(board.sessions / "drive", lacking=range(340, 352), frames=472)
    with open_page(browser, board.url) as page:
        row = page.locator("[data-session=drive]")
        row.get_by_text(
            "12 of 472 frames of drive are missing: live delivery does not wait"
        ).wait_for()
        tools = row.get_by_role("link", name="Replay: drive").bounding_box()
        remark = row.locator(".af-remark").first.bounding_box()
        assert remark["y"] >= tools["y"] + tools["height"], "a line of its own below the buttons"
    with open_page(browser, board.url, viewport={"width": 390, "height": 800}) as phone:
        phone.locator("[data-session=drive] .af-remark").first.wait_for()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    shutil.rmtree(board.sessions)


def test_times_of_day_are_those_of_the_browser(browser: Any, board: LiveDashboard) -> None:
    folder = write_recording(board.sessions / "travelled")
    begun = datetime.fromisoformat(describe(folder)["begun"])
    for zone in ("Pacific/Kiritimati", "America/New_York"):
        expected = f"{begun.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
        with open_page(browser, board.url, timezone_id=zone) as page:
            page.locator("[data-session=travelled] .af-about").get_by_text(expected).wait_for()
            screenshot(page, f"times-{zone.replace('/', '-')}", full_page=True)
            page.get_by_role("link", name="Replay: travelled").click()
            page.locator(".af-replay-title small").get_by_text(expected).wait_for()
