"""Recordings of real runs know what they lack, and say so."""

import json
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from mcap.opcode import Opcode
from mcap.reader import make_reader

from affectline.common.recording.reader import SessionReader
from affectline.common.wire import codec
from tests.clock_setting import SettableClock
from tests.pipelines import Pipeline, free_port, run, up

FRAMES = 120
"""Of the sample clip."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("completeness") / "whole"
    done = up("--record", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    return out


def told(command: str, session: Path, code: int = 0) -> dict[str, Any]:
    done = run(command, str(session), "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def recorded(session: Path, kind: str = "Frame") -> set[int]:
    with SessionReader(session) as reader:
        return {codec.read_header(m.parts[1])["seq"] for m in reader.messages() if m.kind == kind}


def missing_numbers(described: dict[str, Any], kind: str) -> set[int]:
    return {
        number
        for sequence in described["sequences"]
        if sequence["message"] == kind
        for hole in sequence["holes"]
        for number in range(hole["first_seq"], hole["last_seq"] + 1)
    }


def test_a_whole_recording_says_so(whole: Path) -> None:
    for command in ("info", "check"):
        found = told(command, whole)
        assert (found["missing"], found["unexplained"], found["lacks"]) == (0, 0, [])
        assert {(s["message"], s["expected"]) for s in found["sequences"]} == {
            ("Frame", FRAMES), ("Emotion", FRAMES),
        }  # fmt: skip
    assert f"all {FRAMES}" in run("info", str(whole)).stdout
    with (whole / "session.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        names = [record.name for record in reader.iter_metadata()]
        assert names == ["session", "affectline.note", "affectline.content"], "any tool can read it"


def test_a_recorder_that_was_killed_tells_what_it_missed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--record", "--delivery", "live", "--pace", "realtime")
    with Pipeline(out, *arguments, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(20)
        pipeline.kill("recorder")
        pipeline.finish()
    missing = set(range(FRAMES)) - recorded(out)
    assert missing
    for command in ("info", "check"):
        found = told(command, out)
        assert missing_numbers(found, "Frame") == missing
        assert (found["unexplained"], found["interruptions"]) == (0, 1)
        (sequence,) = (s for s in found["sequences"] if s["message"] == "Frame")
        assert {hole["reason"] for hole in sequence["holes"]} <= {"interrupted", "live"}
        sentence = found["lacks"][0]
        assert sentence.startswith(f"{len(missing)} of {FRAMES} frames of sample are missing: ")
        assert "the recorder was down from 0:0" in sentence
    (row,) = json.loads(run("sessions", str(tmp_path), "--json").stdout)
    assert row["lacks"] == found["lacks"]
    assert "the recorder was down" in run("info", str(out)).stdout.replace("\n", " ")


def test_a_recording_that_nobody_went_on_with_says_that_it_has_no_end(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Pipeline(out, "--record", "--pace", "realtime", prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(40)
        pipeline.process.send_signal(signal.SIGSTOP)  # else it would start another one
        pipeline.kill("recorder")
        for kind in ("capture", "hub"):
            pipeline.kill(kind)
    found = told("check", out, code=1)
    assert (found["finished"], found["unexplained"]) == (False, 0)
    assert any("not stopped properly" in problem for problem in found["problems"])
    tables = json.loads((out / "session.json").read_text())["checkpoint"]["streams"]["sample"]
    assert missing_numbers(told("info", out), "Frame") == set(
        range(max(recorded(out)) + 1, tables["next_seq"])
    ), "the tables beside it show what came after"
    assert "missing, after 0:0" in run("info", str(out)).stdout
    (row,) = json.loads(run("sessions", str(tmp_path), "--json").stdout)
    assert (row["problem"], row["missing"]) == ("not finished", None)


def destroy_a_chunk(file: Path) -> None:
    """Overwrite the records of the chunk in the middle, with its index."""
    content = bytearray(file.read_bytes())
    with SessionReader(file) as reader:
        chunks = [r for r in reader.file.records() if r.opcode == Opcode.CHUNK]
    middle = chunks[len(chunks) // 2]
    length = middle.end - middle.start - 100
    content[middle.start + 50 : middle.start + 50 + length] = bytes(length)
    file.write_bytes(content)


def test_what_a_damage_in_the_middle_has_cost_is_named(whole: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(whole, damaged)
    destroy_a_chunk(damaged / "session.mcap")
    missing = {kind: set(range(FRAMES)) - recorded(damaged, kind) for kind in ("Frame", "Emotion")}
    assert all(missing.values())
    found = told("check", damaged, code=1)
    for kind, numbers in missing.items():
        assert missing_numbers(found, kind) == numbers
    assert found["unexplained"] == sum(map(len, missing.values()))
    first, last = min(missing["Frame"]), max(missing["Frame"])
    text = f"{last - first + 1} frames of sample are missing (seq {first} to {last}): "
    assert any(problem.startswith(text) for problem in found["problems"]), found["problems"]
    assert text in run("check", str(damaged)).stdout


def test_a_list_that_is_destroyed_is_a_problem(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.mcap"
    content = (whole / "session.mcap").read_bytes()
    file.write_bytes(content.replace(b'"sequences"', b'"sequinces"'))
    found = told("check", file, code=1)
    assert "the recorder's list of what the file holds cannot be read" in found["problems"]
    assert found["missing"] == 0
    start = content.index(struct.pack("<I", 18) + b"affectline.content")
    file.write_bytes(content.replace(content[start : start + 22], bytes(22)))
    assert told("check", file, code=1)["problems"]


def test_a_clock_that_is_set_while_recording_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock(tmp_path)
    monkeypatch.setenv(*clock.variable)
    out = tmp_path / "out"
    arguments = ("--record", "--pace", "realtime")
    with Pipeline(out, *arguments, prefixes=("emotion/",)) as pipeline:
        for seq, by_s in ((20, 3600), (70, -7200)):
            pipeline.wait_for_frame(seq)
            clock.set_by(by_s)
        pipeline.finish()
    found = told("info", out)
    steps = [step["by_s"] for step in found["clock_steps"]]
    assert steps == [pytest.approx(3600, abs=0.1), pytest.approx(-7200, abs=0.1)]
    forward, back = found["notes"]
    assert forward.startswith("the clock was set forward by 1:00:00.0 at 20")
    assert back.startswith("the clock was set back by 2:00:00.0 at 20")
    assert "set back by 2:00:00.0" in run("info", str(out)).stdout
    assert told("check", out)["notes"] == found["notes"]
    assert recorded(out) == set(range(FRAMES))


def test_a_replay_of_a_part_lacks_the_rest_and_says_why(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    arguments = ("--from", "2s", "--rate", "max", "--record", "--port", str(free_port()))
    done = run("replay", str(whole), *arguments, "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = told("check", out)
    reasons = {hole["reason"] for s in found["sequences"] for hole in s["holes"]}
    assert reasons == {"replayed"}
