"""Detector and classifier around a hub, in one process: real frames in, emotions out."""

import time

import cv2
import pytest

from affectline.common.wire.messages import Emotion, Frame, Packet
from affectline.services.capture.sample_clip import find_sample
from affectline.services.classifier.spec import ClassifierProcess
from affectline.services.classifier.stage import Classifier
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.stage import Detector
from tests.in_process import InProcessPipeline

FRAMES = 8


def sample_frames() -> list[Packet[Frame]]:
    video = cv2.VideoCapture(str(find_sample()))
    packets = []
    for seq in range(FRAMES):
        _, image = video.read()
        height, width = image.shape[:2]
        _, jpeg = cv2.imencode(".jpg", image)
        frame = Frame(
            stream="drive",
            epoch=1,
            seq=seq,
            captured_at=time.time_ns(),
            received_at=time.time_ns(),
            width=width,
            height=height,
        )
        packets.append(Packet(frame, (jpeg.tobytes(),)))
    video.release()
    return packets


@pytest.mark.parametrize("classifiers", [1, 2])
def test_every_frame_gets_its_one_answer_in_order(classifiers: int) -> None:
    with InProcessPipeline("lossless") as pipeline:
        for number in range(classifiers):
            process = ClassifierProcess(name=str(number))
            pipeline.start(Classifier(process), process.process_name)
        detector = DetectorProcess(name="drive")
        pipeline.start(Detector(detector), detector.process_name)
        for packet in sample_frames():
            pipeline.publish(packet)
        emotions = [pipeline.wait_for(Emotion).message for _ in range(FRAMES)]
    assert [emotion.seq for emotion in emotions] == list(range(FRAMES))
    assert all(emotion.missing is None for emotion in emotions)
    (face,) = emotions[-1].faces
    assert face.probabilities is not None
    assert sum(face.probabilities) == pytest.approx(1, abs=1e-4)
    assert {emotion.model for emotion in emotions if emotion.faces} == {emotions[-1].model}
