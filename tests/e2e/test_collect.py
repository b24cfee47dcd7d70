"""The page of ``affectline collect`` in a real browser, over the real pipeline on real clips."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import pytest

from affectline.training.data import dataset
from tests.axe import find_violations
from tests.browsers import chromium, open_page, screenshot
from tests.collecting import Collecting
from tests.films import film

pytest.importorskip("nicegui", reason="collecting needs NiceGUI (the dashboard extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVIL = '<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[Collecting]:
    """A collection whose camera sees a smiling man."""
    collecting = Collecting(tmp_path_factory.mktemp("collect"), clips / "smiling_man.mp4")
    with collecting.running():
        yield collecting


def tick(page: Any) -> None:
    """The box is ticked when the server has said so."""
    page.get_by_role("checkbox", name="I have read this").click()
    page.get_by_role("checkbox", name="I have read this", checked=True).wait_for()


def begin(page: Any, name: str) -> None:
    """Agree, and begin."""
    page.get_by_label("Your name, or a pseudonym").fill(name)
    tick(page)
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Capture (K)").wait_for()
    page.locator(".co-hint.good").wait_for()


def freely(page: Any, label: str) -> None:
    """Choose the label, instead of being guided."""
    page.get_by_role("button", name="Free").click()
    page.get_by_role("radio", name=label).click()
    page.get_by_text(re.compile(f"^{label}: ")).wait_for()


def press(page: Any, label: str) -> None:
    """Press K, and wait until this sample is counted."""
    total = page.get_by_text(re.compile(r"\d+ in total$"))
    before = re.search(r"(\d+) in total$", total.inner_text())
    assert before
    page.keyboard.press("k")
    page.get_by_text(re.compile(f" {int(before[1]) + 1} in total$")).wait_for()
    page.get_by_text(re.compile(f"^Captured: {label}, ")).wait_for()


def look(page: Any, name: str, **options: Any) -> None:
    """Keep a picture of the page, which everybody has to be able to read."""
    screenshot(page, name, **options)
    found = find_violations(page)
    assert found == [], "\n".join(found)


def show(page: Any, part: str) -> None:
    page.locator(".af-top").get_by_role("button", name=part, exact=True).click()


def test_nobody_is_captured_who_has_not_agreed(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        page.get_by_text("You take part of your own free will.").wait_for()
        look(page, "collect-consent")
        name, problem = page.get_by_label("Your name, or a pseudonym"), page.get_by_role("alert")
        for wrong in ("", "../x", "a/b", ".hidden", EVIL):
            name.fill(wrong)
            page.get_by_role("button", name="Begin").click()
            problem.get_by_text(f"'{wrong[:20]}").wait_for()
        name.fill("eve")
        page.get_by_role("button", name="Begin").click()
        problem.get_by_text("tick the box").wait_for()
        page.keyboard.press("k")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() == 0
    assert list((collecting.faces / "people").iterdir()) == []
    assert collecting.rows() == []


def test_somebody_is_guided_through_the_emotions(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        begin(page, "anna")
        page.get_by_text("You are waiting for a bus").wait_for()
        page.keyboard.press("k")
        page.get_by_role("timer").wait_for()
        page.get_by_text(re.compile("^Captured: neutral, ")).wait_for()
        page.get_by_role("button", name="Next emotion").click()
        page.get_by_text("2 of 7").wait_for()
        page.get_by_role("button", name="Capture (K)").click()
        page.get_by_role("timer").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("timer").wait_for(state="detached")
        press(page, "happy")
        press(page, "happy")
        page.get_by_text("happy: 2 captures, 3 in total").wait_for()
        look(page, "collect-capture")
    rows = collecting.rows()
    assert [row["label"] for row in rows] == ["neutral", "happy", "happy"]
    native = cv2.imread(str(collecting.faces / rows[0]["file"]), cv2.IMREAD_UNCHANGED)
    small = cv2.imread(str(collecting.faces / rows[0]["file_48"]), cv2.IMREAD_UNCHANGED)
    assert native is not None
    assert small is not None
    assert native.shape[0] > 160  # more than the wire's crops have
    assert native.shape[2] == 3
    assert small.shape == (48, 48)


def test_somebody_who_comes_again_is_asked_whether_it_is_them(
    browser: Any, collecting: Collecting
) -> None:
    with open_page(browser, collecting.url) as page:
        page.get_by_label("Your name, or a pseudonym").fill("anna")
        page.get_by_role("button", name="Begin").click()
        page.get_by_text("anna agreed to this on").wait_for()
        page.get_by_role("button", name="Begin").click()
        page.get_by_text("in total").wait_for()
        page.get_by_role("button", name="Finish").click()
        page.get_by_label("Your name, or a pseudonym").wait_for()


def test_with_the_label_chosen_first_k_works_at_once(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        begin(page, "ben")
        for label in ("surprise", "sad", "sad"):
            freely(page, label)
            press(page, label)
            assert page.get_by_role("timer").count() == 0
    assert [row["label"] for row in collecting.rows() if row["person"] == "ben"] == [
        "surprise", "sad", "sad",
    ]  # fmt: skip


def test_samples_are_kept_relabelled_and_deleted(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        show(page, "Review")
        samples = page.locator("figure.co-sample")
        page.wait_for_function("document.querySelectorAll('figure.co-sample img').length >= 6")
        page.wait_for_function(
            "[...document.querySelectorAll('figure.co-sample img')]"
            ".every(i => i.naturalWidth > 160)"
        )
        before = samples.count()
        first = page.locator(f"[data-sample='{samples.first.get_attribute('data-sample')}']")
        first.get_by_role("button", name="Keep").click()
        page.locator("figure[data-status=kept]").first.wait_for()
        look(page, "collect-review")
        second = samples.nth(1).get_attribute("data-sample")
        page.locator(f"[data-sample='{second}']").get_by_role("combobox").click()
        page.get_by_role("option", name="fear").click()
        page.get_by_role("button", name=re.compile("^Kept: fear of ben")).wait_for()
        samples.nth(2).get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
        page.wait_for_function(
            f"document.querySelectorAll('figure.co-sample').length === {before - 1}"
        )
    rows = collecting.rows()
    assert len(rows) == before - 1
    assert [row["label"] for row in rows if row["status"] == "kept"] == ["fear", "sad"]
    assert len(list(collecting.faces.rglob("*.png"))) == 2 * len(rows)


def test_both_exports_are_read_by_training(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        show(page, "Export and delete")
        for form, name in (("A folder", "manifest.csv"), ("A CSV file", "faces.csv")):
            page.get_by_role("radio", name=form).click()
            page.get_by_role("button", name="Export", exact=True).click()
            kind = "folder" if name == "manifest.csv" else "fer2013"
            page.get_by_text(re.compile(f"^In faces/exports/.*-{kind}$")).wait_for()
            with page.expect_download() as coming:
                page.get_by_role("link", name="Download").click()
            with zipfile.ZipFile(io.BytesIO(Path(coming.value.path()).read_bytes())) as archive:
                assert any(member.endswith(name) for member in archive.namelist())
        look(page, "collect-export", full_page=True)
    exports = sorted((collecting.faces / "exports").iterdir(), key=lambda p: "folder" not in p.name)
    assert len(dataset.load(exports[0], size=96)) == len(collecting.rows())
    assert len(dataset.load(exports[1] / "faces.csv")) == len(collecting.rows())


def test_a_person_is_deleted_as_a_whole(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        show(page, "Export and delete")
        page.get_by_role("button", name="Delete everything about anna").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("the consent, and 2 exports?").wait_for()
        dialog.get_by_role("button", name="Delete everything").click()
        page.locator("[data-person=anna]").wait_for(state="detached")
    for path in collecting.faces.rglob("*"):
        assert "anna" not in path.name
        assert path.is_dir() or b"anna" not in path.read_bytes()
    assert {row["person"] for row in collecting.rows()} == {"ben"}


def test_all_of_it_by_keyboard_alone(browser: Any, collecting: Collecting) -> None:
    with open_page(browser, collecting.url) as page:
        page.get_by_text("You take part of your own free will.").wait_for()

        def tab_to(name: str) -> None:
            for _ in range(20):
                page.keyboard.press("Tab")
                about = page.evaluate(
                    "() => { const e = document.activeElement; return [e.innerText, e.ariaLabel,"
                    "e.closest('label')?.innerText].join(' ') }"
                )
                if name in about:
                    return
            raise AssertionError(f"{name} is not reached")

        tab_to("Your name, or a pseudonym")
        page.keyboard.type("kim")
        tab_to("I have read this")
        page.keyboard.press("Space")
        tab_to("Begin")
        page.keyboard.press("Enter")
        page.locator(".co-hint.good").wait_for()
        tab_to("Free")
        page.keyboard.press("Enter")
        tab_to("neutral")
        press(page, "neutral")
    assert [row["label"] for row in collecting.rows() if row["person"] == "kim"] == ["neutral"]


def test_it_fits_a_phone_in_the_dark(browser: Any, collecting: Collecting) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    with open_page(browser, collecting.url, **phone) as page:
        begin(page, "lee")
        freely(page, "happy")
        press(page, "happy")
        look(page, "collect-phone")
        for part in ("Capture", "Review", "Export and delete"):
            show(page, part)
            page.get_by_role("button", name=part, exact=True, pressed=True).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, part
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(20, 23, 26)"


def test_viewers_see_the_camera_and_numbers(browser: Any, tmp_path: Path, clips: Path) -> None:
    """On this machine's own address, where the token is asked for."""
    collecting = Collecting(tmp_path, clips / "smiling_man.mp4", ask_token=True)
    with collecting.running():
        operator, viewer = re.findall(r"\?token=(\S+)", collecting.output)
        with open_page(browser, f"{collecting.url}?token={operator}") as page:
            begin(page, "anna")
            freely(page, "happy")
            press(page, "happy")
            show(page, "Export and delete")
            page.locator("[data-person=anna]").get_by_text("1 sample; agreed on").wait_for()
            page.get_by_role("button", name="Log out").click()
            page.get_by_label("Token").fill(viewer)
            page.get_by_role("button", name="Open").click()
            page.get_by_text("1 in total: angry 0").wait_for()
            page.locator(".co-hint.good").wait_for()
            page.keyboard.press("k")
            look(page, "collect-viewer")
            assert page.get_by_role("timer").count() == 0
            assert page.get_by_text("anna").count() == 0
            assert page.get_by_role("button").all_inner_texts() == ["Log out"]
            sample = collecting.rows()[0]["file"].replace("people", "/take")
            status = page.evaluate("async (path) => (await fetch(path)).status", sample)
            assert status == 403
    said = [
        json.loads(line) for line in (collecting.faces / "audit.jsonl").read_text().splitlines()
    ]
    assert [(line["who"].split()[0], line["did"]) for line in said] == [
        ("operator", "logged in"), ("operator", "face recorded"), ("operator", "logged out"),
        ("viewer", "logged in"),
    ]  # fmt: skip
    assert "anna" not in str(said)


