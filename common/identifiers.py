"""Names that can be part of a topic and of a file's name."""

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A stream's, subject's or session's name: it becomes part of topics and of file names."""
ServiceName = Annotated[str, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")]
"""A process: its kind, and what it works on where there are several, e.g. ``detector/cam``."""


def to_name(text: str) -> str:
    """Make a `Name` of any text; empty where nothing of it can stay."""
    kept = (c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return "".join(kept).strip("._-")[:64]
