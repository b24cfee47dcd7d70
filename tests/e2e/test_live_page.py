"""What somebody sees who opens the page of a run, until the run has ended, on any screen."""

import contextlib
import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
import yaml

from affectline.common.settings.hub import HubSettings
from affectline.common.wire.messages import Marker, Packet
from tests.axe import find_violations
from tests.browsers import chromium, free_web_port, open_page, screenshot
from tests.pipelines import Pipeline, run
from tests.publishing import publish_once

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SIZES: Final = {"desk": (1440, 900), "wide": (1920, 1080), "phone": (390, 844)}
CURVES_S: Final = 1.5
"""From opening the page to its first curve."""
LONG: Final = "a very long label of a marker that nobody can read at once, beside another one"
LABELS: Final = ("hard braking", LONG, "lorry")
RED: Final = """() => {
  const probe = document.createElement('i');
  probe.style.color = 'var(--bad)';
  document.body.append(probe);
  const red = getComputedStyle(probe).color;
  probe.remove();
  return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && e.innerText
    && (getComputedStyle(e).color === red || getComputedStyle(e).backgroundColor === red))
    .map((e) => e.innerText);
}"""
"""Whatever is in the colour of what is wrong."""
PLACES: Final = """() => [...document.querySelectorAll('.af-flag')].map((flag) => {
  const { left, right, top, bottom } = flag.getBoundingClientRect();
  return [left, right, top, bottom];
})"""
OVERLAPS: Final = """() => {
  const video = document.querySelector('.af-focus .af-picture').getBoundingClientRect();
  const curves = document.querySelector('.af-chart').getBoundingClientRect();
  return [video.right, curves.left, video.bottom, curves.bottom, innerHeight,
    document.documentElement.scrollWidth, innerWidth];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def write_settings(folder: Path, clips: Path, streams: dict[str, str], *, loop: bool) -> str:
    """Settings of a run with a page; where the page is."""
    port = free_web_port()
    content = {
        "delivery": "live", "pace": "realtime",
        "sources": [
            {"name": name, "source": str(clips / clip), "loop": loop}
            for name, clip in streams.items()
        ],
        "capture": {"rate": 12},
        "biometrics": [{"driver": "synthetic", "subject": "anna"}],
        "sink": {"display": "browser"},
        "dashboard": {"port": port, "sessions": str(folder / "sessions")},
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(content))
    return f"http://127.0.0.1:{port}/"


class Live(NamedTuple):
    """Where a run's page and its hub are."""

    url: str
    hub: str

    def mark(self) -> None:
        """Set some markers: a film that begins again has none of before."""
        for label in LABELS:
            marked = run("mark", label, "--hub", self.hub)
            assert marked.returncode == 0, marked.stderr


