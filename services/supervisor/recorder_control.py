"""Recordings that are started and stopped while a pipeline runs, each by a recorder process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.supervision import EXIT_GIVEN_UP
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.recording import Privacy
from affectline.services.recorder.spec import SPEC, RecorderProcess
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

CONSENT_MAX: Final = 4000


@dataclass
class ActiveRecording:
    """The recording in progress."""

    name: str
    privacy: Privacy
    started_at: float
    """By the monotonic clock, in seconds."""
    process: ManagedProcess
    is_stopping: bool = False

    @property
    def seconds(self) -> float:
        return monotonic() - self.started_at


class RecorderControl:
    """Starts and stops recorder processes, one at a time.

    Args:
        settings: The pipeline's, as far as they are known here; recorded with the session.
        delivery: The pipeline's.
        folder_of: The session folder of a name; an `AffectlineError` where it cannot be one.
    """

    def __init__(
        self, settings: PipelineSettings, delivery: Delivery, folder_of: Callable[[str], Path]
    ) -> None:
        self._settings = settings.model_copy(update={"delivery": delivery})
        self._delivery, self._folder_of = delivery, folder_of
        self.current: ActiveRecording | None = None
        self.problem = ""
        """Why the last one ended before it was stopped."""

    def start(self, name: str, consent: str, privacy: Privacy) -> None:
        """Start recording into a new session.

        Args:
            name: Of the session.
            consent: Who agreed to what: kept in the recording.
            privacy: What is done with frames and faces.

        Raises:
            AffectlineError: One is in progress, there is no consent, or the name is taken.
        """
        if self.current:
            raise AffectlineError(f"{self.current.name} is being recorded", "stop it first")
        if not consent.strip() or len(consent) > CONSENT_MAX:
            raise AffectlineError(
                "a recording needs a note on consent", "who agreed to be recorded, when and how"
            )
        folder = self._folder_of(name)
        if folder.exists():
            raise AffectlineError(f"there is a session {name} already", "choose another name")
        about = self._settings.describe() | {"name": name, "consent": consent.strip()}
        recorder = RecorderProcess(
            folder=folder,
            privacy=privacy,
            about=about,
            classifier=self._settings.classifier,
            name=f"recorder/{name}",  # the pipeline may have a recorder of its own
        )
        process = ManagedProcess(
            ProcessSpec(SPEC, recorder), self._settings.hub, self._delivery, None
        )
        self.problem = ""
        self.current = ActiveRecording(name, privacy, monotonic(), process)

    def stop(self) -> None:
        """Ask the recorder to finish its file; `tick` detects when it has."""
        if self.current and not self.current.is_stopping:
            self.current.is_stopping = True
            self.current.process.stop()

    def tick(self) -> None:
        """Check on the recorder."""
        current = self.current
        if current is None:
            return
        code = current.process.poll()
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
        self.current = None

    def close(self, patience_s: float) -> None:
        """Stop, and wait a little: a recorder finishes its file without us as well."""
        self.stop()
        if self.current:
            self.current.process.wait(patience_s)
            self.tick()
