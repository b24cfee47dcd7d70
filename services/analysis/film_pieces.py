"""A long film in pieces: measured one beside the other, joined to what the whole would be.

A run remembers: tracks, usual eyes, smoothed emotions. What costs time does not: searches,
landmarks, eyes and emotions depend on the frame and the place alone. So the pieces only measure,
each from a key frame some seconds before its begin, and the joined result is an ordinary run of the
whole film that asks for the same measurements and finds most of them made (decision 19). What it
does not find it measures itself: the tables are those of the whole in any case.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common.measurements import Answers, Measurements
from affectline.common.runtime.stage import Stage, StageContext
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Faces, Frame, Packet, Scores
from affectline.services.capture.film_source import FilmSource, KeyFrame, find_key_frames
from affectline.services.capture.frame_encoder import UnencodableFrame, encode
from affectline.services.capture.frame_pacer import FramePacer
from affectline.services.classifier.spec import ClassifierProcess
from affectline.services.classifier.stage import Classifier
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.stage import Detector

OVERLAP_S: Final = 6.0
"""Seconds that a piece is begun early. Its tracker does the same as that of the whole, to the last
bit, after 1 to 4 s in the sample films (docs/scale.md)."""

LEAST_S: Final = 120.0
"""Seconds below which cutting is not worth its overlap and its join."""


class Piece(NamedTuple):
    """A part of a film."""

    key: KeyFrame
    """Where its decoding begins."""
    begin: int
    """Its first frame that counts."""
    end: int | None
    """The first one behind it; None: it is the last piece."""


class PieceMeasurements(NamedTuple):
    """What was measured in a piece."""

    faces: Answers
    scores: Answers


def cut_film(
    path: Path, most: int, least_s: float = LEAST_S, overlap_s: float = OVERLAP_S
) -> list[Piece]:
    """Plan the pieces of a film.

    Args:
        path: It.
        most: Pieces that are wanted.
        least_s: Seconds that each has at least.
        overlap_s: Seconds that it is begun before.

    Returns:
        None where its container does not say where its key frames are, or there is only one piece.

    Raises:
        AffectlineError: It cannot be opened.
    """
    begins: list[KeyFrame] = []
    keys = find_key_frames(path)
    piece_s = max(least_s, keys[-1].seconds / most) if keys else 0.0
    for key in keys:
        if not begins or key.seconds - begins[-1].seconds >= piece_s:
            begins.append(key)
    ends = [*(key.number for key in begins[1:]), None]
    pieces = []
    for begin, end in zip(begins, ends, strict=True):
        early = [key for key in keys if key.seconds <= begin.seconds - overlap_s]
        pieces.append(Piece(early[-1] if early else keys[0], begin.number, end))
    return pieces if len(pieces) > 1 else []


def measure_piece(path: Path, piece: Piece, settings: PipelineSettings) -> PieceMeasurements:
    """Measure what a run of the whole film will ask for in a piece.

    Args:
        path: The film.
        piece: Which part of it.
        settings: Of the run.

    Raises:
        AffectlineError: The film cannot be opened.
    """
    detector = Detector(DetectorProcess(name="piece", settings=settings.detector))
    classifier = Classifier(ClassifierProcess(name="piece", settings=settings.classifier))
    faces, scores = Measurements(), Measurements()
    detector.measurements, classifier.measurements = faces, scores
    for stage in (detector, classifier):
        stage.context = StageContext("piece", "lossless", wake=lambda: None, ready=set())
        stage.setup()
    for frame in _frames(path, piece, settings):
        faces.keep = scores.keep = frame.message.seq >= piece.begin
        answers: list[Packet] = list(detector.handle(frame))
        while answers:
            packet = answers.pop()
            if isinstance(packet.message, Faces):
                answers += classifier.handle(packet)
            elif isinstance(packet.message, Scores):
                answers += detector.handle(packet)
    return PieceMeasurements(faces.made, scores.made)


def _frames(path: Path, piece: Piece, settings: PipelineSettings) -> Iterator[Packet[Frame]]:
    """The frames of a piece, as a run of the whole would publish them."""
    source = FilmSource(str(path), str(path.absolute()), live=False, path=path)
    pacer = FramePacer(settings.capture.rate, "fast")
    try:
        source.seek(piece.key.stamp)
        number = piece.key.number
        while (piece.end is None or number < piece.end) and (read := source.read()) is not None:
            at = read.media_time or 0
            if not pacer.is_wanted(at):
                continue
            try:
                data, width, height = encode(read.image, settings.capture)
            except UnencodableFrame:
                continue
            frame = Frame(
                stream="piece", epoch=1, seq=number, captured_at=at, received_at=at,
                media_time=at, width=width, height=height, encoding=settings.capture.encoding,
            )  # fmt: skip
            yield Packet(frame, (data,))
            number += 1
    finally:
        source.close()


class JoinedPieces:
    """Gives a run of the whole film what was measured in its pieces.

    Args:
        pieces: They, in order.
        load: Waits for what was measured in the piece of a number, from 0 on; None where that
            failed. Two pieces are in the memory at a time.
    """

    def __init__(
        self, pieces: Sequence[Piece], load: Callable[[int], PieceMeasurements | None]
    ) -> None:
        self._pieces, self._load = pieces, load
        self._loaded: list[PieceMeasurements] = []
        self._next = 0
        self.faces = Measurements(self._find_faces)
        self.scores = Measurements(lambda _: [one.scores for one in self._loaded])

    def prepare(self, stage: Stage) -> None:
        """Have a stage ask for measurements before it makes them."""
        if isinstance(stage, Detector):
            stage.measurements = self.faces
        elif isinstance(stage, Classifier):
            stage.measurements = self.scores

    def _find_faces(self, frame: int) -> list[Answers]:
        while self._next < len(self._pieces) and frame >= self._pieces[self._next].begin:
            measured = self._load(self._next)
            self._next += 1
            if measured is not None:
                # A new list: the classifier reads the other one in its thread
                self._loaded = [*self._loaded[-1:], measured]
        return [one.faces for one in self._loaded]
