"""``affectline collect`` for tests: started as a user would."""

import csv
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.browsers import free_web_port
from tests.pipelines import free_port, process


class Collecting:
    """``affectline collect`` in the background.

    Args:
        folder: For the samples and settings.
        source: What the camera sees.
        host: Where the page is served.
        ask_token: Whether it asks for a token on this machine's own address, too.
    """

    def __init__(
        self, folder: Path, source: Path, host: str = "127.0.0.1", *, ask_token: bool = False
    ) -> None:
        self._folder, self.faces = folder, folder / "faces"
        self.port = free_web_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._settings = folder / "collect.yaml"
        self._settings.write_text(f"hub: {{port: {free_port()}}}\n")
        self._options = (
            "--source", str(source.absolute()), "--out", "faces", "--host", host,
            "--port", str(self.port), "--config", str(self._settings),
            *(("--ask-token",) if ask_token else ()),
        )  # fmt: skip
        self.output = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """The whole of it; ends as by Ctrl-C."""
        with process(
            "collect", *self._options, stdout=subprocess.PIPE, cwd=self._folder
        ) as collecting:
            assert collecting.stdout
            while "samples are stored in" not in self.output:
                line = collecting.stdout.readline()
                assert line, "it ended"
                self.output += line
            self._wait_until_it_answers()
            yield
            collecting.send_signal(signal.SIGINT)
            assert collecting.wait(timeout=20) == 0
        assert not [path for path in self.faces.rglob("*") if path.stat().st_mode & 0o077]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.get(f"{self.url}collect-style/collect.css", timeout=5)
                return
        raise AssertionError(f"nobody answers at {self.url}")

    def rows(self) -> list[dict[str, str]]:
        """The manifest."""
        with (self.faces / "manifest.csv").open(newline="") as file:
            return list(csv.DictReader(file))
