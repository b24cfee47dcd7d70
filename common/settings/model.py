"""What all settings share."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What all settings share."""

    model_config = ConfigDict(frozen=True, extra="forbid")
