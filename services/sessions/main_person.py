"""Whose faces, signals and states count in a session that may have those of several people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples, State
from affectline.common.wire.messages import Emotion, Packet
from affectline.services.sessions.edits import SessionEdits


class MainPerson(NamedTuple):
    """The person of the face in most frames."""

    stream: str | None
    """The stream of that face; None without faces."""
    subject: str | None
    """Whose signals and states are the person's; None: nobody's."""
    notes: tuple[str, ...]
    """Whose signals and states are left out, and why."""


class SessionPeople:
    """Finds the main person of a session, from its settings and all its messages.

    Args:
        about: Facts about the session.
        edits: Edits made afterwards.
    """

    def __init__(self, about: Mapping[str, Any], edits: SessionEdits) -> None:
        settings: Any = about.get("settings")
        found: Any = settings.get("fusion") if isinstance(settings, dict) else None
        fusion: dict[str, Any] = found if isinstance(found, dict) else {}
        streams = fusion.get("streams")
        self.by_stream: dict[str, str] = streams if isinstance(streams, dict) else {}
        """Whom streams show, if settings say so."""
        self._everyone: str | None = fusion.get("subject")
        self._edits = edits
        self._faces: Counter[tuple[str, int]] = Counter()
        """Frames by stream and face."""
        self._sampled: dict[str, None] = {}
        self._stated: dict[str, None] = {}

    def rename(self, packet: Packet) -> Packet:
        """Return samples as the subject's that settings give all sensors to, if they do."""
        message, subject = packet.message, self._everyone
        if subject is None or not isinstance(message, Samples) or message.subject == subject:
            return packet
        return Packet(message.model_copy(update={"subject": subject}))

    def add(self, message: Message) -> None:
        """Count a message, renamed by `rename`."""
        match message:
            case Emotion():
                for face in message.faces:
                    track = self._edits.track_of(message.stream, face.track)
                    self._faces[message.stream, track] += 1
            case Samples() if message.quality >= USABLE_QUALITY:
                self._sampled[message.subject] = None
            case State():
                self._stated[message.subject] = None

    @property
    def streams(self) -> list[str]:
        """The streams with faces."""
        return list(dict.fromkeys(stream for stream, _ in self._faces))

    def main(self) -> MainPerson:
        """Return the main person; if it is unclear whose the signals are, nobody's are theirs."""
        subjects = list(self._sampled or self._stated)
        stream = max(self._faces, key=lambda one: self._faces[one])[0] if self._faces else None
        subject = self.by_stream.get(stream or "")
        notes = []
        if subject is None and len(subjects) == 1:
            (subject,) = subjects
        if subject is None and subjects:
            whose = f"stream {stream} shows" if stream else "the session is about"
            notes.append(
                f"signals and states of {join_names(subjects)} are left out: no setting says "
                f"who {whose} (fusion: streams)"
            )
        elif self._sampled and subject not in self._sampled:
            notes.append(
                f"signals of {join_names(self._sampled)} are left out: stream {stream} shows "
                f"{subject}"
            )
        return MainPerson(stream, subject, tuple(notes))

    def shows(self, stream: str, person: MainPerson) -> bool:
        """Return whether a stream shows a person: the main one does, others if settings say so."""
        if stream == person.stream:
            return True
        shown = self.by_stream.get(stream, self._everyone)
        return shown is not None and shown == person.subject


def join_names(names: Iterable[str]) -> str:
    """Return names in one text: ``anna and ben``."""
    return " and ".join(names)
