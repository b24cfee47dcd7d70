"""Who was recorded in which of several sessions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from affectline.services.sessions.recording import session_name


def name_people(sessions: Sequence[tuple[str, Path]]) -> list[str]:
    """Return who was recorded in each session.

    A session without a participant is of a person of its own. It is called by the session's name,
    or by its path where somebody else has that name.

    Args:
        sessions: The participant, empty if there is none, and the path of each.
    """
    participants = {participant for participant, _ in sessions if participant}
    names = Counter(session_name(path) for participant, path in sessions if not participant)

    def name_one(participant: str, path: Path) -> str:
        if participant:
            return participant
        name = session_name(path)
        if names[name] > 1 or name in participants:
            name = str(path)
        return f"{name} (no participant)" if name in participants else name

    return [name_one(participant, path) for participant, path in sessions]


def find_similar(participants: Iterable[str]) -> list[str]:
    """Return a remark on each participant that is spelled in several ways."""
    spellings: dict[str, dict[str, None]] = {}
    for participant in participants:
        spellings.setdefault("".join(participant.split()).casefold(), {})[participant] = None
    return [
        f"{' and '.join(f'“{one}”' for one in found)} differ only in case or spaces, and count as "
        f"{len(found)} people"
        for found in spellings.values()
        if len(found) > 1
    ]
