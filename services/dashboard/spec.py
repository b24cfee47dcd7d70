"""The declaration of the dashboard process."""

from collections.abc import Iterator
from typing import Annotated

from affectline.common.runtime.spec import (
    CertificateFlag,
    Flag,
    PrivateKeyFlag,
    ProcessSettings,
    Run,
    ServiceSpec,
    TlsFlag,
)
from affectline.common.settings.dashboard import DEFAULT_DASHBOARD_PORT
from affectline.common.settings.hub import Delivery, parse_bind
from affectline.common.settings.pipeline import PipelineSettings


class DashboardProcess(ProcessSettings):
    """Settings of the dashboard process."""

    settings: PipelineSettings
    """The pipeline's settings, as far as known here."""

    @property
    def process_name(self) -> str:
        return "dashboard"


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    bind: Annotated[
        str | None,
        Flag("Address of the page.", default="127.0.0.1:8080", metavar="[HOST:]PORT"),
    ] = None,
    ask_token: Annotated[bool, Flag("Require the token on this machine too.")] = False,
    no_open: Annotated[bool, Flag("Do not open the page in a browser.")] = False,
    tls: TlsFlag = False,
    certificate: CertificateFlag = None,
    private_key: PrivateKeyFlag = None,
    host: Annotated[str | None, Flag("As in --bind.", hidden=True)] = None,
    port: Annotated[
        int | None, Flag("As in --bind.", minimum=1, maximum=65535, hidden=True)
    ] = None,
) -> DashboardProcess:
    """Settings for ``affectline dashboard``."""
    page = pipeline.dashboard
    host, port = host or page.host, port or page.port
    if bind is not None:
        host, port = parse_bind(bind, host, port)
    chosen = {
        "host": host, "port": port or DEFAULT_DASHBOARD_PORT,
        "ask_token": ask_token or page.ask_token, "tls": tls or page.tls,
        "open_browser": page.open_browser and not no_open,
        "certificate": certificate or page.certificate,
        "private_key": private_key or page.private_key,
    }  # fmt: skip
    settings = {"dashboard": page.model_copy(update=chosen), "delivery": delivery}
    return DashboardProcess(settings=pipeline.without_secrets().model_copy(update=settings))


def planned(run: Run) -> Iterator[DashboardProcess]:
    """One process if the browser is the display."""
    if run.settings.sink.display == "browser":
        yield DashboardProcess(settings=run.settings.without_secrets())


SPEC = ServiceSpec(
    kind="dashboard",
    summary="Serve the page in the browser: frames, signals, recordings, replays.",
    settings=DashboardProcess,
    stage="affectline.services.dashboard.stage:Dashboard",
    role="page",
    outputs=("marker",),
    delivery="live",  # no process waits for it, and it waits for none
    planned=planned,
    configure=configure,
    example="affectline dashboard --hub 192.168.1.20",
)
