"""Micro-benchmarks: single operations, each alone in this process."""

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from affectline.common.model import artifact
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.stderr import silence_stderr
from affectline.common.wire import codec
from affectline.common.wire.messages import Packet
from affectline.services.classifier.backends import open_model
from affectline.services.detector.detector_settings import HaarSettings
from affectline.services.detector.detectors.haar import HaarDetector
from affectline.services.detector.tracking import FaceTracker
from tests.benchmarks.environment import FOLDER
from tests.benchmarks.results import Micro
from tests.pipelines import AFFECTLINE, free_port
from tests.publishing import publish_once
from tests.samples import PACKETS

FRAMES: Final = 120
HOPS: Final = 300
PLAIN: Final = FOLDER / "plain-vgg16-int8.tflite"


def measure(clip: Path) -> list[Micro]:
    """Measure all of them on a clip's first frames."""
    frames = _read(clip)
    return [
        *_model(),
        _compare_with_plain_vgg16(),
        *_detector(frames),
        *_jpeg(frames),
        *_codec(),
        *_hub(),
    ]


def _read(clip: Path) -> list[NDArray[np.uint8]]:
    video = cv2.VideoCapture(str(clip))
    frames: list[NDArray[np.uint8]] = []
    while len(frames) < FRAMES:
        ok, image = video.read()
        if not ok:
            break
        frames.append(np.asarray(image, np.uint8))
    video.release()
    return frames


def time_ms(function: Callable[[], Any], times: int, warm_up: int = 5) -> list[float]:
    """Wall milliseconds of each of so many calls."""
    for _ in range(warm_up):
        function()
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        durations.append((time.perf_counter() - started) * 1e3)
    return durations


def _model() -> list[Micro]:
    loaded = artifact.load()
    path = loaded.verified("litert-int8")
    found = []
    for threads in (1, 2):
        with silence_stderr():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        ms = statistics.median(time_ms(interpreter.invoke, 100))
        found.append(Micro(name=f"model, threads: {threads}", value=ms, unit="ms a face"))
    model, face = open_model(loaded, "litert"), np.zeros((1, 48, 48), np.uint8)
    ms = statistics.median(time_ms(lambda: model.predict(face), 100))
    note = "with preprocessing and quantisation"
    return [*found, Micro(name="model as served", value=ms, unit="ms a face", note=note)]


def _compare_with_plain_vgg16() -> Micro:
    """The default model beside the plain VGG16 of the paper's recipe, both int8, call by call."""
    plain = _convert_plain_vgg16()
    ours = artifact.load().verified("litert-int8").read_bytes()
    durations: list[list[float]] = [[], []]
    with silence_stderr():
        both = [Interpreter(model_content=content, num_threads=1) for content in (ours, plain)]
        for interpreter in both:
            interpreter.allocate_tensors()
    for _ in range(100):
        for times, interpreter in zip(durations, both, strict=True):
            times += time_ms(interpreter.invoke, 1, warm_up=0)
    ratio = statistics.median(durations[0]) / statistics.median(durations[1])
    note = "of the plain VGG16 at 48x48, int8, one thread, in turns; at most 1.3 is wanted"
    return Micro(name="model, time", value=ratio, unit="times", note=note)


def _convert_plain_vgg16() -> bytes:
    """The plain VGG16 as int8; converting it takes much longer than timing it, so it is kept."""
    if PLAIN.exists():
        return PLAIN.read_bytes()
    import keras

    from affectline.training.export.convert import convert_to_int8
    from affectline.training.model.paper_network import (
        build_backbone,
        build_head,
        merge_models,
        remove_softmax,
    )

    # Random weights: the time does not depend on them.
    keras.utils.set_random_seed(0)
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), np.uint8)
    plain = convert_to_int8(remove_softmax(merge_models(build_backbone(None), build_head())), faces)
    PLAIN.parent.mkdir(parents=True, exist_ok=True)
    PLAIN.write_bytes(plain)
    return plain


