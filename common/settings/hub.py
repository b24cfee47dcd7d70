"""Settings of the hub: its address, security and delivery."""

import ipaddress
import os
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, field_validator

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import ServiceName
from affectline.common.settings.choices import SECURITY as SECURITY
from affectline.common.settings.choices import Delivery as Delivery
from affectline.common.settings.model import Settings

Security = Literal["required", "auto", "off"]
"""Whether peers that connect by TCP need keys (CURVE). ``auto``: on every address but this
machine's loopback address. ``off``: nowhere (``--insecure`` on the command line)."""
NetworkAccess = Literal["guests", "keys", "everything"]
"""What peers may do by TCP. ``guests``: subscribe, except to images of people, and publish what
tools publish. ``keys``: what the role of their key allows. ``everything``: all of it, without
keys."""
DEFAULT_PORT: Final = 5555
NO_IPV6: Final = "the hub is reached by IPv4 only: name an IPv4 address or a host name"


class HubSettings(Settings):
    """The hub's address: seven consecutive ports, of which users need the second."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65529)] = DEFAULT_PORT
    security: Security = "auto"
    """``auto``: the value of ``AFFECTLINE_SECURITY``, if it is set."""
    wait_for: tuple[ServiceName, ...] = ()
    """Consumers, such as ``sink``, that lossless delivery waits for indefinitely, besides those of
    ``affectline up``. Others are disconnected if they do not read. A hub that runs on its own, with
    none named, waits for all that announce themselves."""

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        if ":" in value:
            raise ValueError(NO_IPV6)
        return value

    @field_validator("security", mode="before")
    @classmethod
    def _read_off(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads off as False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine, with the same clock, can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def network_access(self) -> NetworkAccess:
        """What peers may do that connect by TCP.

        Raises:
            AffectlineError: ``AFFECTLINE_SECURITY`` has an unknown value.
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
        """Tools subscribe here; it drops messages for slow readers."""
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
        """Processes on other hosts request the time here."""
        return self._address(6)

    @property
    def ports(self) -> dict[int, str]:
        """All seven ports, each with its use."""
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


def check_ipv4(option: str, text: str) -> None:
    """Check that the address of a hub is not an IPv6 address.

    Args:
        option: The option that has it, for the error.
        text: ``HOST``, ``HOST:PORT`` or ``PORT``, with or without ``tcp://``.

    Raises:
        AffectlineError: It is one.
    """
    if text.removeprefix("tcp://").count(":") > 1:
        raise AffectlineError(f"{option} {text}: {NO_IPV6}", f"for example {option} 127.0.0.1:5555")


def parse_bind(text: str, host: str, port: int | None) -> tuple[str, int | None]:
    """Parse an address to listen on: ``HOST:PORT``, ``HOST`` or ``PORT``.

    Args:
        text: The value of ``--bind``.
        host: The host, if the text has none.
        port: The port, if the text has none.

    Raises:
        AffectlineError: The text has another form.
    """
    given = text.removeprefix("tcp://")
    named, _, number = given.rpartition(":") if ":" in given else (given, "", "")
    if given.isdecimal():
        named, number = "", given
    is_name = ":" not in named or _is_ipv6(named)
    if (
        not is_name
        or not (named or number)
        or (number and not (number.isdecimal() and 0 < int(number) <= 65535))
    ):
        raise AffectlineError(
            f"--bind {text}: not HOST:PORT, HOST or PORT", "for example --bind 0.0.0.0:5555"
        )
    return named or host, int(number) if number else port


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).version == 6
    except ValueError:
        return False


def parse_hub(text: str | None, default: HubSettings | None = None) -> HubSettings:
    """Parse ``HOST``, ``HOST:PORT`` or ``PORT``, with or without ``tcp://``.

    Args:
        text: The address of the hub's first port; None: the default.
        default: The hub whose host, port and security are used; None: the default settings.

    Raises:
        AffectlineError: The text has another form.
    """
    default = default or HubSettings()
    if text is None:
        return default
    check_ipv4("--hub", text)
    host, _, port = text.removeprefix("tcp://").partition(":")
    if host.isdecimal() and not port:
        host, port = default.host, host
    if not host or (port and not (port.isdecimal() and 1 <= int(port) <= 65529)):
        raise AffectlineError(
            f"--hub {text}: not HOST, HOST:PORT or PORT, from 1 to 65529",
            "for example --hub 192.168.1.20:5555",
        )
    number = int(port) if port else default.port
    return HubSettings(host=host, port=number, security=default.security)
