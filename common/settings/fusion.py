"""Settings of the fusion process: the subjects of signals, and the weight of the face."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.identifiers import Name

DEFAULT_SUBJECT: Final = "person"
"""Subject of faces until a sensor names one."""


class FusionSettings(BaseModel):
    """How heart rate, skin conductance and facial expression are fused into states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Name | None = None
    """The only subject of all signals; None: sensors name their subjects."""
    streams: dict[Name, Name] = Field(default_factory=dict)
    """Subject of each stream, e.g. ``{front: driver}``; faces of other streams belong to
    ``subject``, else to the only subject with sensors, else to ``person``."""
    rate: Annotated[float, Field(gt=0, le=10)] = 10.0
    """Maximum number of states per second of signal time."""
    face_weight: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Log-odds of nervousness for one standard deviation of the facial expression towards fear,
    see docs/state.md; 0 ignores the face in nervousness. It is not known whether the face adds
    anything: no public dataset with faces shows it."""
