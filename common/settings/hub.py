"""Where the hub is, and how it delivers."""

import ipaddress
import os
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, field_validator

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import ServiceName
from affectline.common.settings.model import Settings

Delivery = Literal["live", "lossless"]
"""live: the newest frame wins; lossless: the source waits."""
Security = Literal["required", "auto", "off"]
"""Whether peers that come by TCP need keys (CURVE). ``auto``: not on this machine's loopback
address, on every other one. ``off``: nowhere, which ``--insecure`` says on the command line."""
NetworkAccess = Literal["guests", "keys", "everything"]
"""What TCP is good for: ``guests`` may listen, though not to pictures of people, and publish what
tools publish; with ``keys`` a peer may do what its key's role allows; ``everything`` is open to
everybody."""
DEFAULT_PORT: Final = 5555
SECURITY: Final = "AFFECTLINE_SECURITY"
"""Environment variable: the security of hubs whose settings leave it at ``auto``."""


class HubSettings(Settings):
    """Where the hub is: seven consecutive ports, of which users need the second."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65529)] = DEFAULT_PORT
    security: Security = "auto"
    """``auto``: as ``AFFECTLINE_SECURITY`` says, where it is set."""
    wait_for: tuple[ServiceName, ...] = ()
    """Consumers, such as ``sink``, that lossless delivery waits for indefinitely, besides those of
    ``affectline up``. Any other that does not read is disconnected. A hub that runs on its own,
    with none named, waits for all that announce themselves."""

    @field_validator("security", mode="before")
    @classmethod
    def _read_off(cls, value: Any) -> Any:
        return "off" if value is False else value  # as YAML reads it

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it, whose clock is ours."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def network_access(self) -> NetworkAccess:
        """What whoever comes by TCP may do.

        Raises:
            AffectlineError: ``AFFECTLINE_SECURITY`` is wrong.
        """
        mode = self.security if self.security != "auto" else os.environ.get(SECURITY) or "auto"
        if mode not in get_args(Security):
            raise AffectlineError(
                f"{SECURITY}={mode}: no such mode", f"one of {', '.join(get_args(Security))}"
            )
        if mode == "required":
            return "keys"
        if self.is_loopback:
            return "guests"
        return "keys" if mode == "auto" else "everything"

    def _address(self, offset: int) -> str:
        return f"tcp://{self.host}:{self.port + offset}"

    @property
    def ingress(self) -> str:
        """Publishers connect here."""
        return self._address(0)

    @property
    def outlet(self) -> str:
        """Tools subscribe here; it drops for the slow."""
        return self._address(1)

    @property
    def bus(self) -> str:
        """The pipeline's own consumers subscribe here."""
        return self._address(2)

    @property
    def work_in(self) -> str:
        """Detectors push face crops here."""
        return self._address(3)

    @property
    def work_out(self) -> str:
        """Classifiers pull face crops here."""
        return self._address(4)

    @property
    def metrics_port(self) -> int:
        """Prometheus scrapes this port."""
        return self.port + 5

    @property
    def clock(self) -> str:
        """Processes on other hosts ask here what time it is."""
        return self._address(6)

    @property
    def ports(self) -> dict[int, str]:
        """All seven, and what each is for."""
        uses = (
            "publishers",
            "outlet",
            "bus",
            "work queue in",
            "work queue out",
            "metrics",
            "clock",
        )
        return {self.port + offset: use for offset, use in enumerate(uses)}


def parse_bind(text: str, host: str, port: int | None) -> tuple[str, int | None]:
    """Parse where to listen: ``HOST:PORT``, ``HOST`` or ``PORT``.

    Args:
        text: The value of ``--bind``.
        host: Taken where the text has none.
        port: Likewise.

    Raises:
        AffectlineError: It is none of these.
    """
    given = text.removeprefix("tcp://")
    named, _, number = given.rpartition(":") if ":" in given else (given, "", "")
    if given.isdecimal():
        named, number = "", given
    if not (named or number) or (number and not (number.isdecimal() and 0 < int(number) <= 65535)):
        raise AffectlineError(
            f"--bind {text}: not HOST:PORT, HOST or PORT", "for example --bind 0.0.0.0:5555"
        )
    return named or host, int(number) if number else port


def parse_hub(text: str | None, default: HubSettings | None = None) -> HubSettings:
    """Parse ``HOST`` or ``HOST:PORT``, with or without ``tcp://``.

    Args:
        text: The address of the first of the hub's ports; None: the default.
        default: Whose port is taken where the text has none.

    Raises:
        AffectlineError: It is neither.
    """
    default = default or HubSettings()
    if text is None:
        return default
    host, _, port = text.removeprefix("tcp://").partition(":")
    if not host or (port and not (port.isdecimal() and 1 <= int(port) <= 65529)):
        raise AffectlineError(
            f"--hub {text}: not HOST or HOST:PORT with a port from 1 to 65529",
            "for example --hub 192.168.1.20:5555",
        )
    number = int(port) if port else default.port
    return HubSettings(host=host, port=number, security=default.security)
