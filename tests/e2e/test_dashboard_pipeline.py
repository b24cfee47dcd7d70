"""The page in a real browser, over a real pipeline on real clips."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pytest
import yaml

from affectline.common.recording.reader import SessionReader
from affectline.common.vision.label_hysteresis import MARGIN
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Marker
from tests.browsers import chromium, free_web_port, open_page, screenshot
from tests.pipelines import Pipeline

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

WOMAN, EMPTY = "[data-stream=woman]", "[data-stream=empty]"
SEQ: Final = f"() => Number(document.querySelector('{WOMAN} canvas')?.dataset.seq ?? -1)"
PIXELS: Final = f"() => document.querySelector('{WOMAN} canvas').toDataURL('image/jpeg')"
FACES: Final = f"""() => [...document.querySelectorAll('{WOMAN} .af-face')].map((face) => ({{
  said: face.querySelector('h3').innerText,
  shares: [...face.querySelectorAll('dd')].map((dd) => Number(dd.dataset.share)),
  names: [...face.querySelectorAll('dt')].map((dt) => dt.innerText),
}}))"""


class Lab:
    """A pipeline with a page, and where it is."""

    def __init__(self, pipeline: Pipeline, url: str, sessions: Path) -> None:
        self.pipeline, self.url, self.sessions = pipeline, url, sessions


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(clips: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two streams, one of them without a face, a made-up heart and skin."""
    folder = tmp_path_factory.mktemp("lab")
    port = free_web_port()
    content = {
        "delivery": "live", "pace": "realtime",
        "sources": [
            {"name": "woman", "source": str(clips / "expressive_woman.mp4"), "loop": True},
            {"name": "empty", "source": str(clips / "no_face.mp4"), "loop": True},
        ],
        "capture": {"rate": 12},
        "biometrics": [{"driver": "synthetic", "subject": "anna"}],
        "sink": {"display": "browser"},
        "dashboard": {"port": port, "sessions": str(folder / "sessions")},
    }  # fmt: skip
    file = folder / "lab.yaml"
    file.write_text(yaml.safe_dump(content))
    prefixes = ("marker/", "emotion/woman", "health/dashboard")
    with Pipeline(folder / "out", "--config", str(file), prefixes=prefixes) as pipeline:
        pipeline.wait_for(lambda message: isinstance(message, Health), timeout_s=60)
        pipeline.wait_for_frame(1, timeout_s=60)
        yield Lab(pipeline, f"http://127.0.0.1:{port}/", folder / "sessions")
        pipeline.interrupt()


def moves(page: Any) -> None:
    """Wait until another picture is shown than now."""
    page.wait_for_selector(f"{WOMAN} canvas[data-seq]")
    now = page.evaluate(SEQ)
    page.wait_for_function(f"() => ({SEQ})() >= 0 && ({SEQ})() !== {now}")


def first_face(page: Any) -> dict[str, Any]:
    """The first face with its seven bars."""
    page.wait_for_function(f"(({FACES})()[0]?.shares.length ?? 0) === 7")
    faces: list[dict[str, Any]] = page.evaluate(FACES)
    return faces[0]


def test_the_picture_moves_and_the_bars_sum_to_one(browser: Any, lab: Lab) -> None:
    with open_page(browser, lab.url) as page:
        moves(page)
        before = page.evaluate(PIXELS)
        for _ in range(5):
            face = first_face(page)
            if len(face["shares"]) == 7:
                assert sum(face["shares"]) == pytest.approx(1, abs=0.002)
                bars = dict(zip(face["names"], face["shares"], strict=True))
                label = next(name for name in face["names"] if name in face["said"])
                # Of these very bars, and the longest but for what keeps it from flickering
                percent = int(re.findall(rf"{label} (\d+) %", face["said"])[0])
                assert percent == pytest.approx(100 * bars[label], abs=0.56)  # both are rounded
                assert bars[label] >= max(face["shares"]) - MARGIN - 0.001
            moves(page)
        assert page.evaluate(PIXELS) != before
        page.locator(f"{EMPTY} .af-status").get_by_text("no face").wait_for()


def test_curves_of_face_heart_skin_and_nerves_under_one_axis(browser: Any, lab: Lab) -> None:
    with open_page(browser, lab.url) as page:
        chart = page.locator(".af-chart")
        wanted = (
            "Expression, woman",
            "Affect, woman",
            "Heart rate, anna",
            "Skin conductance, anna",
            "Nervousness",
        )
        page.wait_for_function(
            "(names) => names.every((name) => document.querySelector('.af-chart').ariaLabel"
            ".includes(name))",
            arg=list(wanted),
        )
        assert int(chart.get_attribute("data-rows")) >= 4
        page.get_by_text(re.compile(r"all \d+ processes fine · \d+ frames/s · \d+ ms")).click()
        for service in ("capture/woman", "detector/empty", "classifier/1", "fusion", "dashboard"):
            row = page.get_by_role("row", name=service)
            row.get_by_text("ready").wait_for()


