"""The declaration of the outlet to the Lab Streaming Layer."""

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec


class LslProcess(ProcessSettings):
    """What the outlet is told."""

    streams: tuple[str, ...] = ()
    """Video streams whose outlets are offered before their first message."""
    subjects: tuple[str, ...] = ()
    """Subjects whose outlets are offered before their first message."""

    @property
    def process_name(self) -> str:
        return "outlet/lsl"


SPEC = ServiceSpec(
    kind="lsl",
    summary="Offer emotions, states and markers as Lab Streaming Layer streams.",
    settings=LslProcess,
    stage="affectline.services.lsl.outlet:LslOutlet",
    role="page",
    inputs=("emotion", "marker", "state"),
    optional=True,
)
