"""The declaration of the remote control."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from affectline.common.runtime.spec import (
    CertificateFlag,
    Flag,
    PrivateKeyFlag,
    ProcessSettings,
    ServiceSpec,
    TlsFlag,
)
from affectline.common.settings.hub import Delivery, HubSettings, parse_bind
from affectline.common.settings.pipeline import PipelineSettings

DEFAULT_PORT: Final = 8090
LABRECORDER_PORT: Final = 22345
"""Default port of LabRecorder's remote control."""


class RemoteProcess(ProcessSettings):
    """Settings of the remote control."""

    hub: HubSettings = Field(default_factory=HubSettings)
    """The hub of the controlled pipeline."""
    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    """Address to listen on. HTTP and WebSocket always require the token; LabRecorder's protocol,
    which has none, is open only to programs on this machine."""
    port: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_PORT
    labrecorder_port: Annotated[int, Field(ge=1, le=65535)] | None = LABRECORDER_PORT
    """Port of LabRecorder's protocol; None turns it off."""
    token_file: Path = Path(".remote-token")
    """File with the token; it is created if missing."""
    origins: tuple[str, ...] = ()
    """Web pages that may use it, such as ``https://jatos.example.org``; ``*`` for all."""
    tls: bool = False
    """Encrypt with ``certificate``, or with a generated one."""
    certificate: Path | None = None
    """The certificate to encrypt with, in PEM; it turns ``tls`` on."""
    private_key: Path | None = None
    """Private key of the certificate, if in another file."""
    audit_file: Path = Path("sessions") / "audit.jsonl"
    """Log with a line for each start and stop of a recording."""

    @property
    def process_name(self) -> str:
        return "remote"


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    bind: Annotated[
        str | None, Flag("Address to listen on.", default="127.0.0.1:8090", metavar="[HOST:]PORT")
    ] = None,
    origin: Annotated[
        list[str] | None,
        Flag("A web page that may use it, such as https://jatos.example.org. Repeatable."),
    ] = None,
    token_file: Annotated[
        Path | None, Flag("File with the token.", default=".remote-token")
    ] = None,
    tls: TlsFlag = False,
    certificate: CertificateFlag = None,
    private_key: PrivateKeyFlag = None,
) -> RemoteProcess:
    """Settings for ``affectline remote``."""
    known = pipeline.services.get("remote", {})
    settings = RemoteProcess.model_validate({**known, "hub": pipeline.hub})
    host, port = (settings.host, settings.port) if bind is None else parse_bind(
        bind, settings.host, settings.port
    )  # fmt: skip
    changes = {
        "host": host, "port": port or settings.port,
        "origins": tuple(origin) if origin else settings.origins,
        "token_file": token_file or settings.token_file,
        "tls": tls or settings.tls,
        "certificate": certificate or settings.certificate,
        "private_key": private_key or settings.private_key,
        "audit_file": settings.audit_file if "audit_file" in known
        else pipeline.dashboard.sessions / "audit.jsonl",
    }  # fmt: skip
    return settings.model_copy(update=changes)


SPEC = ServiceSpec(
    kind="remote",
    summary="Accept markers and recordings from experiments: HTTP, WebSocket, LabRecorder's TCP.",
    settings=RemoteProcess,
    stage="affectline.services.remote.stage:Remote",
    role="page",
    inputs=("emotion", "health", "stream"),
    outputs=("marker",),
    delivery="live",  # no process waits for it, and it waits for none
    optional=True,
    configure=configure,
    example="affectline remote --origin https://jatos.example.org",
)
