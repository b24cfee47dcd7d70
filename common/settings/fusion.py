"""Settings of the fusion process: whose signals are whose, and the weight of the face."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.identifiers import Name

DEFAULT_SUBJECT: Final = "person"
"""Subject of faces as long as no sensor has named one."""


class FusionSettings(BaseModel):
    """How heart rate, skin conductance and facial expression are fused into states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Name | None = None
    """The one subject of all signals; None: sensors name their subjects."""
    streams: dict[Name, Name] = Field(default_factory=dict)
    """Stream to subject, e.g. ``{front: driver}``; faces of streams that are not named belong to
    ``subject``, else to the one subject with sensors, else to ``person``."""
    rate: Annotated[float, Field(gt=0, le=10)] = 10.0
    """Maximum number of states a second of signal time."""
    face_weight: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Log-odds of nervousness for one standard deviation of the facial expression towards fear, see
    docs/state.md; 0 leaves the face out of nervousness. No data with faces exists to fit it to."""
