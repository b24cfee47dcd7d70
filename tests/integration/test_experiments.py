"""The snippets of docs/experiments.md, as far as their software is here."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from affectline.services.biometrics.driver import DeviceGone
from tests.browsers import chromium, open_page
from tests.integration.test_remote import Remote, remote  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
PAGE = """<!doctype html><meta charset="utf-8"><script src="affectline.js"></script>"""


def test_a_program_marks_and_records_over_http(remote: Remote) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, ROOT / "examples/mark_over_http.py", "--address",
         f"http://127.0.0.1:{remote.port}", "--token-file", remote._token_file, "--name", "http"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one.label for one in remote.markers("http")][:3] == ["trial 1", "trial 2", "trial 3"]


def test_a_page_marks_when_things_happen_in_it(
    remote: Remote,  # noqa: F811
    tmp_path: Path,
) -> None:
    with _open(remote, PAGE, tmp_path) as page:
        told = page.evaluate(
            """async ([address, token]) => {
                const a = await Affectline.connect(address, token);
                await a.record("page", { participant: "08" });
                const pressed = Affectline.now();
                await new Promise((done) => setTimeout(done, 400));
                a.mark("key", { rt: 400 }, pressed);       // it comes late
                a.mark("now");
                await new Promise((done) => setTimeout(done, 600));
                const status = await a.status();
                await a.stop();
                const again = await a.record("page");
                await a.stop();
                return { status, again, errors: a.errors, error_ms: a.lastError };
            }""",
            [f"http://127.0.0.1:{remote.port}", remote.token],
        )
    assert told["status"]["recording"] == "page"
    assert told["errors"] == []
    assert 0 <= told["error_ms"] < 50
    assert told["again"] == {"recording": "page-2"}, "nothing is overwritten"
    key, now = sorted(remote.markers("page"), key=lambda one: one.at)[-2:]
    assert (key.label, now.label) == ("key", "now")
    assert key.extra == {"rt": 400}
    assert 0.35e9 < now.at - key.at < 0.6e9


def test_markers_wait_for_a_connection_that_was_lost(
    remote: Remote,  # noqa: F811
    tmp_path: Path,
) -> None:
    with _open(remote, PAGE, tmp_path) as page:
        told = page.evaluate(
            """async ([address, token]) => {
                const a = await Affectline.connect(address, token);
                await a.record("lost", { participant: "10" });
                a.mark("before");
                const closed = new Promise((done) => a.socket.addEventListener("close", done));
                a.socket.close();
                a.mark("while it closes");
                await closed;
                const now = Affectline.now();
                for (const ago of [0, 100, 300]) a.mark(`${ago} ms ago`, {}, now - ago);
                await a.stop();
                a.mark("once more");
                await a.stored();
                return { left: a.unanswered.length, errors: a.errors };
            }""",
            [f"http://127.0.0.1:{remote.port}", remote.token],
        )
    assert told == {"left": 0, "errors": ["the connection was lost: markers are kept"]}
    at = {one.label: one.at for one in remote.markers("lost")}
    assert {"before", "while it closes", "0 ms ago", "100 ms ago", "300 ms ago"} <= at.keys()
    assert at["0 ms ago"] - at["300 ms ago"] == pytest.approx(0.3e9, abs=0.05e9)


def test_jspsych_marks_stimulus_and_response(
    remote: Remote,  # noqa: F811
    tmp_path: Path,
) -> None:
    modules = ROOT / ".cache/node/node_modules"
    library = modules / "jspsych/dist/index.browser.min.js"
    plugin = modules / "@jspsych/plugin-html-keyboard-response/dist/index.browser.min.js"
    if not library.exists() or not plugin.exists():
        pytest.skip("jsPsych is not installed: CONTRIBUTING.md tells how")
    html = (
        f"<!doctype html><meta charset=utf-8><script>{library.read_text()}</script>"
        f"<script>{plugin.read_text()}</script><script src=affectline.js></script><body></body>"
    )
    with _open(remote, html, tmp_path) as page:
        page.evaluate(
            """async ([address, token]) => {
                const a = await Affectline.connect(address, token);
                await a.record("jspsych", { participant: "09", task: "stroop" });
                const jsPsych = initJsPsych();
                window.ran = jsPsych.run([{
                    type: jsPsychHtmlKeyboardResponse, stimulus: "<p>RED</p>",
                    on_load: () => a.mark("stimulus", { word: "red" }),
                    on_finish: (data) => a.mark("response", { key: data.response, rt: data.rt }),
                }]).then(() => new Promise((done) => setTimeout(done, 500))).then(() => a.stop());
            }""",
            [f"http://127.0.0.1:{remote.port}", remote.token],
        )
        page.wait_for_selector("text=RED")
        page.wait_for_timeout(300)
        page.keyboard.press("f")
        page.evaluate("window.ran")
    stimulus, response = sorted(remote.markers("jspsych"), key=lambda one: one.at)[-2:]
    assert (stimulus.label, response.label) == ("stimulus", "response")
    assert response.extra["key"] == "f"
    rt = response.extra["rt"]
    assert isinstance(rt, int | float)
    assert abs((response.at - stimulus.at) / 1e6 - rt) < 60, "the page's own reaction time"


@contextmanager
def _open(at: Remote, html: str, folder: Path) -> Iterator[Any]:
    """The page of an experiment in a browser, served as a lab does, on this machine.

    From other machines browsers ask before a page may reach this one.
    """
    (folder / "index.html").write_text(html)
    (folder / "affectline.js").write_text((ROOT / "examples/affectline.js").read_text())
    port = str(at.port + 2)
    command = [sys.executable, "-u", "-m", "http.server", port, "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        server.stdout.readline()  # it listens
        try:
            url = f"http://127.0.0.1:{port}/"
            with chromium() as browser, open_page(browser, url) as page:
                yield page
        finally:
            server.kill()


SHIM = "from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock\n"
"""What PsychoPy's ``pylsl`` is here: another binding of the same library."""


