"""The service spec of the recorder process."""

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
    """Recording ends when all these streams have ended; none: it records until it is stopped."""
    about: dict[str, Any] = Field(default_factory=dict)
    """Facts about the session to store in the file."""
    classifier: ClassifierSettings | None = None
    """The classifier whose model the file names; None for replayed results, which name their
    own."""
    finishers: tuple[str, ...] = ("sink",)
    """Services that publish `StreamDone` of each stream; ``replay``: the last message of a replay
    ends the recording."""
    recorded_sources: tuple[str, ...] = ()
    """Films and tables whose watermarks the recorder waits for."""
    session_start: int | None = None
    """Zero of the session's time line in ns since the Unix epoch; None: set by the first stream,
    else by the first message."""
    name: str = "recorder"
    """Its name on the bus: the pipeline may have its own recorder as well."""

    @property
    def process_name(self) -> str:
        return self.name


def recorder_name(folder: Path) -> str:
    """The name on the bus of a recorder that was started by hand, derived from its folder.

    It does not contain the PID, so that the replacement of a killed recorder has the same name.
    """
    return f"recorder/{to_name(folder.resolve().name) or 'command'}"


def planned(run: Run) -> Iterator[RecorderProcess]:
    """One if the session is recorded."""
    settings = run.settings
    if not settings.recording.record or settings.sink.out is None:
        return
    replayed = run.replay == "as recorded"
    finishers = ("replay",) if replayed else ("sink", "fusion") if run.has_fusion else ("sink",)
    yield RecorderProcess(
        folder=settings.sink.out,
        privacy=settings.recording.privacy,
        expected=() if replayed else tuple(source.name for source in settings.sources),
        about=run.about,
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
