"""The replay page with an hour's curves: when it is complete, and how fluently it moves."""

import os
import statistics
import time
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.results import HourPage
from tests.benchmarks.run_figures import quantile
from tests.benchmarks.short_commands import borrow
from tests.browsers import chromium, open_page
from tests.dashboards import LiveDashboard

DRIVE: Final = "[data-session=drive]"
COMPLETE: Final = f"{DRIVE} .af-plot[data-complete=true]"
JUMPS: Final = 24
"""How often the scrubber is moved; each time all curves are drawn again."""
PATIENCE_MS: Final = 60_000
NOTE_FRAMES: Final = """() => {
  window.frameTimes = [];
  let last = performance.now();
  const note = (now) => {
    window.frameTimes.push(now - last);
    last = now;
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""
READ_FRAMES: Final = "() => window.frameTimes.slice(1)"


def measure_hour_page(hour: Path, folder: Path) -> HourPage:
    """Open the page of an hour's session and move through it.

    Args:
        hour: Its session folder.
        folder: For temporary files.
    """
    board = LiveDashboard(folder / "board")
    board.sessions.mkdir(parents=True)
    borrow(hour, board.sessions / "drive")
    with chromium() as browser, board.hub_running(), board.serving():
        started = time.monotonic()
        with open_page(browser, f"{board.url}replay/drive") as page:
            page.locator(COMPLETE).wait_for(timeout=PATIENCE_MS)
            ready_s = time.monotonic() - started
            times = _move(page)
    return HourPage(
        ready_s=ready_s, p50_ms=statistics.median(times), p95_ms=quantile(sorted(times), 0.95),
        max_ms=max(times),
    )  # fmt: skip


def _move(page: Any) -> list[float]:
    """Move through the hour by the scrubber; ms from each frame of the page to the next."""
    slider = page.locator(DRIVE).get_by_role("slider", name="Position in the session")
    box = slider.bounding_box()
    page.evaluate(NOTE_FRAMES)
    for number in range(JUMPS):
        share = (number * 7 % JUMPS + 0.5) / JUMPS
        page.mouse.click(box["x"] + 8 + share * (box["width"] - 16), box["y"] + box["height"] / 2)
        page.wait_for_timeout(150)
    times: list[float] = page.evaluate(READ_FRAMES)
    return times


def has_browser() -> str:
    """Why the page cannot be measured here; empty: it can."""
    from importlib.util import find_spec

    from tests.browsers import CHROMIUM

    if not os.access(CHROMIUM, os.X_OK):
        return "no Chromium here"
    lacking = [name for name in ("playwright", "nicegui") if find_spec(name) is None]
    return f"{lacking[0]} is not installed" if lacking else ""