def test_psychopy_s_markers_arrive(tmp_path: Path) -> None:
    pytest.importorskip("mne_lsl", reason="needs mne-lsl (the sensors extra)")
    from affectline.services.biometrics.drivers.lsl import LslDriver
    from tests.integration.buses import drive, real_clock
    from tests.unit.services.biometrics.fakes import settings

    (tmp_path / "pylsl.py").write_text(SHIM)
    program = subprocess.Popen(
        [sys.executable, ROOT / "examples/psychopy_markers.py", "--seconds", "0.2"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    inlet = LslDriver(settings("lsl", name="PsychoPyMarkers"), real_clock())
    deadline = time.monotonic() + 30
    while True:
        try:
            inlet.open()
            break
        except DeviceGone:
            assert time.monotonic() < deadline
    found = drive(inlet, 30, lambda r: sum(len(one.events) for one in r) == 4)
    labels = [event.label for reading in found for event in reading.events]
    assert labels == ["trial 1", "trial 2", "trial 3", "end"]
    inlet.close()
    assert program.wait(timeout=20) == 0


def test_the_jspsych_snippet_runs_as_a_browser_runs_it(
    remote: Remote,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With stand-ins for jsPsych, so that it needs no package."""
    address = f"http://127.0.0.1:{remote.port}"
    snippet = _snippet("html").replace("http://127.0.0.1:8090", address)
    assert address in snippet
    html = f"""<!doctype html><meta charset=utf-8><body><script>
        const TOKEN = "{remote.token}", jsPsychHtmlKeyboardResponse = {{}};
        window.errors = [];
        addEventListener("error", (event) => window.errors.push(event.message));
        addEventListener("unhandledrejection", (event) => window.errors.push(String(event.reason)));
        const initJsPsych = (options) => ({{ run: async ([trial]) => {{
            trial.on_load();
            await new Promise((pressed) => setTimeout(pressed, 100));
            trial.on_finish({{ response: "f", rt: 400 }});
            await new Promise((done) => setTimeout(done, 500));
            await options.on_finish();
            window.ended = true;
        }} }});
    </script>{snippet}</body>"""
    with _open(remote, html, tmp_path) as page:
        page.wait_for_function("window.ended || window.errors.length")
        assert page.evaluate("window.errors") == []
    found = sorted(remote.markers("p07"), key=lambda one: one.at)
    assert [one.label for one in found if one.source != "remote"][-2:] == ["stimulus", "response"]


def test_matlab_and_r_snippets_run_where_their_software_is() -> None:
    if not shutil.which("Rscript"):
        pytest.skip("no R here: docs/experiments.md says that its snippet was not run")
    parsed = subprocess.run(
        ["Rscript", "-e", "parse(text = readLines(file('stdin')))"], text=True, check=False,
        input=_snippet("r"), capture_output=True,
    )  # fmt: skip
    assert parsed.returncode == 0, parsed.stderr


def _snippet(language: str) -> str:
    text = (ROOT / "docs/experiments.md").read_text()
    return text.partition(f"```{language}\n")[2].partition("```")[0]
