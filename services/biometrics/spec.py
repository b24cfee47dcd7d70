"""The service spec of the biometrics process."""

from collections.abc import Iterator
from typing import Final, Literal, Self

from affectline.common.clock import now_ns
from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.biometrics import BiometricsSettings, PlaybackSettings
from affectline.common.settings.sources import Pace

LISTENERS: Final = ("fusion", "recorder", "sink")
"""The consumers that must not miss any sample."""


class BiometricsProcess(ProcessSettings):
    """Settings of the process of one sensor."""

    settings: BiometricsSettings
    consumers: tuple[str, ...] = ()
    """Lossless delivery: services that must be ready before anything is read."""
    pace: Pace = "realtime"
    """Recordings: whether they are played at the recorded pace."""
    rate: float = 1.0
    """Multiple of that pace."""
    session_start: int | None = None
    """Zero of the session's time line in ns since the Unix epoch; None: the time of the start."""
    recorded_sources: tuple[str, ...] = ()
    """Lossless delivery: films and tables with which this recording keeps in step."""
    follows_clock: bool = False
    """Pace realtime: samples are due by the clock, because something else in the run is live."""
    epoch: int | None = None
    """Epoch of the samples; a replacement process keeps it, so that its samples are known to be the
    same. None: the time of the start."""
    ends_with: tuple[str, ...] = ()
    """A recording that does not end by itself ends when all of these services that are among the
    recorded sources have ended."""
    duration: float | None = None
    """Seconds of the session's time line after which playing a recording stops."""
    films_have_own_times: bool = False
    """The run has films alone, whose times are not the clock's: markers by the clock miss them."""

    @property
    def process_name(self) -> str:
        return self.settings.service

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        listeners = tuple(name for name in LISTENERS if name in names)
        return self.model_copy(update={"consumers": listeners})

    @property
    def is_recorded_source(self) -> bool:
        return self.settings.is_recording

    @property
    def calendar_start(self) -> int | None:
        settings = self.settings
        if not isinstance(settings, PlaybackSettings):
            return None
        if settings.keep_times:
            start: int = settings.registry.load(settings.driver).find_start(settings)
        elif settings.start is not None:
            start = round(settings.start.timestamp() * 1e6) * 1000
        else:
            return None
        return max(0, start + round(settings.offset * 1e9))

    @property
    def speed(self) -> float | Literal["max"]:
        """Multiple of the recorded pace that the run requests."""
        return "max" if self.pace == "fast" else self.rate

    @property
    def ends_at(self) -> int | None:
        """When playing a recording stops, in ns since the Unix epoch; None: at its end."""
        if self.duration is None or self.session_start is None:
            return None
        return self.session_start + round(self.duration * 1e9)


def planned(run: Run) -> Iterator[BiometricsProcess]:
    """One for each sensor; none when a recording is replayed."""
    if run.replay:
        return
    sensors, films = run.settings.biometrics, run.settings.sources
    finite = (
        *(f"capture/{film.name}" for film in films if not film.loop),
        *(sensor.service for sensor in sensors if not sensor.is_endless),
    )
    have_own_times = bool(films) and not any(film.is_live for film in films)
    have_own_times &= run.settings.pace == "fast" or any(film.start for film in films)
    for sensor in sensors:
        yield BiometricsProcess(
            epoch=now_ns() // 1_000_000 if sensor.is_recording else None,
            settings=sensor.with_time_zone(run.settings.time_zone),
            pace=run.settings.pace or "realtime",
            rate=run.settings.rate,
            ends_with=finite if sensor.is_endless and sensor.is_recording else (),
            duration=run.settings.duration,
            films_have_own_times=have_own_times,
        )


SPEC = ServiceSpec(
    kind="biometrics",
    summary="Publish the signals of one sensor.",
    settings=BiometricsProcess,
    stage="affectline.services.biometrics.stage:Biometrics",
    role="source",
    inputs=("watermark",),
    outputs=("bio", "marker", "watermark"),
    planned=planned,
)
