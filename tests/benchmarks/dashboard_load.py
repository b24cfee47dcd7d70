"""Load by dashboard pages: the server's CPU time, and the pipeline's latency meanwhile."""

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psutil
import yaml
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from tests.benchmarks.environment import IdleGate, cpu_busy_s
from tests.benchmarks.results import DashboardLoad
from tests.benchmarks.run_figures import find_lead, latency_ms
from tests.browsers import ARGUMENTS, CHROMIUM, free_web_port
from tests.pipelines import Pipeline

RATE: Final = 25
SETTLE_S: Final = 3.0
MEASURE_S: Final = 6.0
PAGES: Final = (1, 3)
BROWSER_NICE: Final = 19
"""Nice value of the browser: in practice it is on another machine, or at least on other cores."""
STEPS: Final = 1 + len(PAGES)
READ_COUNTER: Final = "() => window.shown"
COUNT_PICTURES: Final = """() => {
  window.shown = 0;
  const observer = new MutationObserver(() => window.shown++);
  observer.observe(document.querySelector("canvas"), { attributeFilter: ["data-seq"] });
}"""


def measure(
    clip: Path, folder: Path, step: Callable[[str], None], idle_gate: IdleGate
) -> list[DashboardLoad]:
    """One run with three sockets, then 1 and 3 pages in turn, one of them stalled.

    Args:
        clip: 640x360, at 25 frames a second or more.
        folder: For temporary files.
        step: Called with the name of each measurement as it begins.
        idle_gate: Waits for the machine to be idle.
    """
    found = []
    idle_gate.wait()
    with _pipeline(clip, folder) as (pipeline, url), _browser() as browser:
        server = psutil.Process(pipeline.pids()["dashboard"])
        step("sockets: 3")
        with _sockets(url) as sockets:
            found.append(_observe(pipeline, server, sockets, stalled=1, drawn=False))
        pages: list[Any] = []
        for number in PAGES:
            step(f"pages: {number}")
            while len(pages) < number:
                pages.append(_open(browser, url))
            stalled = number == PAGES[-1]
            if stalled:
                _stall(pages[-1])
            found.append(_observe(pipeline, server, pages, stalled=int(stalled)))
    return found


@contextlib.contextmanager
def _pipeline(clip: Path, folder: Path) -> Iterator[tuple[Pipeline, str]]:
    port = free_web_port()
    content = {
        "delivery": "live", "pace": "realtime", "capture": {"rate": RATE},
        "sources": [{"name": "clip", "source": str(clip), "loop": True}],
        "biometrics": [{"driver": "synthetic", "subject": "demo"}],
        "sink": {"display": "browser"}, "dashboard": {"port": port, "sessions": str(folder / "s")},
    }  # fmt: skip
    file = folder / "dashboard.yaml"
    file.write_text(yaml.safe_dump(content))
    prefixes = ("emotion/", "health/dashboard")
    with Pipeline(folder / "dashboard", "--config", str(file), prefixes=prefixes) as run:
        run.wait_for(lambda message: isinstance(message, Health), timeout_s=60)
        run.wait_for_frame(RATE, timeout_s=60)
        yield run, f"http://127.0.0.1:{port}/"
        run.interrupt()


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


def _open(browser: Any, url: str) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    page.wait_for_selector("canvas[data-seq]")
    page.evaluate(COUNT_PICTURES)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in child.name():
                child.nice(BROWSER_NICE)
    return page


class _PageSocket(threading.Thread):
    """Sends and receives what a page would, without a browser."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        address = url.replace("http:", "ws:") + "feed/live"
        self._connection = connect(address, origin=Origin(url.rstrip("/")), compression=None)
        self._shown = 0

    def run(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in self._connection:
                if isinstance(message, bytes):
                    length = int.from_bytes(message[:4], "big")
                    self._connection.send(json.loads(message[4 : 4 + length])["stream"])
                    self._shown += 1

    def evaluate(self, _script: str) -> int:
        """Return the pictures received so far, as a page does for `READ_COUNTER`."""
        return self._shown

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextlib.contextmanager
def watching(url: str, timeout_s: float = 30.0) -> Iterator[None]:
    """Be a page that shows everything, as soon as there is a server, for as long as this lasts.

    Args:
        url: Address of the page.
        timeout_s: How long to wait for the server.
    """
    ended = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + timeout_s
        while not ended.wait(0.1) and time.monotonic() < deadline:
            with contextlib.suppress(OSError, WebSocketException):
                socket = _PageSocket(url)
                socket.start()
                ended.wait()
                socket.close()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)


@contextlib.contextmanager
def _sockets(url: str) -> Iterator[list[_PageSocket]]:
    """Three of them, of which the last never reads."""
    sockets = [_PageSocket(url) for _ in range(3)]
    for socket in sockets[:-1]:
        socket.start()
    yield sockets
    for socket in sockets:
        socket.close()


def _stall(page: Any) -> None:
    """Stop a page's script, as a machine that has gone to sleep does."""
    debugger = page.context.new_cdp_session(page)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")


def _observe(
    pipeline: Pipeline,
    server: psutil.Process,
    pages: Sequence[Any],
    *,
    stalled: int = 0,
    drawn: bool = True,
) -> DashboardLoad:
    active = pages[: len(pages) - stalled]
    list(pipeline.messages(SETTLE_S))
    shown = [page.evaluate(READ_COUNTER) for page in active]
    started, busy, cpu = time.monotonic(), cpu_busy_s(), _cpu_s(server)
    emotions = [p.message for p in pipeline.messages(MEASURE_S) if isinstance(p.message, Emotion)]
    seconds = time.monotonic() - started
    percent = 100 * (_cpu_s(server) - cpu) / seconds
    cores = (cpu_busy_s() - busy) / seconds
    last = [page.evaluate(READ_COUNTER) for page in active]
    rates = [(b - a) / seconds for a, b in zip(shown, last, strict=True)]
    classified = [one for one in emotions if one.classified_at]
    lead = find_lead(emotions)
    latencies = sorted(latency_ms(one, lead[one.stream]) for one in classified)
    return DashboardLoad(
        dashboard=True, pages=len(pages), stalled=stalled, drawn=drawn,
        server_percent=percent,
        rate=len(emotions) / seconds, classified=len(classified) / max(1, len(emotions)),
        p50=statistics.median(latencies), p95=latencies[int(0.95 * len(latencies))],
        shown=rates, cores=cores,
    )  # fmt: skip


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
