"""The signs of a face in words for people, the same everywhere."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from affectline.common.wire.face_signs import Doubt, EyesUnknown, Gaze

DOUBT_WORDS: Final = MappingProxyType[Doubt, str](
    {
        "turned_away": "turned away",
        "eyes_shut": "eyes shut",
        "speaking": "speaking",
        "covered": "covered",
        "blurred": "blurred",
        "dark": "dark",
        "too_small": "too small",
    }
)
EYES_UNKNOWN_WORDS: Final = MappingProxyType[EyesUnknown, str](
    {
        "learning": "still learning this person's usual opening",
        "looking_down": "looking down, which lowers open lids",
        "turned_away": "the face is turned away",
        "covered": "the face is covered",
        "too_small": "the face is too small",
        "dark": "the face is too dark",
    }
)
GAZE_WORDS: Final = MappingProxyType[Gaze, str](
    {
        "ahead": "ahead",
        "left": "to their left",
        "right": "to their right",
        "up": "up",
        "down": "down",
    }
)


def describe_doubts(doubts: Sequence[Doubt]) -> str:
    """The doubts about a face, such as ``doubt: speaking, dark``; empty without one."""
    return f"doubt: {', '.join(DOUBT_WORDS[doubt] for doubt in doubts)}" if doubts else ""
