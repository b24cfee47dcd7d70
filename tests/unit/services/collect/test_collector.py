"""What becomes of the picture on somebody's screen; no sockets, no browser."""

import asyncio
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.messages import Emotion, Frame
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import Collector, FrameRef, parse_frame_ref
from affectline.services.collect.quality_checks import Rejection
from affectline.services.collect.samples import Sample
from affectline.services.web.broadcaster import BroadcastClient, Broadcaster
from affectline.services.web.frame_pairs import FrameResult
from tests.unit.services.collect.faces import emotion, face, scene

FRAME_REF = FrameRef("viewer", "cam", 1, 0)


def result(answer: Emotion, *, picture: bytes | None = None) -> FrameResult:
    jpeg = cv2.imencode(".jpg", scene(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return FrameResult(answer, Frame(**answer.identity), jpeg if picture is None else picture, 25.0)


def capture(
    folder: Path, shown: FrameResult, frame_ref: FrameRef = FRAME_REF, person: str = "anna"
) -> Any:
    """What comes of it when a page shows this picture and somebody presses K."""
    with Collection(folder) as collection:
        collection.record_consent("anna")
        collector = Collector(HubSettings(), collection)
        broadcaster = Broadcaster()
        client: Any = BroadcastClient(None, list)  # type: ignore[arg-type]
        client.sent["cam"] = deque([shown])
        broadcaster.clients["viewer"] = client
        collector.live_hub = SimpleNamespace(broadcaster=broadcaster)  # type: ignore[assignment]
        return asyncio.run(collector.capture(frame_ref, person, "happy"))


def test_the_face_is_cut_from_the_picture_as_it_was_captured(tmp_path: Path) -> None:
    large = face((150, 20, 300, 300))  # the crops on the wire end at 160 pixels
    found = capture(tmp_path / "faces", result(emotion(large)))
    assert isinstance(found, Sample)
    assert (found.stream, found.epoch, found.seq) == ("cam", 1, 0)
    native = cv2.imread(str(tmp_path / "faces" / found.file))
    assert native is not None
    assert native.shape == (306, 306, 3)


def test_what_is_rejected_is_recorded(tmp_path: Path) -> None:
    found = capture(tmp_path / "faces", result(emotion()))
    assert isinstance(found, Rejection)
    with Collection(tmp_path / "faces") as collection:
        assert not collection.samples
        assert collection.rejected[0].reason.startswith("no face")


def test_a_picture_that_is_none_is_rejected(tmp_path: Path) -> None:
    found = capture(tmp_path / "faces", result(emotion(face()), picture=b"no jpeg"))
    assert "could not be decoded" in found.reason


@pytest.mark.parametrize(
    "frame_ref",
    [
        FrameRef("somebody", "cam", 1, 0),
        FrameRef("viewer", "cam", 1, 7),
        FrameRef("viewer", "x", 1, 0),
    ],
)
def test_only_what_is_on_that_very_page_is_captured(tmp_path: Path, frame_ref: FrameRef) -> None:
    with pytest.raises(AffectlineError, match="no longer on the page"):
        capture(tmp_path / "faces", result(emotion(face())), frame_ref)


def test_of_those_who_have_not_agreed_nothing_is_captured(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="ben has not agreed"):
        capture(tmp_path / "faces", result(emotion(face())), person="ben")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("faces", [0, 1])
def test_of_those_who_have_not_agreed_no_rejection_is_recorded_either(
    tmp_path: Path, faces: int
) -> None:
    with pytest.raises(AffectlineError):
        capture(tmp_path / "faces", result(emotion(*[face()] * faces)), person="ben")
    assert not (tmp_path / "faces" / "left_out.csv").exists()


@pytest.mark.parametrize(
    "told",
    [None, [], {}, {"viewer": "v", "stream": "cam", "epoch": True, "seq": 0},
     {"viewer": "v", "stream": 1, "epoch": 1, "seq": 0},
     {"viewer": "v", "stream": "cam", "epoch": 1, "seq": 0.5}],
)  # fmt: skip
def test_what_a_browser_says_is_looked_at(told: object) -> None:
    with pytest.raises(AffectlineError, match="no frame on the page"):
        parse_frame_ref(told)
    assert parse_frame_ref({"viewer": "viewer", "stream": "cam", "epoch": 1, "seq": 0}) == FRAME_REF