@pytest.fixture(scope="module")
def live(clips: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A run of two streams that goes on, with a heart and skin."""
    folder = tmp_path_factory.mktemp("run")
    streams = {"woman": "expressive_woman.mp4", "empty": "no_face.mp4"}
    url = write_settings(folder, clips, streams, loop=True)
    settings = str(folder / "run.yaml")
    with Pipeline(folder / "out", "--config", settings, prefixes=("emotion/woman",)) as pipeline:
        pipeline.wait_for_frame(30, timeout_s=90)
        page_of(url)
        yield Live(url, f"127.0.0.1:{pipeline.hub.port}")
        pipeline.interrupt()


def wait_for_curves(page: Any) -> None:
    page.wait_for_function("(document.querySelector('.af-chart')?.dataset.rows ?? 0) >= 5")


def test_a_marker_with_a_wrong_time_leaves_the_curves(browser: Any, live: Live) -> None:
    in_an_hour = time.time_ns() + 3600 * 10**9
    marker = Packet(Marker(session="s", at=in_an_hour, label="wrong", source="tool"))
    host, _, port = live.hub.partition(":")
    with open_page(browser, live.url) as page:
        wait_for_curves(page)
        assert publish_once(HubSettings(host=host, port=int(port)), marker)
        page.get_by_text("wrong").first.wait_for(state="attached")
        page.wait_for_timeout(2500)  # it is drawn anew every second
        wait_for_curves(page)
        page.reload()
        wait_for_curves(page)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_shows_video_and_curves_and_can_be_read_by_everybody(
    browser: Any, live: Live, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    with open_page(
        browser, live.url, viewport={"width": width, "height": height}, color_scheme=scheme
    ) as page:
        page.locator("[data-stream=woman].af-focus").wait_for()
        wait_for_curves(page)
        live.mark()
        page.locator(".af-flag").first.wait_for()
        screenshot(page, f"page-{size}-{scheme}", full_page=size == "phone")
        page.wait_for_selector(".af-focus .af-picture")
        right, left, bottom, foot, room, whole, inner = page.evaluate(OVERLAPS)
        assert whole <= inner, "nothing is wider than the screen"
        assert bottom < room
        if size != "phone":
            assert right < left, "the curves are beside the video"
            assert foot <= room, "all of them are above the fold"
        found = find_violations(page)
        assert found == [], "\n".join(found)
        assert page.evaluate(RED) == []


def test_the_first_curve_is_there_at_once(browser: Any, live: Live) -> None:
    with open_page(
        browser, live.url
    ) as page:  # the browser and the server have all in their caches
        wait_for_curves(page)
        took: list[float] = []
        while len(took) < 10 and min(took, default=CURVES_S) >= CURVES_S:  # others use the machine
            began = time.monotonic()
            page.reload()
            page.wait_for_function("(document.querySelector('.af-chart')?.dataset.rows ?? 0) > 0")
            took.append(time.monotonic() - began)
        assert min(took) < CURVES_S, took


def test_curves_are_chosen_and_remembered(browser: Any, live: Live) -> None:
    with open_page(browser, live.url) as page:
        wait_for_curves(page)  # now browser and server have everything in their caches
        page.get_by_role("button", name="Nervousness").click()
        page.get_by_role("button", name="Head pose").click()
        page.get_by_role("button", name="Eyes").click()
        wanted = (
            "() => { const said = document.querySelector('.af-chart').ariaLabel;"
            "return said.includes('Head pose, woman') && said.includes('Eyes, woman')"
            "&& !said.includes('Nervousness') }"
        )
        page.wait_for_function(wanted)
        page.reload()
        page.wait_for_function(f"document.querySelector('.af-chart') && ({wanted})()")
        for name, is_shown in (("Nervousness", "false"), ("Eyes", "true")):
            chip = page.get_by_role("button", name=name)
            assert chip.get_attribute("aria-pressed") == is_shown


def test_labels_of_markers_do_not_cover_each_other_and_tell_all_when_hovered(
    browser: Any, live: Live
) -> None:
    with open_page(browser, live.url) as page:
        page.locator(".af-choice select").select_option("5 min")
        live.mark()
        flags = page.locator(".af-flag")
        flags.first.wait_for()
        places = page.evaluate(PLACES)
        for i, (left, right, top, bottom) in enumerate(places):
            for other in places[i + 1 :]:
                apart = right <= other[0] or other[1] <= left or bottom <= other[2]
                assert apart or other[3] <= top, places
        titles = [flag.get_attribute("title") for flag in flags.all()]
        assert any(title.endswith(LONG) for title in titles), titles
        listed = page.get_by_role("list", name="Markers")
        for label in LABELS:
            listed.get_by_text(label).first.wait_for()


def test_another_stream_is_brought_into_focus(browser: Any, live: Live) -> None:
    with open_page(browser, live.url) as page:
        wait_for_curves(page)  # now browser and server have everything in their caches
        page.get_by_role("button", name="empty").click()
        page.locator("[data-stream=empty].af-focus").wait_for()
        page.wait_for_function("!document.querySelector('.af-chart').ariaLabel.includes('woman')")
        assert "Heart rate, anna" in page.locator(".af-chart").get_attribute("aria-label")


def test_a_run_that_has_ended_leaves_its_page_with_what_can_be_done_next(
    browser: Any, clips: Path, tmp_path: Path
) -> None:
    url = write_settings(tmp_path, clips, {"woman": "expressive_woman.mp4"}, loop=False)
    out = tmp_path / "sessions" / "drive"
    out.parent.mkdir()
    settings = ("--config", str(tmp_path / "run.yaml"), "--record")
    with Pipeline(out, *settings, prefixes=("stream/",)) as pipeline:
        page_of(url)
        with open_page(browser, url, viewport={"width": 1440, "height": 900}) as page:
            page.get_by_role("region", name="Finished").wait_for()
            page.get_by_text("ended", exact=True).wait_for()
            page.locator(".af-health summary").get_by_text("finished").wait_for()
            page.wait_for_timeout(4_000)  # by then processes that are gone would be missed
            assert page.evaluate(RED) == []
            assert page.locator(".af-stale").count() == 0, "it keeps what it showed"
            page.evaluate("document.querySelector('.af-health').open = true")
            assert page.get_by_role("row", name="classifier/1").get_by_text("ended").is_visible()
            page.evaluate("document.querySelector('.af-health').open = false")
            assert find_violations(page) == []
            screenshot(page, "page-finished")
            with page.context.expect_page() as opened:
                page.get_by_role("link", name="Open report").click()
            opened.value.get_by_role("heading", name="About this report").wait_for()
            opened.value.close()
            with page.expect_download() as download:
                page.get_by_role("link", name="Export tables").click()
            archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
            assert "drive/emotions.csv" in archive.namelist()
            assert page.get_by_role("region", name="Finished").get_by_text("Replay").count() == 1
            assert pipeline.process.poll() is None, "somebody looks at it"
        stdout, _ = pipeline.process.communicate(timeout=90)
    assert pipeline.process.returncode == 0, pipeline.log()
    assert '"frames"' in stdout
    lines = (tmp_path / "sessions" / "audit.jsonl").read_text()
    assert "session exported" in lines


def test_a_page_whose_run_was_stopped_says_so_in_black(
    browser: Any, clips: Path, tmp_path: Path
) -> None:
    url = write_settings(tmp_path, clips, {"man": "smiling_man.mp4"}, loop=True)
    with Pipeline(
        tmp_path / "out", "--config", str(tmp_path / "run.yaml"), prefixes=("emotion/",)
    ) as pipeline:
        pipeline.wait_for_frame(5, timeout_s=90)
        page_of(url)
        with open_page(browser, url) as page:
            page.wait_for_selector("canvas[data-seq]")
            pipeline.interrupt()
            page.get_by_text(re.compile("Affectline was stopped")).wait_for()
            assert page.evaluate(RED) == []


def page_of(url: str, timeout_s: float = 60.0) -> None:
    """Wait until a page is served."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{url}style/style.css", timeout=5)
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody answers at {url}")
