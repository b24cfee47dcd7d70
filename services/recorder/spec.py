"""The declaration of the recorder process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from affectline.common.identifiers import to_name
from affectline.common.runtime.spec import ProcessSettings, Run, ServiceSpec
from affectline.common.settings.pipeline import ClassifierSettings
from affectline.common.settings.recording import Privacy
from affectline.common.wire.kinds import prefixes, recorded_kinds


class RecorderProcess(ProcessSettings):
    """Settings of a recorder process."""

    folder: Path
    """The session folder; ``session.mcap`` in it is created or continued."""
    privacy: Privacy = "everything"
    """How frames and faces are recorded."""
    expected: tuple[str, ...] = ()
    """Streams whose end is the end of the recording; none: it records until it is stopped."""
    about: dict[str, Any] = Field(default_factory=dict)
    """Facts about the session that the file holds."""
    classifier: ClassifierSettings | None = None
    """Whose model the file names; None where results are replayed, which name their own."""
    finishers: tuple[str, ...] = ("sink",)
    """Who publishes `StreamDone` of each stream; ``replay``: the last message of a replay ends the
    recording."""
    recorded_sources: tuple[str, ...] = ()
    """Films and tables whose watermarks are waited for."""
    session_start: int | None = None
    """Zero of the session's time line in ns since the Unix epoch; None: as the first stream says,
    else the first message."""
    name: str = "recorder"
    """Its name on the bus: a pipeline may have a recorder of its own beside it."""

    @property
    def process_name(self) -> str:
        return self.name


def recorder_name(folder: Path) -> str:
    """The name on the bus of a recorder that was started by hand, derived from its folder.

    Not from its pid, so that a successor of one that was killed has the same name.
    """
    return f"recorder/{to_name(folder.resolve().name) or 'command'}"


def planned(run: Run) -> Iterator[RecorderProcess]:
    """One where the session is recorded."""
    settings = run.settings
    if not settings.recording.record or settings.sink.out is None:
        return
    replayed = run.replay == "as recorded"
    finishers = ("replay",) if replayed else ("sink", "fusion") if run.has_fusion else ("sink",)
    yield RecorderProcess(
        folder=settings.sink.out,
        privacy=settings.recording.privacy,
        expected=() if replayed else tuple(source.name for source in settings.sources),
        about=settings.describe(),
        classifier=None if replayed else settings.classifier,
        finishers=finishers,
    )


SPEC = ServiceSpec(
    kind="recorder",
    summary="Record all messages of the bus to session.mcap.",
    settings=RecorderProcess,
    stage="affectline.services.recorder.stage:Recorder",
    role="sink",
    inputs=(*prefixes(recorded_kinds()), "watermark"),
    outputs=("kept",),
    planned=planned,
)
