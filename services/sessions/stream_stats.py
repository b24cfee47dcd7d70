"""Statistics of a stream, updated while it runs: counts, latency, shares of the emotions."""

import math
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affectline.common.wire.messages import Emotion, SourceKind, StreamEnd, StreamStart
from affectline.services.sessions.expression_figures import ExpressionFigures
from affectline.services.sessions.sign_figures import SignFigures

RECENT: Final = 32
"""Newest tracks that are remembered: older tracks do not come back."""
LATENCY_STEP: Final = 1.02
"""Ratio of successive latency buckets: quantiles are accurate to 2 % and take constant memory."""


class StreamSummary(BaseModel):
    """One stream's part of ``session.json``, from which a restarted sink continues."""

    model_config = ConfigDict(extra="forbid", validate_assignment=False)

    source: str = ""
    kind: SourceKind | None = None
    started_at: int | None = None
    """Start of the stream on the session's time line, ns since the Unix epoch."""
    epoch: int = -1
    next_seq: int = 0
    frames: int = 0
    """Frames with any result."""
    frames_with_face: int = 0
    faces: int = 0
    tracks: int = 0
    """Number of distinct tracks; pictures have none."""
    recent_tracks: list[int] = []
    skipped: dict[str, int] = {}
    """Frames that were not analysed, by reason."""
    lost: int = 0
    """Frames whose result never came."""
    first_captured_at: int | None = None
    last_captured_at: int | None = None
    models: list[str] = []
    """Ids of the models that classified the faces, ordered by first result."""
    expressions: ExpressionFigures = Field(default_factory=ExpressionFigures)
    signs: SignFigures = Field(default_factory=SignFigures)
    latency_buckets: Annotated[dict[int, int], Field(exclude=False)] = {}
    """Frames by latency from reception to publication: ``floor(log(ms) / log(1.02))``."""
    end: str | None = None
    """``end``, ``truncated``, ``damaged`` or ``stopped`` once the stream has ended."""
    detail: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_former_counts(cls, fields: Any) -> Any:
        """Earlier sessions have only the labels' counts."""
        if isinstance(fields, dict) and "labels" in fields:
            counts = ExpressionFigures().labels | fields["labels"]
            rest = {name: value for name, value in fields.items() if name != "labels"}
            return {"expressions": {"labels": counts}, **rest}
        return fields

    def begin(self, start: StreamStart) -> None:
        """Store the source of the stream."""
        self.source, self.kind = start.source, start.kind
        self.started_at = start.started_at

    def add(self, emotion: Emotion) -> None:
        """Count one result."""
        is_picture = emotion.file is not None  # its time is invented
        before = emotion.captured_at if is_picture else self.last_captured_at
        step_ns = emotion.captured_at - (before or emotion.captured_at)
        # Setting attributes through pydantic would take longer than everything else here
        fields = vars(self)
        fields["frames"] += 1
        fields["first_captured_at"] = self.first_captured_at or emotion.captured_at
        fields["last_captured_at"] = emotion.captured_at
        fields["frames_with_face"] += bool(emotion.faces)
        fields["faces"] += len(emotion.faces)
        for reason in {emotion.missing, *(face.missing for face in emotion.faces)} - {None}:
            self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + 1
        if emotion.model and emotion.model not in self.models:
            self.models = [*self.models, emotion.model]
        for face in emotion.faces:
            if emotion.file is None and face.track not in self.recent_tracks:
                self.tracks += 1
                self.recent_tracks = [*self.recent_tracks[1 - RECENT :], face.track]
            self.expressions.add(face)
            self.signs.add(face, step_ns)
        if emotion.missing is None:
            ms = max(1e-3, (emotion.published_at - emotion.received_at) / 1e6)
            bucket = math.floor(math.log(ms, LATENCY_STEP))
            self.latency_buckets[bucket] = self.latency_buckets.get(bucket, 0) + 1

    def reach(self, epoch: int, seq: int) -> None:
        """Note that every frame up to this one has been counted."""
        if (epoch, seq + 1) > (self.epoch, self.next_seq):
            self.epoch, self.next_seq = epoch, seq + 1

    def finish(self, end: StreamEnd) -> None:
        """Store how the stream ended."""
        self.end, self.detail = end.reason, end.detail

    def latency_ms(self, quantile: float) -> float | None:
        """Quantile (0 to 1) of the latency in ms, reception to publication; None without frames."""
        left = quantile * sum(self.latency_buckets.values())
        for bucket in sorted(self.latency_buckets):
            left -= self.latency_buckets[bucket]
            if left <= 0:
                return round(float(LATENCY_STEP ** (bucket + 0.5)), 2)
        return None

    def describe(self) -> dict[str, Any]:
        """The stream's part of ``session.json``, as figures for people."""
        hidden = {"latency_buckets", "next_seq", "recent_tracks", "expressions", "signs"}
        return {
            **self.model_dump(exclude=hidden),
            "labels": self.expressions.labels,
            "latency_ms": {f"p{q}": self.latency_ms(q / 100) for q in (50, 95, 99)},
            **self.expressions.to_dict(),
            "signs": self.signs.to_dict(),
        }
