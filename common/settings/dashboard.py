"""Where the page is, and who may open it."""

import sys
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.display import has_screen

DEFAULT_DASHBOARD_PORT: Final = 8080


class DashboardSettings(BaseModel):
    """The page in the browser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    """Where it listens. On any address but this machine's own, a token is required."""
    ask_token: bool = False
    """Require the token on this machine's own address, too, for machines with other users."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: 8080, or the next free one."""
    open_browser: bool = True
    """Open the page in a browser if it was started by a person at a screen."""
    sessions: Path = Path("sessions")
    """Folder of the sessions that it lists, records and replays."""
    token_file: Path | None = None
    """Where the operator's token is kept; None: ``.dashboard-token`` in the folder of the sessions.
    That of viewers is beside it, in a file whose name ends with ``-viewer``."""
    login_hours: Annotated[float, Field(gt=0, le=8760)] = 12.0
    """How long a login lasts."""
    tls: bool = False
    """Encrypt with ``certificate``, or with one that is made."""
    certificate: Path | None = None
    """The certificate to encrypt with, in PEM; it turns ``tls`` on."""
    private_key: Path | None = None
    """Private key of the certificate, if in another file."""
    names: tuple[str, ...] = ()
    """Further host names under which browsers reach it, besides addresses and this machine's own
    name."""

    @property
    def opens_browser(self) -> bool:
        """Whether a person at a screen has started it, and wants to see it."""
        return self.open_browser and has_screen() and sys.stdout.isatty()

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached by https."""
        return self.tls or self.certificate is not None
