"""Studies from the command line: annotate, name, compare, look at the page in a browser."""

import json
from pathlib import Path

import pytest

from tests.browsers import chromium, open_page, screenshot
from tests.pipelines import run
from tests.study_sessions import write_study_session


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    root = tmp_path / "sessions"
    for person in range(1, 9):
        for condition, happy in (("quiet", 0.3), ("traffic", 0.45)):
            study = {"participant": f"{person:02}", "task": "drive", "condition": condition}
            more = 0.02 * person + (0.01 * (person % 3) if condition == "traffic" else 0)
            write_study_session(root / f"{person:02}-{condition}", study, happy=happy + more)
    return root


def test_a_study_is_annotated_compared_and_looked_at(sessions: Path, tmp_path: Path) -> None:
    drive = sessions / "01-traffic"
    before = {path: path.read_bytes() for path in drive.iterdir()}
    marked = run("annotate", str(drive), "phone rang", "--from", "20s", "--to", "25s", "--exclude")
    assert "left out" in marked.stdout
    assert run("annotate", str(drive), "talks", "--from", "2", "--to", "4s").returncode == 0
    listed = run("annotate", str(drive), "--remove", "1")
    assert "phone rang" in listed.stdout
    assert "talks" not in listed.stdout
    named = run("tracks", str(drive), "--name", "1=driver")
    assert "driver" in named.stdout
    assert {path: path.read_bytes() for path in before} == before, "nothing else is changed"

    out = tmp_path / "study"
    done = run("study", str(sessions), "--out", str(out), "--event", "braking", "--event", "none")
    assert done.returncode == 0, done.stderr
    assert "16 sessions of 8 participants under 2 conditions (quiet, traffic)" in done.stdout
    assert "--event none: no marker of that label" in done.stderr
    assert {path.name for path in out.glob("*.csv")} == {
        "sessions.csv", "measures.csv", "conditions.csv", "differences.csv", "events.csv",
    }  # fmt: skip
    report = run("report", str(drive))
    assert report.returncode == 0
    page = (drive / "report.html").read_text()
    assert "phone rang (left out)" in page
    with chromium() as browser, open_page(browser, f"file://{out / 'study.html'}") as shown:
        shown.wait_for_selector(".main-svg")
        plots = shown.locator(".js-plotly-plot").count()
        assert plots == 2
        titles = shown.locator(".annotation-text").all_text_contents()
        assert "valence, -1 to 1" in titles
        screenshot(shown, "study", full_page=False)


def test_sessions_are_told_apart_by_up_s_own_labels(tmp_path: Path) -> None:
    write_study_session(tmp_path / "one", {"participant": "07", "condition": "rain"})
    info = json.loads(run("info", str(tmp_path / "one"), "--json").stdout)
    assert info["study"] == {"participant": "07", "condition": "rain"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("annotate", "one", "x", "--from", "5s"), "'x' without --to"),
        (("annotate", "one", "x", "--from", "9s", "--to", "5s"), "it ends at 5 s"),
        (("annotate", "one", "x", "--from", "soon", "--to", "5s"), "--from soon: not a time"),
        (("annotate", "one", "--remove", "1"), "has 0 annotations"),
        (("annotate", "nowhere", "x"), "nowhere"),
        (
            ("annotate", "one", "--from", "1s", "--to", "2s"),
            "--from without a label: give the part a label",
        ),
        (("annotate", "one", "", "--from", "1s", "--to", "2s"), "LABEL '': 0 characters: a label"),
        (
            ("annotate", "one", "x", "--remove", "1"),
            "'x' and --remove 1: remove one or add one, not both",
        ),
        (("annotate", "timed", "x", "--from", "1h", "--to", "2h"), "--from 1h: timed ends at 60.0"),
        (("annotate", ".", "x"), "FILE .: a folder without a session: name one session, for ex"),
        (("annotate", "empty", "x"), "FILE empty: a folder without a session: name a session fol"),
        (
            ("tracks", "one", "--merge", "1=1"),
            "--merge 1=1: track 1 is already part of track 1",
        ),
        (("tracks", "one", "--name", "driver"), "--name driver: not TRACK=..."),
        (("tracks", "one", "--merge", "1=x"), "--merge x: not the number of a track"),
        (("tracks", "one", "--merge", "9=1"), "track 9: no such face in stream front"),
        (("study", "nowhere"), "PATH nowhere: no such folder"),
        (("study", "one", "--baseline", "rest"), "--baseline rest: not FROM..TO"),
    ],
)
def test_bad_input_is_one_line_with_the_way_out(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    write_study_session(tmp_path / "one", {})
    write_study_session(tmp_path / "timed", {})
    (tmp_path / "timed/session.json").write_text('{"seconds": 60.0}')
    (tmp_path / "empty").mkdir()
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
