"""The declaration of the process that collects labelled faces."""

from pathlib import Path

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.hub import HubSettings


class CollectProcess(ProcessSettings):
    """Settings of the process."""

    page: DashboardSettings
    """Where the page is served."""
    folder: Path
    """Where the faces go."""
    hub: HubSettings
    """The hub whose frames are shown."""

    @property
    def process_name(self) -> str:
        return "booth"  # as tools know it on the bus


SPEC = ServiceSpec(
    kind="collect",
    summary="Collect labelled faces: a page leads people through the seven emotions.",
    settings=CollectProcess,
    stage="affectline.services.collect.stage:Collect",
    role="page",
    delivery="live",  # nobody waits for it, and it for nobody
)
