"""Reports as people look at them: on screens, in the dark, on paper, by a screen reader."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.axe import find_violations
from tests.browsers import CHROMIUM, chromium, open_page, screenshot
from tests.pipelines import free_port, run

SCREENS: Final = ((1440, 900), (1920, 1080), (390, 844))
PAPERS: Final = {"A4": (210, 297), "Letter": (215.9, 279.4)}
"""Millimetres."""
MARGINS_MM: Final = (14, 12, 16, 12)
"""As in the page's style sheet: top, right, bottom, left."""
PX: Final = 96 / 25.4
SHORT_MARKER: Final = "hard braking"
LONG_MARKER: Final = "a phone call from somebody who wants to know where the car is"
WHOLE_ON_A_SHEET: Final = "figure, article, tr, .keys, .facts, .lead"
"""What no break between sheets may cut."""


@pytest.fixture(scope="module")
def session(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded session of one face with sensors, markers, an annotation and study fields."""
    folder = tmp_path_factory.mktemp("report")
    settings = folder / "study.yaml"
    settings.write_text(yaml.safe_dump({
        "sources": [{"name": "front", "source": str(clips / "expressive_woman.mp4")}],
        "biometrics": [{"driver": "synthetic", "subject": "anna", "stress": [9, 20]}],
        "markers": [
            {"at_s": 0, "label": "calibrate", "extra": {"seconds": 8}},
            {"at_s": 6, "label": SHORT_MARKER}, {"at_s": 12, "label": LONG_MARKER},
            {"at_s": 12.4, "label": "arrived"},
        ],
        "study": {"participant": "07", "condition": "rain", "task": "drive"},
        "recording": {"record": True},
    }))  # fmt: skip
    out = folder / "drive"
    done = run("up", "--config", str(settings), "--out", str(out), "--port", str(free_port()))
    assert done.returncode == 0, done.stderr
    annotated = run("annotate", str(out), "phone", "--from", "12s", "--to", "15s", "--exclude")
    assert annotated.returncode == 0, annotated.stderr
    assert run("report", str(out)).returncode == 0
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all tests."""
    with chromium() as found:
        yield found


def address(session: Path) -> str:
    """Of the page."""
    return (session / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SCREENS)
def test_it_fits_every_screen_and_is_accessible(
    session: Path, browser: Any, size: tuple[int, int], scheme: str
) -> None:
    width, height = size
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height}, "color_scheme": scheme,
    }  # fmt: skip
    with open_page(browser, address(session), **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width > 1000:
            for words in ("Participant 07", "expressive_woman.mp4", "One face for", "How calm"):
                box = page.get_by_text(words).first.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] < height, f"{words} is not in sight at once"
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(30, 34, 39)" if scheme == "dark" else "rgb(255, 255, 255)")
        assert find_violations(page) == []
        name = {1440: "report", 390: "report-phone"}.get(width)
        if name and (scheme == "light" or width == 1440):
            screenshot(page, name if scheme == "light" else f"{name}-dark")


