"""What a run says to the process of a sensor."""

from pathlib import Path

import pytest

from affectline.common.runtime.spec import Run, RunTimeLine
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.biometrics.spec import BiometricsProcess, planned

S = 1_000_000_000
BEGIN = 1_600_000_000


def process(**given: object) -> BiometricsProcess:
    return BiometricsProcess(settings=BiometricsSettings.model_validate(given))


def table(folder: Path, **more: object) -> BiometricsProcess:
    file = folder / "x.csv"
    file.write_text(f"time,hr\n{BEGIN}.5,60\n{BEGIN + 1},60\n")
    columns = {"hr": {"signal": "heart_rate", "unit": "/min"}}
    return process(driver="csv", file=file, columns=columns, **more)


def test_recordings_are_recorded_sources_and_devices_are_not(tmp_path: Path) -> None:
    assert table(tmp_path).is_recorded_source
    assert process(driver="e4", folder=tmp_path).is_recorded_source
    assert not process(driver="ble").is_recorded_source
    assert process(driver="ble").calendar_start is None


def test_a_recording_is_on_the_calendar_where_it_has_a_date(tmp_path: Path) -> None:
    assert table(tmp_path).calendar_start is None
    assert table(tmp_path, offset=3).calendar_start is None
    assert table(tmp_path, keep_times=True).calendar_start == BEGIN * S + S // 2
    assert table(tmp_path, keep_times=True, offset=-2).calendar_start == BEGIN * S - 3 * S // 2
    dated = table(tmp_path, start="2020-09-13T14:26:40+02:00", offset=1)
    assert dated.calendar_start == BEGIN * S + S
    (tmp_path / "EDA.csv").write_text(f"{BEGIN}\n4\n0.1\n")
    assert process(driver="e4", folder=tmp_path, keep_times=True).calendar_start == BEGIN * S


@pytest.mark.parametrize(("own", "zone"), [(None, "Europe/Berlin"), ("local", "local")])
def test_the_run_passes_on_its_pace_and_its_time_zone(
    tmp_path: Path, own: str | None, zone: str
) -> None:
    sensor = table(tmp_path, time_zone=own).settings
    other = process(driver="ble").settings
    settings = PipelineSettings(
        biometrics=(sensor, other), pace="realtime", rate=4, duration=60,
        time_zone="Europe/Berlin",
    )  # fmt: skip
    first, second = planned(Run(settings))
    assert vars(first.settings)["time_zone"] == zone
    assert second.settings is other
    assert (first.speed, first.ends_at) == (4, None)
    told = first.with_time_line(RunTimeLine(BEGIN * S, ("capture/front",), follows_clock=True))
    assert (told.ends_at, told.session_start) == (BEGIN * S + 60 * S, BEGIN * S)
    assert (told.recorded_sources, told.follows_clock) == (("capture/front",), True)
    (fast, _) = planned(Run(settings.model_copy(update={"pace": "fast"})))
    assert fast.speed == "max"
    assert list(planned(Run(settings, replay="as recorded"))) == []


def test_what_does_not_end_by_itself_ends_with_what_does(tmp_path: Path) -> None:
    looped = table(tmp_path, loop=True, subject="anna").settings
    finite = table(tmp_path, subject="ben").settings
    settings = PipelineSettings.model_validate(
        {
            "sources": [
                {"name": "front", "source": "a.mp4"},
                {"name": "demo", "source": "b.mp4", "loop": True},
            ],
            "biometrics": [looped, finite, {"driver": "ble"}],
        }
    )
    ends = [one.ends_with for one in planned(Run(settings))]
    assert ends == [("capture/front", "biometrics/ben/csv"), (), ()]


@pytest.mark.parametrize(
    ("sources", "pace", "own"),
    [
        ([{"name": "a", "source": "a.mp4"}], "realtime", False),
        ([{"name": "a", "source": "a.mp4"}], "fast", True),
        ([{"name": "a", "source": "a.mp4", "start": "2026-11-28T10:15:00Z"}], "realtime", True),
        ([{"name": "a", "source": "a.mp4"}, {"name": "b", "source": "0"}], "fast", False),
        ([], "fast", False),
    ],
)
def test_films_by_the_clock_are_told_from_others(
    sources: list[dict[str, str]], pace: str, own: bool
) -> None:
    settings = PipelineSettings.model_validate(
        {"sources": sources, "pace": pace, "biometrics": [{"driver": "lsl"}]}
    )
    (sensor,) = planned(Run(settings))
    assert sensor.films_have_own_times == own


def test_it_is_sent_to_its_process_as_json(tmp_path: Path) -> None:
    sent = table(tmp_path, start="2020-09-13T14:26:40+02:00", speed="max", time_zone="UTC")
    assert BiometricsProcess.model_validate_json(sent.model_dump_json()) == sent
