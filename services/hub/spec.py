"""The service spec of the hub."""

from typing import Self

from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings


class HubProcess(ProcessSettings):
    """Settings of the hub besides its address."""

    consumers: tuple[str, ...] = ()
    """Consumers of the run, which everybody waits for in lossless delivery, however slow they are.
    If these are unknown and the settings name none: all that announce themselves."""

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        return self.model_copy(update={"consumers": names})

    @property
    def process_name(self) -> str:
        return "hub"


def configure(pipeline: PipelineSettings, delivery: Delivery) -> HubProcess:
    """Settings for ``affectline hub``."""
    return HubProcess()


def planned(run: Run) -> tuple[HubProcess, ...]:
    """One hub in every run."""
    return (HubProcess(),)


SPEC = ServiceSpec(
    kind="hub",
    summary="Run the hub: the one process that all others connect to.",
    settings=HubProcess,
    stage="affectline.services.hub.service:Hub",
    role="hub",
    planned=planned,
    configure=configure,
    example="affectline hub --bind 0.0.0.0:5555",
)