def test_bad_pictures_are_rejected_and_other_machines_need_the_token(
    browser: Any, tmp_path: Path
) -> None:
    """One server for both: nobody is before its camera, and it listens to all machines."""
    empty = film(tmp_path / "empty.mp4", 50, size=(320, 240))
    collecting = Collecting(tmp_path, empty, host="0.0.0.0")
    with collecting.running():
        token = re.search(r"\?token=(\S+)", collecting.output)
        assert token
        paths = (
            "",
            "take/anna/x.png",
            "export/20261125-120000-folder.zip",
            "collect-style/collect.css",
        )
        for path in paths:
            assert httpx.get(collecting.url + path).status_code == 401
            evil = {
                "origin": "http://evil.example",
                "cookie": f"affectline-{collecting.port}={token[1]}",
            }
            assert httpx.get(collecting.url + path, headers=evil).status_code == 403
        with open_page(browser, f"{collecting.url}?token={token[1]}") as page:
            page.get_by_label("Your name, or a pseudonym").fill("anna")
            tick(page)
            page.get_by_role("button", name="Begin").click()
            page.get_by_text("no face: look into the camera").wait_for()
            page.get_by_role("button", name="Free").click()
            page.get_by_text("0 captures").wait_for()
            page.keyboard.press("k")
            page.get_by_text("Rejected. No face: look into the camera").wait_for()
    assert collecting.rows() == []
    assert "no face" in (collecting.faces / "left_out.csv").read_text()
