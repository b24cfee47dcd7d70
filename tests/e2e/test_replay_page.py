"""The page of a replay in a real browser, over sessions that were really recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import affectline
from affectline.services.sessions.edits import read_edits
from tests.axe import find_violations
from tests.browsers import chromium, open_page, screenshot
from tests.dashboards import LiveDashboard
from tests.pipelines import up

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")
pytest.importorskip("pandas", reason="affectline.open_session needs pandas (the analysis extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PHONE: Final = {
    "viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True,
}  # fmt: skip
DESK: Final = {"viewport": {"width": 1440, "height": 900}}
POSITION: Final = "Number(document.querySelector('{} .af-clock')?.dataset.position)"
POINTS: Final = "Number(document.querySelector('{} .af-plot')?.dataset.points ?? -1)"
SEQ: Final = "Number(document.querySelector('{} canvas[data-seq]')?.dataset.seq ?? -1)"
INK: Final = """(selector) => {
  const canvas = document.querySelector(selector);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return colours.size;
}"""
"""How many colours are on a canvas: of one that is empty, none."""
DRIVE: Final = "[data-session=drive]"


class Recorded:
    """The sessions, and the page that shows them."""

    def __init__(self, board: LiveDashboard) -> None:
        self.board, self.sessions = board, board.sessions

    def url(self, name: str = "drive", beside: str = "") -> str:
        """Address of the page of a replay."""
        return f"{self.board.url}replay/{name}{f'?beside={beside}' if beside else ''}"


def record(folder: Path, film: Path, stream: str, markers: dict[float, str]) -> None:
    """Analyse a film with a simulated heart and skin, and record it."""
    content = {
        "delivery": "lossless", "pace": "fast",
        "sources": [{"name": stream, "source": str(film)}],
        "biometrics": [{"driver": "synthetic", "subject": "anna"}],
        "sink": {"out": str(folder)},
        "recording": {"record": True, "privacy": "everything"},
        "markers": [{"at_s": at, "label": label} for at, label in markers.items()],
        "study": {"participant": "07", "condition": "rain"},
    }  # fmt: skip
    file = folder.parent / f"{folder.name}.yaml"
    file.write_text(yaml.safe_dump(content))
    done = up("--config", str(file))
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def recorded(
    clips: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    board = LiveDashboard(tmp_path_factory.mktemp("replays"))
    board.sessions.mkdir()
    long = "a questionnaire that somebody has given a very long name, about the ride so far"
    markers = {2.0: "start", 9.0: long, 9.4: "hard braking", 14.0: "phone <b>rings</b>"}
    record(board.sessions / "drive", clips / "expressive_woman.mp4", "woman", markers)
    record(board.sessions / "evening", clips / "carphone.mp4", "man", {1.0: "start"})
    with board.hub_running(), board.serving():
        yield Recorded(board)


def at(page: Any, test: str, session: str = DRIVE) -> None:
    """Wait until the position is such, as in ``> 2``."""
    page.wait_for_function(f"{POSITION.format(session)} {test}")


def position(page: Any, session: str = DRIVE) -> float:
    return float(page.evaluate(POSITION.format(session)))


def are_shown(page: Any, session: str = DRIVE) -> None:
    """Wait for curves, the overview and a frame."""
    page.wait_for_function(f"{POINTS.format(session)} > 500")
    page.wait_for_function(f"{SEQ.format(session)} >= 0")


def be_paused(page: Any, session: str = DRIVE) -> None:
    """Pause; the replay may have been left as it is by another test."""
    state = page.locator(f"{session} .af-state")
    play = page.locator(f"{session} .af-play")
    if state.inner_text() == "at the end":
        scrubber(page, session).press("Home")
        page.locator(f"{session} .af-play[aria-label=Pause]").wait_for()
    if play.get_attribute("aria-label") == "Pause":
        play.click()
    state.get_by_text("paused").wait_for()


def scrubber(page: Any, session: str = DRIVE) -> Any:
    return page.locator(session).get_by_role("slider", name="Position in the session")


def still_scrubber(page: Any) -> Any:
    """Where the scrubber is when what is above it has got its place."""
    before = None
    while (box := scrubber(page).bounding_box()) != before:
        before = box
        page.wait_for_timeout(200)
    return box


def click_at(page: Any, share: float, session: str = DRIVE) -> None:
    """Click on the scrubber."""
    box = scrubber(page, session).bounding_box()
    x = box["x"] + 8 + share * (box["width"] - 16)
    page.mouse.click(x, box["y"] + box["height"] / 2)


def test_curves_of_the_whole_session_are_there_at_once(browser: Any, recorded: Recorded) -> None:
    with open_page(browser, recorded.url(), **DESK) as page:
        page.wait_for_function(f"{POINTS.format(DRIVE)} > 500")
        are_shown(page)
        plot = page.locator(f"{DRIVE} .af-plot")
        for name in ("Expression, woman", "Heart rate, anna", "Nervousness, anna"):
            assert name in plot.get_attribute("aria-label")
        page.locator(f"{DRIVE} .af-plot[data-complete=true]").wait_for()
        assert int(scrubber(page).get_attribute("data-points")) > 500
        assert page.evaluate(INK, f"{DRIVE} .af-scrubber canvas") > 10
        page.get_by_text("participant 07 · condition rain").wait_for()
        be_paused(page)
        page.keyboard.press("Space")
        page.locator(f"{DRIVE} .af-play[aria-label=Pause]").wait_for()
        page.keyboard.press("Space")
        page.locator(f"{DRIVE} .af-state").get_by_text("paused").wait_for()
        click_at(page, 0.2)
        settled(page)
        screenshot(page, "replay")
        bottom = scrubber(page).bounding_box()
        assert bottom["y"] + bottom["height"] <= 900, "above the fold"
        page.get_by_role("button", name="Heart rate").click()
        page.wait_for_function(
            "!document.querySelector('.af-plot').ariaLabel.includes('Heart rate')"
        )
        page.get_by_label("Show").select_option("15 s")
        page.wait_for_function("Number(document.querySelector('.af-plot').dataset.end) < 16")
        assert page.evaluate(INK, f"{DRIVE} .af-plot canvas") > 10


def test_click_and_keys_seek_and_curves_stay(browser: Any, recorded: Recorded) -> None:
    with open_page(browser, recorded.url(), **DESK) as page:
        are_shown(page)
        be_paused(page)
        click_at(page, 0.5)
        at(page, "> 9")
        page.wait_for_function(f"{SEQ.format(DRIVE)} > 220")
        before = page.evaluate(POINTS.format(DRIVE))
        where = position(page)
        assert where == pytest.approx(9.8, abs=0.4)
        assert before > 500, "the curves are those of the whole session"
        scrubber(page).focus()
        for key, by in (("ArrowRight", 1), ("Shift+ArrowLeft", -5), ("Shift+ArrowRight", 5)):
            page.keyboard.press(key)
            page.wait_for_function(f"Math.abs({POSITION.format(DRIVE)} - {where + by}) < 0.2")
            where = settled(page)
        slider = scrubber(page)
        page.keyboard.press("Home")
        at(page, "< 0.2")
        assert slider.get_attribute("aria-valuetext").startswith("0:00:00.")
        page.keyboard.press("PageDown")
        at(page, "> 1.9")
        page.keyboard.press("End")
        at(page, "> 19")
        page.wait_for_function(f"{SEQ.format(DRIVE)} > 460")
        for key, seq in (("Home", 0), (".", 1), (".", 2), (",", 1), (".", 2)):
            page.keyboard.press(key)
            page.wait_for_function(f"{SEQ.format(DRIVE)} === {seq}")
        page.keyboard.press("p")
        at(page, "> 1")
        page.get_by_role("combobox", name="Rate", exact=True).select_option("8")
        page.locator(f"{DRIVE} .af-state").get_by_text("at the end").wait_for()
        red = page.evaluate(
            "() => { const e = document.createElement('i'); e.style.color = 'var(--bad)';"
            "document.body.append(e); return getComputedStyle(e).color }"
        )
        colours = page.evaluate(
            "[...document.querySelectorAll('body *')].map((e) => getComputedStyle(e).color)"
        )
        assert red not in colours[:-1], "nothing is wrong at the end"
        page.get_by_role("link", name="Back to the live page").click()
        page.get_by_text("no stream has started yet").wait_for()


def settled(page: Any) -> float:
    """The position when the frame that was asked for has come."""
    page.wait_for_timeout(600)
    return position(page)


def test_markers_are_added_moved_renamed_and_deleted(browser: Any, recorded: Recorded) -> None:
    session = recorded.sessions / "drive"
    with open_page(browser, recorded.url(), **DESK) as page:
        are_shown(page)
        be_paused(page)
        click_at(page, 0.25)
        at(page, "> 4")
        settled(page)
        page.get_by_label("Label of the next marker or annotation").fill("lane change")
        page.keyboard.press("Enter")
        row = page.get_by_role("region", name="Markers").get_by_role("listitem")
        page.get_by_text("lane change").first.wait_for()
        assert row.count() == 5
        assert "lane change" in list(affectline.open_session(session).markers["label"])
        tick = page.get_by_role("button", name="Marker hard braking at 0:00:09.4")
        box = tick.bounding_box()
        page.mouse.move(box["x"] + 12, box["y"] + box["height"] - 4)
        page.mouse.down()
        page.mouse.move(box["x"] + 112, box["y"] + box["height"] - 4, steps=5)
        page.mouse.up()
        page.get_by_text("hard braking\N{RIGHT DOUBLE QUOTATION MARK} moved").wait_for()
        moved = marker(session, "hard braking")
        assert 10 < moved < 12
        assert marker(session, "start") == 2.0
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Undone.").wait_for()
        assert marker(session, "hard braking") == 9.4
        tick = page.get_by_role("button", name="Marker start at 0:00:02.0")
        tick.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.get_by_text("start\N{RIGHT DOUBLE QUOTATION MARK} moved").wait_for()
        assert marker(session, "start") == pytest.approx(2.2)
        times = page.get_by_label("Time", exact=True)
        times.first.fill("0:03.5")
        times.first.press("Enter")
        page.get_by_text("recorded as 'start' at 0:00:02.0").wait_for()
        page.wait_for_function("document.querySelector('.af-rows .af-time').value === '0:00:03.5'")
        assert marker(session, "start") == 3.5
        times.first.fill("-0:00:01.2")
        times.first.press("Enter")
        minus = "\N{MINUS SIGN}"
        page.wait_for_function(
            f"document.querySelector('.af-rows .af-time').value === '{minus}0:00:01.2'"
        )
        assert marker(session, "start") == -1.2
        times.first.fill(f"{minus}1.2")
        times.first.press("Enter")
        page.get_by_text("is already there.").wait_for()
        times.first.fill("0:03.5")
        times.first.press("Enter")
        page.wait_for_function("document.querySelector('.af-rows .af-time').value === '0:00:03.5'")
        times.first.fill("soon")
        times.first.press("Enter")
        page.get_by_role("alert").get_by_text("soon: not a time").wait_for()
        names = page.get_by_role("region", name="Markers").get_by_label("Label", exact=True)
        names.first.fill("departure")
        names.first.press("Enter")
        page.get_by_text("renamed").wait_for()
        assert marker(session, "departure") == 3.5
        page.get_by_role("button", name="Delete the marker hard braking").click()
        page.get_by_text("hard braking\N{RIGHT DOUBLE QUOTATION MARK} deleted").wait_for()
        page.wait_for_timeout(100)
        screenshot(page, "replay-markers", full_page=True)
        found = list(affectline.open_session(session).markers["label"])
        assert found[0] == "departure"
        assert "hard braking" not in found
        page.keyboard.press("Control+z")
        page.get_by_text("Undone.").wait_for()
        assert marker(session, "hard braking") == 9.4
    lines = (recorded.sessions / "audit.jsonl").read_text().splitlines()
    did = [json.loads(line)["did"] for line in lines]
    assert {"marker added", "marker moved", "marker renamed", "marker deleted"} <= {*did}


def test_every_change_can_be_undone_and_none_is_made_twice(
    browser: Any, recorded: Recorded
) -> None:
    with open_page(browser, recorded.url("evening"), **DESK) as page:
        evening = "[data-session=evening]"
        page.wait_for_function(f"{SEQ.format(evening)} >= 0")
        be_paused(page, evening)
        field = page.get_by_label("Label of the next marker or annotation")
        rows = page.get_by_role("region", name="Markers").get_by_role("listitem")
        said = page.locator(".af-said")
        for count, label in enumerate(("one", "two", "three"), start=2):
            field.fill(label)
            field.press("Enter")
            rows.nth(count - 1).wait_for()
        field.fill("three")
        field.press("Enter")
        said.get_by_text("three\N{RIGHT DOUBLE QUOTATION MARK} is already there.").wait_for()
        assert said.get_by_role("button", name="Undo").count() == 0
        assert rows.count() == 4
        page.locator(f"{evening} h2").click()
        for count in (3, 2):
            page.keyboard.press("Control+z")
            said.get_by_text("Undone.").wait_for()
            rows.nth(count).wait_for(state="detached")
        said.get_by_role("button", name="Undo").click()
        rows.nth(1).wait_for(state="detached")
        said.get_by_text("Undone.").wait_for()
        assert said.get_by_role("button", name="Undo").count() == 0
        page.keyboard.press("Control+z")
        said.get_by_text("Nothing to undo.").wait_for()
        assert not read_edits(recorded.sessions / "evening").markers


def marker(session: Path, label: str) -> float:
    """The second of a marker, as programs read it."""
    markers = affectline.open_session(session).markers
    return float(markers[markers["label"] == label]["time_s"].iloc[0])


def test_annotations_are_added_moved_and_deleted(browser: Any, recorded: Recorded) -> None:
    session = recorded.sessions / "drive"
    with open_page(browser, recorded.url(), **DESK) as page:
        are_shown(page)
        be_paused(page)
        click_at(page, 0.2)
        settled(page)
        page.keyboard.press("a")
        page.get_by_role("button", name="Annotation ends").wait_for()
        click_at(page, 0.4)
        settled(page)
        page.get_by_label("Label of the next marker or annotation").fill("phone rang")
        page.locator(f"{DRIVE} h2").click()
        page.keyboard.press("a")
        page.get_by_text("phone rang\N{RIGHT DOUBLE QUOTATION MARK} added").wait_for()
        (one,) = read_edits(session).annotations
        assert (one.begin_s, one.end_s) == pytest.approx((3.9, 7.8), abs=0.4)
        span = page.locator(".af-span").bounding_box()
        page.mouse.move(span["x"] + span["width"] - 2, span["y"] + 8)
        page.mouse.down()
        page.mouse.move(span["x"] + span["width"] + 98, span["y"] + 8, steps=4)
        page.mouse.up()
        page.get_by_text("phone rang\N{RIGHT DOUBLE QUOTATION MARK} changed").wait_for()
        (longer,) = read_edits(session).annotations
        assert longer.begin_s == one.begin_s
        assert longer.end_s > one.end_s + 1
        region = page.get_by_role("region", name="Annotations")
        region.get_by_label("left out of studies").check()
        page.wait_for_function("document.querySelector('.af-span.af-left-out')")
        region.get_by_label("To", exact=True).fill("1")
        region.get_by_label("To", exact=True).press("Enter")
        page.get_by_role("alert").get_by_text("put From before To").wait_for()
        screenshot(page, "replay-annotations", full_page=True)
        (same,) = read_edits(session).annotations
        assert same.is_excluded
        region.get_by_role("button", name="Delete the annotation phone rang").click()
        page.get_by_text("phone rang\N{RIGHT DOUBLE QUOTATION MARK} deleted").wait_for()
        assert read_edits(session).annotations == ()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Undone.").wait_for()
        assert read_edits(session).annotations == (same,)


def test_two_sessions_side_by_side(browser: Any, recorded: Recorded) -> None:
    evening = "[data-session=evening]"
    with open_page(browser, recorded.url(), **DESK) as page:
        are_shown(page)
        page.get_by_label("Beside it").select_option("evening")
        page.locator(evening).wait_for()
        are_shown(page)
        page.wait_for_function(f"{POINTS.format(evening)} > 100")
        page.wait_for_function(f"{SEQ.format(evening)} >= 0")
        for session in (DRIVE, evening):
            be_paused(page, session)
        click_at(page, 0.5, DRIVE)
        click_at(page, 0.75, evening)
        at(page, "> 2.5", evening)
        assert position(page) > 9, "each has its own place"
        page.get_by_label("both together").check()
        click_at(page, 0.1)
        page.wait_for_function(f"{SEQ.format(DRIVE)} < 60")
        at(page, "< 2.3", evening)
        page.locator(DRIVE).locator(".af-play").click()
        at(page, "> 2.5")
        at(page, "> 2.5", evening)
        screenshot(page, "replay-beside")
        page.locator(evening).get_by_text("at the end").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Any, recorded: Recorded, scheme: str) -> None:
    for size in ((1440, 900), (1920, 1080), (390, 844)):
        screen = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
        with open_page(browser, recorded.url(beside="evening"), **screen) as page:
            are_shown(page)
            be_paused(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            # Of markers that are close to each other the list has the same, apart
            crowded = "target-size (serious): All touch targets must be 24px large"
            wrong = [
                one
                for one in find_violations(page)
                if not (one.startswith(crowded) and ".af-tick" in one)
            ]
            assert wrong == []


def test_a_phone_replays_too(browser: Any, recorded: Recorded) -> None:
    with open_page(browser, recorded.url(), **PHONE) as page:
        are_shown(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        box = still_scrubber(page)
        page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 20)
        at(page, "> 11")
        assert page.evaluate(POINTS.format(DRIVE)) > 500
        page.wait_for_timeout(800)
        screenshot(page, "replay-phone", full_page=True)
        small = page.evaluate(
            "[...document.querySelectorAll('.af-transport button')]"
            ".filter((e) => e.getBoundingClientRect().height < 40).length"
        )
        assert small == 0, "buttons are large enough for fingers"
        page.goto(recorded.url(beside="evening"))
        page.locator("[data-session=evening]").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
