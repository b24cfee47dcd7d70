"""The declaration of the process that collects labelled faces."""

from pathlib import Path

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.hub import HubSettings


class CollectProcess(ProcessSettings):
    """Settings of the process."""

    page: DashboardSettings
    """Settings of the page."""
    folder: Path
    """Folder for the faces."""
    hub: HubSettings
    """The hub whose frames are shown."""

    @property
    def process_name(self) -> str:
        return "booth"  # its name for tools on the bus


SPEC = ServiceSpec(
    kind="collect",
    summary="Collect labelled faces: a page leads people through the seven emotions.",
    settings=CollectProcess,
    stage="affectline.services.collect.stage:Collect",
    role="page",
    delivery="live",  # no process waits for it, and it waits for none
)
