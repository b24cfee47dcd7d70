"""Debian's Chromium for tests, and the pages that it looks at."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
CHROMIUM: Final = "/usr/bin/chromium"
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCREENSHOTS: Final = "AFFECTLINE_SCREENSHOTS"
"""Environment variable: where to write the pictures of the pages, such as ``docs``."""
PATIENCE_MS: Final = 60_000
"""Tests run three at a time, and some of them start twelve processes."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not shutil.which(CHROMIUM):
        pytest.skip("no Chromium here: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A page in a profile of its own; whatever goes wrong in it fails the test."""
    options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(error.stack or str(error)))
    page.on("console", lambda said: _note_violation(page, said.text))
    page.goto(url)
    try:
        yield page
        assert page.problems == [], page.problems
    finally:
        context.close()


def _note_violation(page: Any, text: str) -> None:
    """What the policy of a page has kept from running, or from loading."""
    if "Content Security Policy" in text:
        page.problems.append(text)


def screenshot(page: Any, name: str, **options: Any) -> None:
    """Keep a picture of a page, where somebody has asked for them."""
    if os.environ.get(SCREENSHOTS):
        # Not by path: Playwright would write with a thread that stays
        keep_picture(name, page.screenshot(animations="disabled", **options))


def keep_picture(name: str, png: bytes) -> None:
    """Keep a picture for the docs, where somebody has asked for them."""
    if folder := os.environ.get(SCREENSHOTS):
        (ROOT / folder / f"{name}.png").write_bytes(png)


def free_web_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