def test_k_downloads_picture_and_numbers(browser: Any, lab: Lab) -> None:
    with open_page(browser, lab.url) as page:
        moves(page)
        first_face(page)
        with page.expect_download() as download:
            page.keyboard.press("k")
        assert re.fullmatch(r"snapshot-\d{8}T\d{6}\.zip", download.value.suggested_filename)
        archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
        (told,) = (n for n in archive.namelist() if n.startswith("woman") and n.endswith("json"))
        emotion = json.loads(archive.read(told))
        picture = archive.read(told.replace(".json", ".jpg"))
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (emotion["height"], emotion["width"], 3)
        panel = page.get_by_role("status", name="Last snapshot")
        panel.get_by_text(f"woman, frame {emotion['seq']}").first.wait_for()
        for face in emotion["faces"]:
            if face["probabilities"]:
                assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
                happy = f"{100 * round(face['probabilities']['happy'], 4):.1f} %"
                assert happy in panel.inner_text()


def test_m_marks(browser: Any, lab: Lab) -> None:
    with open_page(browser, lab.url) as page:
        moves(page)
        page.get_by_label("Label of the next marker").fill("hard braking")
        page.get_by_label("Label of the next marker").press("Tab")
        page.keyboard.press("m")
        page.get_by_role("list", name="Markers").get_by_text("hard braking").wait_for()
        page.wait_for_function("document.querySelector('.af-chart').dataset.markers > 0")
        marker = lab.pipeline.wait_for(lambda m: isinstance(m, Marker))
        assert isinstance(marker, Marker)
        assert (marker.label, marker.source) == ("hard braking", "page")
    with open_page(browser, lab.url) as late:  # a reloaded page knows what was before
        late.get_by_role("list", name="Markers").get_by_text("hard braking").wait_for()
        late.wait_for_function("document.querySelector('.af-chart').dataset.rows >= 4")


def test_record_stop_replay_report_delete(browser: Any, lab: Lab) -> None:
    with open_page(browser, lab.url) as page:
        moves(page)
        page.get_by_role("button", name="Record").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name of the session").fill("drive")
        dialog.get_by_role("button", name="Start recording").click()
        dialog.get_by_text("a recording needs a note on consent").wait_for()
        dialog.get_by_label("Consent").fill("Anna agreed <b>in writing</b>, today")
        dialog.get_by_role("button", name="Study").click()
        dialog.get_by_label("Participant").fill("07")
        dialog.get_by_label("Condition").fill(" rain ")
        dialog.get_by_label("Condition").scroll_into_view_if_needed()
        screenshot(page, "dashboard-record")
        dialog.get_by_role("button", name="Start recording").click()
        page.get_by_text(re.compile(r"recording drive, (0:0[6-9]|0:[1-5]|[1-9])")).wait_for()
        page.locator(".af-health summary").click()
        page.get_by_role("row", name="recorder/drive").get_by_text("ready").wait_for()
        page.locator(".af-health summary").click()
        page.get_by_role("button", name="Stop recording").click()
        row = page.locator("[data-session=drive]")
        row.get_by_text("consent: Anna agreed <b>in writing</b>, today").wait_for()
        with SessionReader(lab.sessions / "drive") as reader:
            assert reader.about["consent"] == "Anna agreed <b>in writing</b>, today"
            assert reader.about["name"] == "drive"
            assert reader.about["study"] == {"participant": "07", "condition": "rain"}
            assert reader.topics()["emotion/woman"] > 20
        replay(page)
        report(page)
        page.get_by_role("button", name="Delete: drive").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("Delete the session drive").wait_for()
        dialog.get_by_role("button", name="Delete it").click()
        row.wait_for(state="detached")
        assert not (lab.sessions / "drive").exists()
        (line,) = (lab.sessions / "deletions.jsonl").read_text().splitlines()
        assert json.loads(line)["why"] == "page"


def replay(page: Any) -> None:
    """Replay on a page of its own, while the pipeline goes on, and come back."""
    page.get_by_role("link", name="Replay: drive").click()
    page.locator("[data-session=drive] canvas[data-seq]").first.wait_for()
    page.wait_for_function("Number(document.querySelector('.af-plot').dataset.points) > 50")
    page.wait_for_function("Number(document.querySelector('.af-clock').dataset.position) > 1")
    page.get_by_role("link", name="Back to the live page").click()
    moves(page)


def report(page: Any) -> None:
    """Have the report made, and read it."""
    page.get_by_role("button", name="Make report: drive").click()
    link = page.get_by_role("link", name="Report for drive")
    link.wait_for()
    with page.context.expect_page() as opened:
        link.click()
    opened.value.get_by_role("heading", name="About this report").wait_for()
    opened.value.close()