def _detector(frames: list[NDArray[np.uint8]]) -> list[Micro]:
    before = cv2.getNumThreads()
    grays = [np.asarray(cv2.cvtColor(f, cv2.COLOR_BGR2GRAY), np.uint8) for f in frames]
    cascade = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
    )
    cv2.setNumThreads(1)
    try:
        usual = _track(grays, HaarSettings())
        near = _track(grays, HaarSettings(scan_interval=10**6))
        always = _track(grays, HaarSettings(scan_interval=1))
        images = iter(grays)
        full = time_ms(lambda: cascade.detectMultiScale(next(images), 1.1, 5), 30, warm_up=2)
    finally:
        cv2.setNumThreads(before)
    rows = [
        ("detector", statistics.mean(usual), "mean, with the default settings"),
        ("detector, near search", statistics.mean(near), "no sweeps after the first frame"),
        ("detector, sweep in every frame", statistics.mean(always), ""),
        ("full-size Haar scan", statistics.mean(full), "the paper's way, on one thread"),
    ]
    return [Micro(name=n, value=v, unit="ms a frame", note=note) for n, v, note in rows]


def _track(grays: list[NDArray[np.uint8]], settings: HaarSettings) -> list[float]:
    tracker, images = FaceTracker(HaarDetector(settings), settings), iter(grays)
    return time_ms(lambda: tracker.track(next(images)), len(grays) - 5)


def _jpeg(frames: list[NDArray[np.uint8]]) -> list[Micro]:
    image, quality = frames[-1], [cv2.IMWRITE_JPEG_QUALITY, 90]
    data = cv2.imencode(".jpg", image, quality)[1]
    size = f"{image.shape[1]}x{image.shape[0]}, {len(data) / 1000:.0f} kB"
    rows = [
        ("JPEG encoding", lambda: cv2.imencode(".jpg", image, quality)),
        ("JPEG decoding to gray", lambda: cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)),
    ]
    return [
        Micro(name=n, value=statistics.median(time_ms(f, 60)), unit="ms a frame", note=size)
        for n, f in rows
    ]


def _codec() -> list[Micro]:
    found = []
    for name in ("Frame", "Faces", "Emotion"):
        packet = PACKETS[name]
        parts = codec.encode(packet)
        encode = statistics.median(time_ms(lambda p=packet: codec.encode(p), 500))  # type: ignore[misc]
        decode = statistics.median(time_ms(lambda p=parts: codec.decode(p), 500))  # type: ignore[misc]
        found.append(Micro(name=f"encoding {name}", value=encode * 1e3, unit="µs"))
        found.append(Micro(name=f"decoding {name}", value=decode * 1e3, unit="µs"))
    return found


def _hub() -> list[Micro]:
    """From one process through the hub to the outlet, there being nothing else to do."""
    import zmq

    from affectline.common.runtime.endpoints import reach
    from affectline.common.runtime.sockets import Publisher

    hub, marker = HubSettings(port=free_port()), PACKETS["Marker"]
    command = [*AFFECTLINE, "hub", "--bind", f"{hub.host}:{hub.port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listener = OutletSubscriber(hub, ("marker/",))
    try:
        if not publish_once(hub, marker, timeout_s=10):
            raise RuntimeError("the hub does not answer")
        publisher = Publisher(context, reach(hub).ingress)
        time.sleep(1)
        publisher.update_consumers()
        list(listener.receive())
        durations = time_ms(lambda: _hop(publisher, listener, marker), HOPS, warm_up=20)
    finally:
        process.terminate()
        process.wait(timeout=10)
        listener.close()
        context.destroy(linger=0)
    ms = statistics.median(durations)
    return [Micro(name="hub", value=ms * 1e3, unit="µs", note="sent, forwarded, received, decoded")]


def _hop(publisher: Any, listener: OutletSubscriber, packet: Packet) -> None:
    publisher.update_consumers()
    if not publisher.send(packet, wait=True) or not listener.wait(timeout_s=2):
        raise RuntimeError("the hub lost a message")
    if not list(listener.receive()):
        raise RuntimeError("the hub changed a message")
