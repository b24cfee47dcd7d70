"""Recordings that are started and stopped on the page: a recorder process each."""

from dataclasses import dataclass
from typing import Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import Delivery, PipelineSettings
from affectline.common.settings.recording import Privacy
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.recorder.spec import SPEC, RecorderProcess
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

CONSENT_MAX: Final = 4000


@dataclass
class ActiveRecording:
    """The one that is under way."""

    name: str
    privacy: Privacy
    begun: float
    child: ManagedProcess
    is_stopping: bool = False

    @property
    def seconds(self) -> float:
        return monotonic() - self.begun


class RecorderControl:
    """Starts and stops recorder processes, one at a time.

    Args:
        settings: The pipeline's, as far as they are known here; recorded with the session.
        delivery: The pipeline's.
        shelf: Where sessions go.
    """

    def __init__(self, settings: PipelineSettings, delivery: Delivery, shelf: SessionStore) -> None:
        self._settings = settings.model_copy(update={"delivery": delivery})
        self._delivery, self._shelf = delivery, shelf
        self.current: ActiveRecording | None = None
        self.problem = ""
        """Why the last one ended before it was stopped."""

    def start(self, name: str, consent: str, privacy: Privacy) -> None:
        """Begin to record into a new session.

        Args:
            name: Of the session.
            consent: Who agreed to what: kept in the recording.
            privacy: What becomes of pictures.

        Raises:
            AffectlineError: That cannot be.
        """
        if self.current:
            raise AffectlineError(f"{self.current.name} is being recorded", "stop it first")
        if not consent.strip() or len(consent) > CONSENT_MAX:
            raise AffectlineError(
                "a recording needs a note on consent", "who agreed to be recorded, when and how"
            )
        place = self._shelf.place(name)
        if place.exists():
            raise AffectlineError(f"there is a session {name} already", "choose another name")
        about = self._settings.describe() | {"name": name, "consent": consent.strip()}
        recorder = RecorderProcess(
            folder=place,
            privacy=privacy,
            about=about,
            classifier=self._settings.classifier,
            name=f"recorder/{name}",  # the pipeline may have a recorder of its own
        )
        process = ProcessSpec(SPEC, recorder)
        child = ManagedProcess(process, self._settings.hub, self._delivery, None)
        self.problem = ""
        self.current = ActiveRecording(name, privacy, monotonic(), child)

    def stop(self) -> None:
        """Ask the recorder to finish its file; `tick` notices when it has."""
        if self.current and not self.current.is_stopping:
            self.current.is_stopping = True
            self.current.child.stop()

    def tick(self) -> None:
        """Notice how the recorder is."""
        current = self.current
        if current is None:
            return
        code = current.child.poll()
        if code is None:
            if current.child.hangs and not current.is_stopping:
                current.child.kill()
            return
        if code != 0 or not current.is_stopping:
            words = current.child.exit_reason or f"the recorder ended with exit code {code}"
            self.problem = f"recording {current.name}: {words}"
        self.current = None

    def close(self, patience_s: float) -> None:
        """Stop, and wait a little: a recorder that is left alone finishes its file as well."""
        self.stop()
        if self.current:
            self.current.child.wait(patience_s)
            self.tick()
