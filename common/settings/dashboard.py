"""Where the page is, and who may open it."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_DASHBOARD_PORT: Final = 8080


class DashboardSettings(BaseModel):
    """The page in the browser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    """Where it listens. On any other address than this machine's own a token is asked for."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: 8080, or the next one that is free."""
    sessions: Path = Path("sessions")
    """Folder of the sessions that it lists, records into and replays."""
    token_file: Path | None = None
    """Where the token is kept; None: ``.dashboard-token`` in the folder of the sessions."""
    names: tuple[str, ...] = ()
    """Host names by which browsers call it, besides its addresses and this machine's own name."""
