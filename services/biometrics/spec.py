"""The declaration of the biometrics process."""

from collections.abc import Iterator
from typing import Final, Self

from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.biometrics import BiometricsSettings

LISTENERS: Final = ("fusion", "recorder")
"""The consumers that must miss no sample."""


class BiometricsProcess(ProcessSettings):
    """Settings of the process of one sensor."""

    settings: BiometricsSettings
    consumers: tuple[str, ...] = ()
    """Lossless delivery: services without which nothing is read."""

    @property
    def process_name(self) -> str:
        return self.settings.service

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        listeners = tuple(name for name in LISTENERS if name in names)
        return self.model_copy(update={"consumers": listeners})


def planned(run: Run) -> Iterator[BiometricsProcess]:
    """One for each sensor; none where a recording is replayed."""
    if run.replay:
        return
    for sensor in run.settings.biometrics:
        yield BiometricsProcess(settings=sensor)


SPEC = ServiceSpec(
    kind="biometrics",
    summary="Publish the signals of one sensor.",
    settings=BiometricsProcess,
    stage="affectline.services.biometrics.stage:Biometrics",
    role="source",
    outputs=("bio", "marker"),
    planned=planned,
)
