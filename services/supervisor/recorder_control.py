"""Starts and stops recordings while a pipeline runs, each in its own recorder process."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import free_name
from affectline.common.runtime.supervision import EXIT_GIVEN_UP
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.recording import Privacy
from affectline.common.wire.recordings import RecordingStatus
from affectline.services.recorder.spec import SPEC, RecorderProcess
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

CONSENT_MAX: Final = 4000


@dataclass
class ActiveRecording:
    """The recording in progress."""

    name: str
    privacy: Privacy
    started_at: float
    """Start time in seconds of the monotonic clock."""
    process: ManagedProcess
    is_stopping: bool = False
    is_told: bool = False
    """Whether its status ``recording`` has been published."""

    @property
    def seconds(self) -> float:
        return monotonic() - self.started_at


class RecorderControl:
    """Starts and stops recorder processes, one at a time.

    Args:
        settings: The pipeline's settings as far as they are known here; recorded with the session.
        delivery: The pipeline's delivery.
        folder_of: Returns the session folder for a name; raises `AffectlineError` for a bad name.
        trace: Folder for the parts of a trace; None: none is recorded.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        delivery: Delivery,
        folder_of: Callable[[str], Path],
        trace: Path | None = None,
    ) -> None:
        self._trace = trace
        self._settings = settings.model_copy(update={"delivery": delivery})
        self._delivery, self._folder_of = delivery, folder_of
        self.current: ActiveRecording | None = None
        self.problem = ""
        """Why the last recording ended before it was stopped."""
        self._statuses: list[RecordingStatus] = []

    def start(
        self,
        name: str,
        consent: str,
        privacy: Privacy,
        study: Mapping[str, str] = MappingProxyType({}),
        title: str | None = None,
    ) -> str:
        """Start recording into a new session.

        Args:
            name: Name of the session and its folder.
            consent: Who agreed to what; kept in the recording.
            privacy: What is done with frames and faces.
            study: Its place in a study, which overrides the pipeline's own; an empty text removes a
                field.
            title: The session's name as typed, kept in the recording; with a title, a number is
                added to a name that is taken.

        Returns:
            The session's name.

        Raises:
            AffectlineError: A recording is in progress, consent is missing, or the name is taken.
        """
        if self.current:
            raise AffectlineError(f"{self.current.name} is being recorded", "stop it first")
        if not consent.strip() or len(consent) > CONSENT_MAX:
            raise AffectlineError(
                "a recording needs a note on consent", "who agreed to be recorded, when and how"
            )
        if title is not None:
            name = free_name(name, lambda one: self._folder_of(one).exists())
        folder = self._folder_of(name)
        if folder.exists():
            raise AffectlineError(f"session {name} already exists", "choose another name")
        about = self._settings.describe() | {"name": name, "consent": consent.strip()}
        if title is not None and title != name:
            about["title"] = title
        if study:
            given = about.get("study", {}) | dict(study)
            about["study"] = {field: text for field, text in given.items() if text}
        recorder = RecorderProcess(
            folder=folder,
            privacy=privacy,
            about=about,
            classifier=self._settings.classifier,
            name=f"recorder/{name}",  # the pipeline may have its own recorder
        )
        process = ManagedProcess(
            ProcessSpec(SPEC, recorder), self._settings.hub, self._delivery, None, self._trace
        )
        self.problem = ""
        self.current = ActiveRecording(name, privacy, monotonic(), process)
        return name

    def stop(self) -> None:
        """Ask the recorder to finish its file; `tick` notices when it has."""
        if self.current and not self.current.is_stopping:
            self.current.is_stopping = True
            self.current.process.stop()

    def tick(self, announced: Collection[str] = ()) -> None:
        """Check on the recorder.

        Args:
            announced: Services that listen on the bus: a recorder that has only just started may
                miss messages.
        """
        current = self.current
        if current is None:
            return
        code = current.process.poll()
        if current.process.process.name in announced and not current.is_told:
            current.is_told = True
            self._add_status("recording")
        if code is None:
            if current.process.hangs and not current.is_stopping:
                current.process.kill()
            return
        has_died = code not in (0, EXIT_GIVEN_UP) and not current.is_stopping
        if has_died and current.process.record_restart():
            current.process.start()  # it continues its file
            return
        if code != 0 or not current.is_stopping:
            reason = current.process.exit_reason or f"the recorder ended with exit code {code}"
            self.problem = f"recording {current.name}: {reason}"
            self._add_status("failed", self.problem)
        else:
            self._add_status("finished")
        self.current = None

    def pop_statuses(self) -> list[RecordingStatus]:
        """Changes in the status of recordings since the last call."""
        statuses, self._statuses = self._statuses, []
        return statuses

    def _add_status(
        self, state: Literal["recording", "finished", "failed"], detail: str = ""
    ) -> None:
        if self.current:
            status = RecordingStatus(
                session=self.current.name, at=now_ns(), state=state, detail=detail[:1000]
            )
            self._statuses.append(status)

    def close(self, patience_s: float) -> None:
        """Stop, and wait for a limited time: a recorder can finish its file without us."""
        self.stop()
        if self.current:
            self.current.process.wait(patience_s)
            self.tick()
