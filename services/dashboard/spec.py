"""The declaration of the dashboard process."""

from collections.abc import Iterator
from typing import Annotated

from affectline.common.runtime.spec import Flag, ProcessSettings, Run, ServiceSpec
from affectline.common.settings.dashboard import DEFAULT_DASHBOARD_PORT
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings


class DashboardProcess(ProcessSettings):
    """Settings of the dashboard process."""

    settings: PipelineSettings
    """The pipeline's, as far as they are known here."""

    @property
    def process_name(self) -> str:
        return "dashboard"


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    host: Annotated[str | None, Flag("Where the page is served.", default="127.0.0.1")] = None,
    port: Annotated[int | None, Flag("Its port.", minimum=1, maximum=65535, default="8080")] = None,
) -> DashboardProcess:
    """Settings for ``affectline dashboard``."""
    page = pipeline.dashboard
    chosen = {
        "host": host or page.host,
        "port": port or page.port or DEFAULT_DASHBOARD_PORT,
    }
    settings = {"dashboard": page.model_copy(update=chosen), "delivery": delivery}
    return DashboardProcess(settings=pipeline.without_secrets().model_copy(update=settings))


def planned(run: Run) -> Iterator[DashboardProcess]:
    """One where the browser is the display."""
    if run.settings.sink.display == "browser":
        yield DashboardProcess(settings=run.settings.without_secrets())


SPEC = ServiceSpec(
    kind="dashboard",
    summary="Serve the page in the browser: frames, signals, recordings, replays.",
    settings=DashboardProcess,
    stage="affectline.services.dashboard.stage:Dashboard",
    role="page",
    outputs=("marker",),
    delivery="live",  # nobody waits for it, and it for nobody
    planned=planned,
    configure=configure,
    example="affectline dashboard --hub 192.168.1.20",
)
