"""Analyses a long film in pieces: measured in parallel, then joined with the whole film's result.

A run has state: tracks, usual eye opening, smoothed emotions. The expensive steps have none:
searches, landmarks, eyes and emotions depend only on the frame and the place. So the pieces only
measure, each from a key frame some seconds before its start. The joined result is an ordinary run
of the whole film that asks for the same measurements and finds most of them done (decision 19). It
makes missing ones itself, so the tables are always those of the whole film.
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
"""Seconds that a piece starts early. Its tracker agrees with that of the whole film, to the last
bit, after 1 to 4 s in the sample films (docs/scale.md)."""

LEAST_S: Final = 120.0
"""Minimum length of a piece in s: for shorter ones, cutting is not worth the overlap and the
join."""


class Piece(NamedTuple):
    """A part of a film."""

    key: KeyFrame
    """Key frame where decoding starts."""
    begin: int
    """First frame that counts."""
    end: int | None
    """First frame after the piece; None for the last piece."""


class PieceMeasurements(NamedTuple):
    """Measurements of a piece."""

    faces: Answers
    scores: Answers


def cut_film(
    path: Path, most: int, least_s: float = LEAST_S, overlap_s: float = OVERLAP_S
) -> list[Piece]:
    """Plan the pieces of a film.

    Args:
        path: The film.
        most: Desired number of pieces.
        least_s: Minimum length of a piece in s.
        overlap_s: Seconds that a piece starts early.

    Returns:
        The pieces; none if the container does not list its key frames, or if there is only one
        piece.

    Raises:
        AffectlineError: The film cannot be opened.
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
    """Measure what a run of the whole film will need in a piece.

    Args:
        path: The film.
        piece: The piece.
        settings: Settings of the run.

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
    """The frames of a piece, as a run of the whole film would publish them."""
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
                data, width, height = encode(read.content, settings.capture)
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
    """Gives a run of the whole film the measurements of its pieces.

    Args:
        pieces: The pieces, in order.
        load: Waits for the measurements of the piece with a number, from 0; None if they failed.
            Two pieces are in memory at a time.
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
        """Make a stage look for measurements before it measures."""
        if isinstance(stage, Detector):
            stage.measurements = self.faces
        elif isinstance(stage, Classifier):
            stage.measurements = self.scores

    def _find_faces(self, frame: int) -> list[Answers]:
        while self._next < len(self._pieces) and frame >= self._pieces[self._next].begin:
            measured = self._load(self._next)
            self._next += 1
            if measured is not None:
                # A new list, because the classifier's thread reads the old one
                self._loaded = [*self._loaded[-1:], measured]
        return [one.faces for one in self._loaded]
