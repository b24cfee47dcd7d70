"""A message is one file: what finds the kinds of message, and what follows from them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from affectline.common.wire.base import Message
from affectline.common.wire.kinds import message_kinds, prefixes, recorded_kinds
from tests.golden.__main__ import GOLDEN, complete

PAGE = Path(__file__).parents[4] / "docs" / "extending.md"
PROGRAM = """
import json
import sys
from pathlib import Path

from affectline.common import wire

folder = Path(sys.argv[1])
wire.__path__.append(str(folder))  # as if the module lay beside ours

from typer.testing import CliRunner

from affectline.common.recording.reader import SessionReader
from affectline.common.runtime.stage import StageContext
from affectline.common.wire import asyncapi, codec
from affectline.services.cli.main import app
from affectline.services.cli.reference import list_messages
from affectline.services.recorder.spec import SPEC, RecorderProcess
from affectline.services.recorder.stage import Recorder
from affectline.services.replay.stage import Player
from tests.golden.__main__ import GOLDEN, complete
from tests.samples import PACKETS

packet = PACKETS["Gaze"]
kind = type(packet.message)
parts = codec.encode(packet)
with_privacy = {
    privacy: Recorder(RecorderProcess(folder=folder, privacy=privacy)).topic(kind)
    for privacy in ("everything", "blurred", "features")
}
recorder = Recorder(RecorderProcess(folder=folder))
recorder.context = StageContext("recorder")
recorder.setup()
recorder.handle(packet)
recorder.stop()
recorder.cleanup()
with SessionReader(folder / "session.mcap") as reader:
    (recorded,) = reader.messages()
document = asyncapi.asyncapi("tcp://h:1", "tcp://h:2")
printed = CliRunner().invoke(app, ["schema", "Gaze"]).stdout
golden = json.loads(GOLDEN.read_text())
completed = complete(golden)
print(json.dumps({
    "topic": bytes(parts[0]).decode(),
    "decoded": codec.decode(parts) == packet,
    "schema": asyncapi.schemas()["Gaze"]["properties"]["message"]["const"],
    "printed": json.loads(printed)["title"],
    "file": "schemas/Gaze.json" in asyncapi.documents("tcp://h:1", "tcp://h:2"),
    "channel": document["channels"]["gaze"]["address"],
    "operations": [name for name in document["operations"] if name.endswith("_gaze")],
    "description": document["components"]["messages"]["Gaze"]["description"],
    "recorder's inputs": "gaze" in SPEC.inputs,
    "privacy": with_privacy,
    "recorded": [recorded.topic, recorded.kind, codec.decode(recorded.parts) == packet],
    "replayed": Player.outputs[kind],
    "protocol": "| `gaze/<subject>/<eye>` | [`Gaze`]" in list_messages(),
    "new golden bytes": [name for name in completed if name not in golden],
    "old golden bytes": {name: completed[name] for name in golden} == golden,
}))
"""


def test_a_message_in_a_module_of_its_own_needs_no_other_line(tmp_path: Path) -> None:
    documented = re.search(r"^## A message$.*?^```python$(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert documented
    (tmp_path / "gaze.py").write_text(documented[1])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "topic": "gaze/driver/left",
        "decoded": True,
        "schema": "Gaze",
        "printed": "Gaze",
        "file": True,
        "channel": "gaze/{subject}/{eye}",
        "operations": ["receive_gaze", "send_gaze"],
        "description": "1 part: the image of the eye, 32x32 pixels of 8-bit gray.",
        "recorder's inputs": True,
        "privacy": {"everything": "gaze/", "blurred": None, "features": None},
        "recorded": ["gaze/driver/left", "Gaze", True],
        "replayed": "bus",
        "protocol": True,
        "new golden bytes": ["Gaze"],
        "old golden bytes": True,
    }


def test_golden_bytes_that_are_there_are_never_changed() -> None:
    golden: dict[str, list[str]] = json.loads(GOLDEN.read_text())
    changed = golden | {"Marker": ["00"]}
    del changed["Health"]
    assert complete(changed) == changed | {"Health": golden["Health"]}


def test_kinds_are_in_alphabetical_order_and_what_they_share_is_none() -> None:
    assert list(message_kinds()) == sorted(message_kinds())
    assert not {"Message", "StreamMessage", "FrameMessage"} & set(message_kinds())


def test_commands_and_watermarks_are_neither_recorded_nor_replayed() -> None:
    others = {name for name, kind in message_kinds().items() if kind not in recorded_kinds()}
    assert others == {"Control", "Kept", "RecordingStatus", "Watermark"}


def test_what_comes_from_outside_is_what_a_reanalysis_publishes() -> None:
    inputs = tuple(kind for kind in message_kinds().values() if kind.is_input)
    assert prefixes(inputs) == ("bio", "frame", "marker", "stream")


def test_a_message_has_the_name_that_its_field_says() -> None:
    with pytest.raises(TypeError, match=r"Gaze\.message: the default is 'Look', make it 'Gaze'"):

        class Gaze(Message):
            message: Literal["Look"] = "Look"


def test_levels_of_a_topic_are_fields() -> None:
    with pytest.raises(TypeError, match=r"Gaze\.topic_levels: 'eye' is not one of its fields"):

        class Gaze(Message):
            topic_levels: ClassVar[tuple[str, ...]] = ("eye",)
            message: Literal["Gaze"] = "Gaze"


def test_a_message_without_an_example_is_told_so() -> None:
    with pytest.raises(NotImplementedError, match="Message has no example"):
        Message.example()
