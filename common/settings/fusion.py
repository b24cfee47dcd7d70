"""Settings of the fusion process: whose signals are whose, and how much a face says."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.identifiers import Name

DEFAULT_SUBJECT: Final = "person"
"""Whom the faces belong to while no sensor has named anybody."""


class FusionSettings(BaseModel):
    """How heart, skin and face become one state for each person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Name | None = None
    """The one person that everything is about; None: sensors name their subjects."""
    streams: dict[Name, Name] = Field(default_factory=dict)
    """Stream to subject, e.g. ``{front: driver}``; faces of streams that are not named belong to
    ``subject``, else to the one subject with sensors, else to ``person``."""
    rate: Annotated[float, Field(gt=0, le=10)] = 10.0
    """States a second of signal time at most."""
    face_weight: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Log-odds of nervousness for one unit of change in the face, see docs/state.md; 0 leaves the
    face out of nervousness. There is no data with faces to fit it to."""
