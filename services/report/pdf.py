"""Prints a report as a PDF with an installed browser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError

Paper = Literal["a4", "letter"]
SIZES: Final[dict[Paper, str]] = {"a4": "A4", "letter": "letter"}
NAMES: Final = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge", "microsoft-edge-stable",
)  # fmt: skip
"""Commands to look for on the path."""
PLACES: Final = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "linux": ("/snap/bin/chromium", "/opt/google/chrome/chrome", "/usr/lib/chromium/chromium"),
    "win32": tuple(
        f"{os.environ.get(root, default)}/{path}"
        for root, default in (
            ("PROGRAMFILES", "C:/Program Files"),
            ("PROGRAMFILES(X86)", "C:/Program Files (x86)"),
            ("LOCALAPPDATA", ""),
        )
        for path in (
            "Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe",
            "Microsoft/Edge/Application/msedge.exe",
        )
    ),
}  # fmt: skip
"""Other places to look, by ``sys.platform``."""
PDF_MARKER: Final = b"% Affectline session report\n"
"""Comment at the end of the file, which tells a report from other PDFs."""
TIMEOUT_S: Final = 60.0
FLAGS: Final = (
    "--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check",
    "--disable-extensions", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage", "--no-pdf-header-footer",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network requests, which the page does not need
)  # fmt: skip


def find_browser() -> str:
    """Path of a Chromium, Chrome or Edge.

    Raises:
        AffectlineError: None is installed.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for place in PLACES.get(sys.platform, ()):
        if os.access(place, os.X_OK):
            return place
    raise AffectlineError(
        "a PDF needs Chromium, Chrome or Edge, and none of them is installed",
        "install one (on Debian and Ubuntu: apt-get install chromium), or open report.html in any "
        "browser and print it to a file",
    )


def print_pdf(html: str, pdf: Path, paper: Paper = "a4", timeout_s: float = TIMEOUT_S) -> None:
    """Print a page to a PDF file.

    Args:
        html: The page.
        pdf: The file, in a folder that exists.
        paper: Paper size.
        timeout_s: Time limit for the browser.

    Raises:
        AffectlineError: There is no browser, it fails, or the file cannot be written.
    """
    browser = find_browser()
    sheet = f"<style>@page {{ size: {SIZES[paper]} }}</style>\n</head>"
    with TemporaryDirectory(prefix="affectline-pdf-") as folder:
        page, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(html.replace("</head>", sheet, 1), "utf-8")
        _run(browser, page, made, timeout_s)
        content = made.read_bytes()
    try:
        with file_access.as_the_session(pdf.parent):
            atomic_file.write_bytes(pdf, content + PDF_MARKER)
    except OSError as error:
        raise AffectlineError(
            f"cannot write {pdf} ({error.strerror})", "make room, or name another file with --out"
        ) from error


def _run(browser: str, page: Path, pdf: Path, timeout_s: float) -> None:
    """Print a page with a browser in a temporary profile."""
    command = [
        browser, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", f"--print-to-pdf={pdf}",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium refuses root otherwise; we trust our own page
    try:
        done = subprocess.run(
            [*command, page.as_uri()], capture_output=True, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AffectlineError(
            f"{browser} did not print the report within {timeout_s:.0f} s",
            "try again, or open report.html in a browser and print it",
        ) from error
    except OSError as error:
        raise AffectlineError(
            f"{browser} cannot be run ({error.strerror})", "install it again"
        ) from error
    if done.returncode or not pdf.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise AffectlineError(
            f"{browser} did not print the report: {said[-1] if said else done.returncode}",
            "open report.html in a browser and print it",
        )
