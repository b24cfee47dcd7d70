"""The service spec of the fusion process."""

from collections.abc import Iterator

from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.fusion import FusionSettings
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings


class FusionProcess(ProcessSettings):
    """Settings of the fusion process."""

    settings: FusionSettings = FusionSettings()
    session_start: int | None = None
    """Zero of the session's time line, in ns since the Unix epoch: seconds count from it."""
    recorded_sources: tuple[str, ...] = ()
    """Films and tables whose watermarks fusion waits for."""
    streams_are_people: bool = False
    """While no sensor names anybody, each stream shows a person of its own name, not ``person``."""

    @property
    def process_name(self) -> str:
        return "fusion"


def configure(pipeline: PipelineSettings, delivery: Delivery) -> FusionProcess:
    """Settings for ``affectline fusion``."""
    return FusionProcess(settings=pipeline.fusion)


def planned(run: Run) -> Iterator[FusionProcess]:
    """One if somebody is measured, by sensors or by head and eyes."""
    if not run.has_fusion:
        return
    chosen = run.settings.fusion
    subjects = {sensor.subject for sensor in run.settings.biometrics} | run.measured
    if len(subjects) == 1 and chosen.subject is None and not chosen.streams:
        # Known before the first sample: so the face belongs to that person from the first frame
        chosen = chosen.model_copy(update={"subject": subjects.pop()})
    if not (run.has_sensors or run.replay):
        # Nobody asked for nervousness; from the face alone it was never validated
        chosen = chosen.model_copy(update={"face_weight": 0.0})
    # Nobody says that several streams show the same person
    several = len(run.settings.sources) > 1 and not run.replay
    yield FusionProcess(settings=chosen, streams_are_people=several)


SPEC = ServiceSpec(
    kind="fusion",
    summary="Estimate arousal, valence, stress, drowsiness and looks away from sensors and faces.",
    settings=FusionProcess,
    stage="affectline.services.fusion.stage:Fusion",
    role="transform",
    inputs=("bio", "control", "emotion", "marker", "stream", "watermark"),
    outputs=("state", "stream", "watermark"),
    planned=planned,
    configure=configure,
    example="affectline fusion --hub 192.168.1.20",
)