@pytest.mark.parametrize("paper", PAPERS)
def test_no_sheet_of_paper_cuts_a_chart_a_legend_or_a_row(
    session: Path, browser: Any, paper: str, tmp_path: Path
) -> None:
    width, height = PAPERS[paper]
    top, right, bottom, left = MARGINS_MM
    inner = (round((width - left - right) * PX), (height - top - bottom) * PX)
    viewport = {"width": inner[0], "height": round(inner[1])}
    with open_page(browser, address(session), viewport=viewport, color_scheme="dark") as page:
        # Printing tells no places: each part that must be whole is given a name, which is a link
        # that the PDF has the place of
        page.evaluate(
            """(wanted) => document.querySelectorAll(wanted).forEach((part, i) => {
              for (const end of ["prepend", "append"]) {
                const host = part.tagName === "TR" ? part.cells[end === "append"
                  ? part.cells.length - 1 : 0] : part;
                const mark = document.createElement("a");
                mark.href = `https://${end}.test/${i}`;
                mark.style.cssText = "position:absolute;display:block;height:2px;width:2px";
                if (getComputedStyle(part).position === "static") part.style.position = "relative";
                mark.style[end === "append" ? "bottom" : "top"] = 0;
                host[end](mark);
              }
            })""",
            WHOLE_ON_A_SHEET,
        )
        parts = page.locator(WHOLE_ON_A_SHEET).count()
        pdf = tmp_path / "report.pdf"
        pdf.write_bytes(page.pdf(format=paper, print_background=True))
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 32, 36)", "light"
        # What is wider than the sheet would be cut, or shrink everything
        assert page.evaluate("document.documentElement.scrollWidth") <= inner[0]
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".wide, .keys, figcaption")].filter(
              (one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML)"""
        )
        assert cut == []
    sheets = places_of_links(pdf.read_bytes())
    begins = {number: sheet for (end, number), sheet in sheets.items() if end == "prepend"}
    ends = {number: sheet for (end, number), sheet in sheets.items() if end == "append"}
    assert len(begins) == len(ends) == parts
    assert begins == ends
    assert 3 <= 1 + max(ends.values()) <= 12


def places_of_links(pdf: bytes) -> dict[tuple[str, int], int]:
    """On which sheet each link of a PDF lies, by the two parts of its address."""
    objects = dict(re.findall(rb"(\d+) 0 obj\s(.*?)endobj", pdf, re.DOTALL))
    (pages,) = (body for body in objects.values() if b"/Type /Pages" in body and b"/Count" in body)
    found = {}
    numbers = re.findall(rb"(\d+) 0 R", pages.partition(b"/Kids")[2])
    for sheet, number in enumerate(numbers):
        for link in re.findall(rb"(\d+) 0 R", objects[number].partition(b"/Annots")[2]):
            address = re.search(rb"/URI \(https://(\w+)\.test/(\d+)\)", objects.get(link, b""))
            if address:
                found[address[1].decode(), int(address[2])] = sheet
    return found


@pytest.mark.skipif(not shutil.which(CHROMIUM), reason="no Chromium here")
@pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
def test_the_command_prints_a_pdf(
    session: Path, tmp_path: Path, paper: str, size: tuple[int, int]
) -> None:
    out = tmp_path / "report.pdf"
    done = run("report", str(session), "--to", "pdf", "--paper", paper, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(out)
    content = out.read_bytes()
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {size}
    assert len(content) < 2_000_000, "hatching is lines, not pixels"


def test_charts_are_enlarged_together_and_tell_their_values(session: Path, browser: Any) -> None:
    with open_page(browser, address(session)) as page:
        chart = page.locator(".chart").first
        heart = chart.locator(".row", has_text="Heart rate").first
        heart.locator(".draw").hover()
        told = heart.locator("output").inner_text()
        assert re.fullmatch(r"0:\d\d\.\d: \d\d\.\d bpm", told)
        expression = chart.locator(".row", has_text="Expression").first
        assert re.match(r"0:\d\d\.\d: \w+ \d+, ", expression.locator("output").inner_text())
        labels = heart.locator(".xs span")
        assert labels.all_inner_texts() == ["0:00", "0:05", "0:10", "0:15"]
        box = heart.locator(".draw").bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.25 * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
        page.mouse.up()
        assert labels.all_inner_texts() == [f"0:0{i}" for i in range(5, 10)]
        assert expression.locator(".xs span").all_inner_texts() == labels.all_inner_texts()
        width = heart.locator(".draw .inner").evaluate("one => one.style.width")
        assert 390 < float(width.removesuffix("%")) < 410
        chart.get_by_role("button", name="Later").click()
        assert labels.first.inner_text() == "0:08"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert labels.all_inner_texts() == ["0:00", "0:05", "0:10", "0:15"], "all of it on paper"


def test_it_is_whole_without_scripts(session: Path, browser: Any) -> None:
    with open_page(browser, address(session), java_script_enabled=False) as page:
        assert page.locator("figure.row svg").count() > 10
        assert page.locator(".tools").count() == 0
        assert page.locator(".chart .xs span").count() > 20
