"""Settings of the page: its address, and access to it."""

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
    """Address to listen on. Any address but this machine's loopback address requires a token."""
    ask_token: bool = False
    """Require the token on the loopback address, too, for machines with other users."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: 8080, or the next free one."""
    open_browser: bool = True
    """Open the page in a browser, if a person at a screen started it."""
    sessions: Path = Path("sessions")
    """Folder of the sessions that it lists, records and replays."""
    token_file: Path | None = None
    """File of the operator's token; None: ``.dashboard-token`` in the folder of the sessions. The
    viewers' token is beside it, in a file whose name ends with ``-viewer``."""
    login_hours: Annotated[float, Field(gt=0, le=8760)] = 12.0
    """How long a login lasts, in hours."""
    tls: bool = False
    """Encrypt, with ``certificate`` or a generated one."""
    certificate: Path | None = None
    """The certificate to encrypt with, in PEM; turns on ``tls``."""
    private_key: Path | None = None
    """Private key of the certificate, if in another file."""
    names: tuple[str, ...] = ()
    """Further host names of the page, besides addresses and this machine's own name."""

    @property
    def opens_browser(self) -> bool:
        """Whether to open a browser: it is set, and a person at a screen started the page."""
        return self.open_browser and has_screen() and sys.stdout.isatty()

    @property
    def is_encrypted(self) -> bool:
        """Whether the page is served by HTTPS."""
        return self.tls or self.certificate is not None
