"""The declaration of the hub."""

from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings


class HubProcess(ProcessSettings):
    """Settings of the hub: none of its own beside its address."""

    @property
    def process_name(self) -> str:
        return "hub"


def configure(pipeline: PipelineSettings, delivery: Delivery) -> HubProcess:
    """Settings for ``affectline hub``."""
    return HubProcess()


def planned(run: Run) -> tuple[HubProcess, ...]:
    """One in every run."""
    return (HubProcess(),)


SPEC = ServiceSpec(
    kind="hub",
    summary="Run the hub: the one process that all others connect to.",
    settings=HubProcess,
    stage="affectline.services.hub.service:Hub",
    role="hub",
    planned=planned,
    configure=configure,
    example="affectline hub --hub 0.0.0.0:5555",
)
