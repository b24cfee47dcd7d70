"""The wire does not change unnoticed: golden bytes, schemas and documents."""

import json
from pathlib import Path

import jsonschema
import msgpack
import pytest

from affectline.common.errors import InvalidMessage
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import asyncapi, codec
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import describe
from tests.samples import EMOTION, PACKETS

ROOT = Path(__file__).parents[4]
HUB = HubSettings()
DOCUMENTS = asyncapi.documents(HUB.outlet, HUB.ingress)
GOLDEN = ROOT / "tests" / "golden" / "wire.json"
VERSION_1 = json.loads(GOLDEN.with_name("wire-version-1.json").read_text())
"""Golden bytes of the kinds that had a version 2."""
VERSION_2 = json.loads(GOLDEN.with_name("wire-version-2.json").read_text())
"""Those of the kinds that have a version 3."""


def golden() -> dict[str, list[str]]:
    content: dict[str, list[str]] = json.loads(GOLDEN.read_text())
    return content


def test_there_is_a_sample_and_golden_bytes_of_every_message() -> None:
    assert set(PACKETS) == set(message_kinds()) == set(golden()), "run make docs"


@pytest.mark.parametrize("name", sorted(message_kinds()))
def test_a_message_is_laid_out_as_the_golden_bytes_say(name: str) -> None:
    assert [bytes(part).hex() for part in codec.encode(PACKETS[name])] == golden()[name]


@pytest.mark.parametrize("name", sorted(message_kinds()))
def test_golden_bytes_read_back_as_the_message(name: str) -> None:
    packet = codec.decode([bytes.fromhex(part) for part in golden()[name]])
    assert packet == PACKETS[name]


@pytest.mark.parametrize("name", sorted(set(VERSION_1) - {"State"}))
def test_messages_of_version_1_are_still_read(name: str) -> None:
    message = codec.decode([bytes.fromhex(part) for part in VERSION_1[name]]).message
    old = msgpack.unpackb(bytes.fromhex(VERSION_1[name][1]))
    now = type(message).model_fields["version"].default
    assert (message.message, message.version) == (name, now)  # type: ignore[attr-defined]
    # The only time that it had is both: the moment of the event, and that of its reception
    time = old.get("captured_at") or old.get("started_at") or old.get("ended_at")
    assert (message.event_time, getattr(message, "received_at", None)) == (time, time)


def test_states_of_version_1_are_still_read_and_say_nothing_of_driving() -> None:
    state = codec.decode([bytes.fromhex(part) for part in VERSION_1["State"]]).message
    old = msgpack.unpackb(bytes.fromhex(VERSION_1["State"][1]))
    said = state.model_dump(mode="json")
    assert said == said | old | {"version": 2}  # all of it is there unchanged
    assert (state.drowsiness, state.off_road) == (None, None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(VERSION_2))
def test_messages_of_version_2_are_still_read(name: str) -> None:
    parts = [bytes.fromhex(part) for part in VERSION_2[name]]
    message = codec.decode(parts).message
    old = msgpack.unpackb(parts[1])
    assert old["version"] == 2
    for before, face in zip(old["faces"], message.faces, strict=True):  # type: ignore[attr-defined]
        said = face.model_dump(mode="json")
        assert said == said | before  # all of it is there unchanged, and nothing is made up
        assert all(face.model_dump()[sign] is None for sign in ("yaw", "perclos", "mesh_score"))
        assert not face.doubts


def test_an_old_result_shows_the_smoothed_distribution() -> None:
    packet = codec.decode([bytes.fromhex(part) for part in VERSION_1["Emotion"]])
    old = msgpack.unpackb(bytes.fromhex(VERSION_1["Emotion"][1]))["faces"][0]
    face = packet.message.faces[0]  # type: ignore[attr-defined]
    assert face.probabilities == tuple(old["smoothed"])
    assert face.frame_probabilities == tuple(old["probabilities"])
    assert face.confidence == max(old["smoothed"])
    assert (round(face.valence, 4), round(face.arousal, 4)) == (0.7118, 0.4915)


@pytest.mark.parametrize(("path", "text"), sorted(DOCUMENTS.items()))
def test_the_committed_documents_are_up_to_date(path: str, text: str) -> None:
    assert (ROOT / "docs" / path).read_text() == text, "run make docs"


@pytest.mark.parametrize("name", sorted(message_kinds()))
def test_what_goes_over_the_wire_satisfies_the_schema(name: str) -> None:
    schema = asyncapi.schemas()[name]
    plain = PACKETS[name].message.model_dump(mode="json")
    jsonschema.validate(plain, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain | {"surprise": 1}, schema)


def test_references_in_the_asyncapi_document_lead_somewhere() -> None:
    document = asyncapi.asyncapi(HUB.outlet, HUB.ingress)
    references = [line for line in json.dumps(document, indent=1).split("\n") if "$ref" in line]
    assert len(references) > 20
    for line in references:
        at = document
        for step in line.split('"')[3].removeprefix("#/").split("/"):
            at = at[step]


def test_people_get_probabilities_by_label() -> None:
    face = describe(EMOTION)["faces"][0]
    assert face["probabilities"]["happy"] == 0.9
    assert list(face["frame_probabilities"]) == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Frame", {"seq": -1}),
        ("Frame", {"seq": "7"}),
        ("Frame", {"captured_at": 1.0}),
        ("Frame", {"stream": "a/b"}),
        ("Frame", {"stream": "../etc"}),
        ("Frame", {"encoding": "gif"}),
        ("Frame", {"version": 3}),
        ("Emotion", {"faces": [{"track": 1}]}),
        ("Scores", {"distributions": [[0.1] * 6]}),
        ("Scores", {"distributions": [[float("nan")] * 7]}),
        ("Scores", {"distributions": [[1.5] + [0.0] * 6]}),
        ("Resend", {"first_seq": 9}),
        ("Samples", {"values": []}),
        ("Samples", {"values": [1.0]}),
        ("Samples", {"rate": 4.0}),
        ("Samples", {"offsets": []}),
        ("Samples", {"offsets": [5, 4]}),
        ("Samples", {"signal": "a/b"}),
        ("Samples", {"values": [float("inf"), 1.0]}),
        ("State", {"nervousness": 100.1}),
        ("State", {"signals": {"heart": {"quality": 2.0}}}),
        ("State", {"drowsiness": {"level": 101.0}}),
        ("State", {"off_road": {"now": "asleep"}}),
        ("State", {"off_road": {"share": 1.5}}),
        ("Marker", {"label": ""}),
    ],
)
def test_a_wrong_field_makes_the_message_invalid(name: str, change: dict[str, object]) -> None:
    topic, header, *parts = codec.encode(PACKETS[name])
    fields = msgpack.unpackb(header) | change
    with pytest.raises(InvalidMessage):
        codec.decode([topic, msgpack.packb(fields), *parts])


def test_topic_and_parts_must_fit_the_header() -> None:
    topic, header, part = codec.encode(PACKETS["Frame"])
    for wrong in ([], [topic], [topic, header], [topic, header, part, part], [b"x", header, part]):
        with pytest.raises(InvalidMessage):
            codec.decode(wrong)
    topic, header, _, small, landmarks = codec.encode(PACKETS["Faces"])
    with pytest.raises(InvalidMessage, match="a part of 5 bytes"):
        codec.decode([topic, header, b"12345", small, landmarks])
