"""What the arithmetic alone costs: decoding, networks, and copying the bytes of messages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from affectline.common.model import artifact
from affectline.common.model.network import FaceNetwork
from affectline.common.settings.detector import DetectorSettings
from affectline.common.stderr import silence_stderr
from affectline.common.wire import codec
from tests.benchmarks.detector_runs import DetectorRun, EncodedClip, read_clip
from tests.benchmarks.results import Floor
from tests.samples import PACKETS

FRAMES: Final = 200
BATCHES: Final = (1, 2, 4, 8, 16)
FACES: Final = 64
"""Faces that the model classifies with each size of batch."""
_COPIES: Final = 200


def measure_floor(clip: Path) -> Floor:
    """Measure each operation alone, on one core.

    Args:
        clip: The film that the other figures are about.
    """
    frames = read_clip(clip, FRAMES)
    detector_ms, networks_ms = _detector_ms(frames)
    model = {batch: _model_ms(batch) for batch in BATCHES}
    best = min(model, key=lambda batch: model[batch])
    size = round(float(np.mean([len(data) for data in frames.frames]))) + _header_bytes()
    return Floor(
        decode_ms=_decode_ms(clip), networks_ms=networks_ms, detector_ms=detector_ms,
        model_ms=model[1], batch_ms=model[best], batch=best, copy_ms=_copy_ms(size),
        message_bytes=size,
    )  # fmt: skip


def _decode_ms(path: Path) -> float:
    """CPU milliseconds a frame of decoding a film on one thread, without converting its planes."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        started, frames = time.process_time(), 0
        for _ in container.decode(video=0):
            frames += 1
    return (time.process_time() - started) * 1e3 / frames


def _detector_ms(clip: EncodedClip) -> tuple[float, float]:
    """CPU milliseconds a frame of the detector's stage, and of the networks in it."""
    run, before = DetectorRun(DetectorSettings.model_validate({})), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        total = 0.0
        with _network_time() as inside_ms:
            for number in range(len(clip.frames)):
                total += run.process(clip, number).ms
    finally:
        cv2.setNumThreads(before)
    return total / len(clip.frames), inside_ms() / len(clip.frames)


@contextmanager
def _network_time() -> Iterator[Callable[[], float]]:
    """Sum up the CPU milliseconds that are spent inside networks."""
    original, inside = FaceNetwork.run, 0

    def timed(network: FaceNetwork, image: Any) -> Any:
        nonlocal inside
        started = time.process_time_ns()
        try:
            return original(network, image)
        finally:
            inside += time.process_time_ns() - started

    FaceNetwork.run = timed  # type: ignore[method-assign,assignment]
    try:
        yield lambda: inside / 1e6
    finally:
        FaceNetwork.run = original  # type: ignore[method-assign]


def _model_ms(batch: int) -> float:
    """CPU milliseconds a face of the int8 model in batches of a size, on one thread."""
    path = artifact.load().verified("litert-int8")
    with silence_stderr():
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        shape = interpreter.get_input_details()[0]["shape"]
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, (batch, *shape[1:]))
        interpreter.allocate_tensors()
    turns = FACES // batch
    for _ in range(2):
        interpreter.invoke()
    started = time.process_time()
    for _ in range(turns):
        interpreter.invoke()
    return (time.process_time() - started) * 1e3 / (turns * batch)


def _header_bytes() -> int:
    """Bytes of all messages about a frame, without its picture."""
    packets = (PACKETS[name] for name in ("Frame", "Faces", "Scores", "Emotion"))
    picture = len(PACKETS["Frame"].parts[0])
    return sum(len(part) for packet in packets for part in codec.encode(packet)) - picture


def _copy_ms(size: int) -> float:
    """CPU milliseconds of copying so many bytes once, from memory that is in no cache."""
    sources = np.random.default_rng(0).integers(0, 256, (_COPIES, size), np.uint8)
    target = sources.copy()  # its pages are there
    started = time.process_time()
    for one, other in zip(target, sources, strict=True):
        np.copyto(one, other)
    return (time.process_time() - started) * 1e3 / _COPIES
