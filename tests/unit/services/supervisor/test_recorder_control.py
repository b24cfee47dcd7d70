"""What a recording that is started on the page is settings to be."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.recorder.spec import RecorderProcess
from affectline.services.supervisor import recorder_control as module
from affectline.services.supervisor.process import ProcessSpec
from affectline.services.supervisor.recorder_control import CONSENT_MAX, RecorderControl


class Child:
    """A process that is only settings."""

    ready, hangs, exit_reason = True, False, ""

    def __init__(self, process: ProcessSpec, *_: object) -> None:
        self.process = process

    def poll(self) -> int | None:
        return None


@pytest.fixture
def recorder_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecorderControl:
    monkeypatch.setattr(module, "ManagedProcess", Child)
    return RecorderControl(PipelineSettings(), "live", lambda name: tmp_path / name)


def test_it_has_a_name_of_its_own_beside_the_recorder_of_the_pipeline(
    recorder_control: RecorderControl,
) -> None:
    recorder_control.start("drive", " Anna agreed today ", "blurred")
    assert recorder_control.current
    process = recorder_control.current.process.process
    assert (process.kind, process.name) == ("recorder", "recorder/drive")
    settings = RecorderProcess.model_validate_json(process.settings.model_dump_json())
    assert settings.about["consent"] == "Anna agreed today"
    assert settings.process_name == "recorder/drive"


@pytest.mark.parametrize("consent", ["", "  \n", "x" * (CONSENT_MAX + 1)])
def test_without_a_note_on_consent_nothing_is_recorded(
    recorder_control: RecorderControl, consent: str
) -> None:
    with pytest.raises(AffectlineError, match="note on consent"):
        recorder_control.start("drive", consent, "everything")
    assert recorder_control.current is None


def test_a_session_that_is_there_is_not_recorded_over(
    recorder_control: RecorderControl, tmp_path: Path
) -> None:
    (tmp_path / "drive").mkdir()
    with pytest.raises(AffectlineError, match="session drive already exists"):
        recorder_control.start("drive", "yes", "everything")


def test_a_name_that_was_typed_is_kept_and_gets_a_number_where_it_is_taken(
    recorder_control: RecorderControl, tmp_path: Path
) -> None:
    (tmp_path / "Annas-drive").mkdir()
    name = recorder_control.start("Annas-drive", "yes", "everything", title="Anna's drive")
    assert name == "Annas-drive-2"
    assert recorder_control.current
    settings = recorder_control.current.process.process.settings
    assert isinstance(settings, RecorderProcess)
    assert settings.folder == tmp_path / "Annas-drive-2"
    assert settings.about["title"] == "Anna's drive"
    assert settings.about["name"] == "Annas-drive-2"


def test_it_records_only_when_the_recorder_hears_what_is_published(
    recorder_control: RecorderControl,
) -> None:
    recorder_control.start("drive", "yes", "everything")
    recorder_control.tick({"sink", "recorder/dri"})
    assert recorder_control.pop_statuses() == []
    for _ in range(2):
        recorder_control.tick({"sink", "recorder/drive"})
    assert [status.state for status in recorder_control.pop_statuses()] == ["recording"]
