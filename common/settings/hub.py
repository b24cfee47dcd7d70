"""Where the hub is, and how it delivers."""

from typing import Annotated, Final, Literal

from pydantic import Field

from affectline.common.settings.model import Settings

Delivery = Literal["live", "lossless"]
"""live: the newest frame wins; lossless: the source waits."""
DEFAULT_PORT: Final = 5555


class HubSettings(Settings):
    """Where the hub is: seven consecutive ports, of which users need the second."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65529)] = DEFAULT_PORT

    def _address(self, offset: int) -> str:
        return f"tcp://{self.host}:{self.port + offset}"

    @property
    def ingress(self) -> str:
        """Publishers connect here."""
        return self._address(0)

    @property
    def outlet(self) -> str:
        """Any outside tool subscribes here; it drops for the slow."""
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
