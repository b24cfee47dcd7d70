"""The service spec of the outlet to the Lab Streaming Layer."""

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec


class LslProcess(ProcessSettings):
    """Settings of the outlet process."""

    streams: tuple[str, ...] = ()
    """Video streams whose outlets are created at the start."""
    subjects: tuple[str, ...] = ()
    """Subjects whose outlets are created at the start."""

    @property
    def process_name(self) -> str:
        return "outlet/lsl"


SPEC = ServiceSpec(
    kind="lsl",
    summary="Publish emotions, states and markers as Lab Streaming Layer streams.",
    settings=LslProcess,
    stage="affectline.services.lsl.outlet:LslOutlet",
    role="page",
    inputs=("bio", "emotion", "marker", "state", "stream"),
    optional=True,
)
