"""A page with a flashing square, for a browser on this or another machine."""

import http.server
import json
import queue
import secrets
import threading
from collections.abc import Callable
from hmac import compare_digest
from typing import Any, Final

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.json_text import parse_json
from affectline.services.synchrony.flash_delay import Change

MAX_BODY: Final = 1024
"""Maximum bytes of a request."""
REQUEST_S: Final = 5.0
"""How long a client may take for a request."""
OPENING_S: Final = 120.0
"""How long to wait for a browser to open the page."""
SILENCE_S: Final = 10.0
"""A page that is silent for this long is gone, because changes come at least every second."""
AGE_NS: Final = 60 * 10**9
"""Changes further from now than this are rejected: the page's clock is unusable."""
PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Affectline sync-test</title>
<style>
html, body { height: 100%; margin: 0; background: #606060; cursor: none }
body { display: grid; place-items: center; overflow: hidden }
#square { width: 70vmin; height: 70vmin; background: #000 }
#square.light { background: #fff }
</style>
<div id="square"></div>
<script>
const square = document.getElementById("square");
const clock = () => performance.timeOrigin + performance.now();
const send = body => fetch("change", { method: "POST", body: JSON.stringify(body) });
async function compareClocks() {  // as NTP does: the fastest answer is the most accurate
  let best = Infinity, offset = 0;
  for (let n = 0; n < 12; n++) {
    const before = clock();
    const there = await (await fetch("clock", { cache: "no-store" })).json();
    const after = clock();
    if (after - before < best) { best = after - before; offset = there - (before + after) / 2 }
  }
  return { offset, error: best / 2 };
}
async function run() {
  const { offset, error } = await compareClocks();
  const moments = await (await fetch("moments", { cache: "no-store" })).json();
  await send({ error });
  const begin = performance.now();
  let next = 0, painted = false;
  function frame(now) {
    if (painted) {  // the previous image went to the display just now
      painted = false;
      send({ at: performance.timeOrigin + now + offset, light: next % 2 === 1 });
    }
    if (next < moments.length && now >= begin + moments[next] * 1000) {
      square.className = next % 2 === 0 ? "light" : "";
      next++;
      painted = true;
    }
    if (next < moments.length || painted) requestAnimationFrame(frame);
    else setTimeout(() => send({ end: true }), 1000);
  }
  requestAnimationFrame(frame);
}
run();
</script>
"""


class FlashPage:
    """Serves the page at a secret path until it is closed.

    Args:
        moments: When the square changes, in s from the beginning.
        host: Address to listen on.
        port: Port; 0: any free one.

    Raises:
        AffectlineError: It cannot listen on the address.
    """

    def __init__(self, moments: list[float], host: str = "127.0.0.1", port: int = 0) -> None:
        self.moments = moments
        self._said: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=len(moments) + 10)
        self._path = f"/{secrets.token_urlsafe(16)}/"
        self.clock_error_ms: float | None = None
        """Possible remaining error of the browser's clock after correction, in ms."""
        try:
            self._server = FlashServer((host, port), self)
        except (OSError, OverflowError) as error:
            raise AffectlineError(
                f"--bind {host}:{port}: {error}", "give an address of this machine and a free port"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._server.server_port}{self._path}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def flash(self, is_over: Callable[[], bool]) -> list[Change]:
        """Wait for a browser and the end of its flashes; return when the square changed.

        Args:
            is_over: Polled; returns whether to end early.
        """
        changes: list[Change] = []
        deadline = monotonic() + OPENING_S
        while not is_over() and monotonic() < deadline:
            try:
                said = self._said.get(timeout=0.2)
            except queue.Empty:
                continue
            deadline = monotonic() + SILENCE_S
            if said.get("end"):
                break
            if "error" in said:
                self.clock_error_ms = float(said["error"])
            else:
                changes.append(Change(round(said["at"] * 1e6), bool(said["light"])))
        return sorted(changes)  # requests may overtake one another

    def name_of(self, path: str) -> str | None:
        """The requested name; None without the secret path."""
        head, name = path[: len(self._path)], path[len(self._path) :]
        return name if compare_digest(head.encode(), self._path.encode()) else None

    def accept(self, body: bytes) -> bool:
        """Accept a message from the page; False if it is invalid."""
        try:
            said = parse_json(body)
            if "at" in said:
                is_sound = abs(said["at"] * 1e6 - now_ns()) < AGE_NS and "light" in said
            else:
                is_sound = "end" in said or 0 <= said["error"] < AGE_NS
            if is_sound:
                self._said.put_nowait(said)
        except (ValueError, TypeError, KeyError, queue.Full):
            return False
        return bool(is_sound)


class FlashServer(http.server.ThreadingHTTPServer):
    """Serves a page of flashes.

    Args:
        address: Address to listen on.
        page: The page to serve.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: FlashPage) -> None:
        self.page = page
        super().__init__(address, FlashHandler)


class FlashHandler(http.server.BaseHTTPRequestHandler):
    """Answers one client."""

    timeout = REQUEST_S
    protocol_version = "HTTP/1.1"
    # Answer at once and in one piece; otherwise TCP would delay the comparison of clocks
    disable_nagle_algorithm = True
    wbufsize = -1

    server: FlashServer

    @property
    def _page(self) -> FlashPage:
        return self.server.page

    def do_GET(self) -> None:
        name = self._page.name_of(self.path)
        if name == "":
            self._answer(200, PAGE, "text/html; charset=utf-8")
        elif name == "clock":
            self._answer(200, json.dumps(now_ns() / 1e6))
        elif name == "moments":
            self._answer(200, json.dumps(self._page.moments))
        else:
            self._answer(404, "null")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self._page.name_of(self.path) != "change":
            self._refuse(404)
        elif not (length.isdecimal() and int(length) <= MAX_BODY):
            self._refuse(413)
        elif self._page.accept(self.rfile.read(int(length))):
            self._answer(200, "null")
        else:
            self._refuse(400)

    def _refuse(self, code: int) -> None:
        self.close_connection = True  # the request's body is not read
        self._answer(code, "null")

    def _answer(self, code: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...
