"""What a recording that is started on the page is told to be."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.dashboard import recorder_control as module
from affectline.services.dashboard.recorder_control import CONSENT_MAX, RecorderControl
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.recorder.spec import RecorderProcess
from affectline.services.supervisor.process import ProcessSpec


class Child:
    """A process that is only told."""

    def __init__(self, process: ProcessSpec, *_: object) -> None:
        self.process = process


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecorderControl:
    monkeypatch.setattr(module, "ManagedProcess", Child)
    return RecorderControl(PipelineSettings(), "live", SessionStore(tmp_path))


def test_it_has_a_name_of_its_own_beside_the_recorder_of_the_pipeline(
    recordings: RecorderControl,
) -> None:
    recordings.start("drive", " Anna agreed today ", "blurred")
    assert recordings.current
    process = recordings.current.child.process
    assert (process.kind, process.name) == ("recorder", "recorder/drive")
    told = RecorderProcess.model_validate_json(process.settings.model_dump_json())
    assert told.about["consent"] == "Anna agreed today"
    assert told.process_name == "recorder/drive"


@pytest.mark.parametrize("consent", ["", "  \n", "x" * (CONSENT_MAX + 1)])
def test_without_a_note_on_consent_nothing_is_recorded(
    recordings: RecorderControl, consent: str
) -> None:
    with pytest.raises(AffectlineError, match="note on consent"):
        recordings.start("drive", consent, "everything")
    assert recordings.current is None


def test_a_session_that_is_there_is_not_recorded_over(
    recordings: RecorderControl, tmp_path: Path
) -> None:
    (tmp_path / "drive").mkdir()
    with pytest.raises(AffectlineError, match="there is a session drive already"):
        recordings.start("drive", "yes", "everything")
