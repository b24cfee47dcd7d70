"""The text that people agree to before their face is stored, and the record of it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.wire.base import Nanoseconds
from affectline.services.collect.samples import iso

OWN_TEXT: Final = "consent.txt"
"""A file with this name in the collection's folder replaces the built-in text."""
RECORD_FILE: Final = "consent.json"
TEXT_MAX_CHARS: Final = 20_000
VERSION: Final = "affectline-1"
TEXT: Final = """\
You will be asked to show emotions with your face, and photographs of your face will be kept.

What is kept: each picture that you take, cropped to your face, in colour and as a small one in \
gray; which emotion you were asked to show; when it was taken; how sharp and bright it is; and the \
name or pseudonym that you choose. Nothing else about you is asked for.

Where: in a folder on this computer. Affectline sends nothing anywhere.

What for: to train and to test programs that recognise facial expressions. A program that has been \
trained keeps no pictures, but what it learned from yours stays in it.

You take part of your own free will. You may stop at any time and need give no reason. You may \
look at each picture and delete it, and you may have everything about you deleted: your pictures, \
this consent and your name. Copies that were handed on before are not reached by that; ask who \
invited you for them."""


class ConsentText(BaseModel):
    """A consent text."""

    model_config = ConfigDict(frozen=True)

    version: str
    text: str


class ConsentAnswers(BaseModel):
    """A text that a person agreed to, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    time: str
    time_ns: Nanoseconds
    text: Annotated[str, Field(min_length=1)]


class ConsentRecord(BaseModel):
    """Everything that a person has agreed to, newest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: Name
    agreed: Annotated[tuple[ConsentAnswers, ...], Field(min_length=1)]

    def covers(self, form: ConsentText) -> bool:
        """Whether the person has agreed to exactly this text."""
        return any((a.version, a.text) == (form.version, form.text) for a in self.agreed)


def read_form(folder: Path) -> ConsentText:
    """The consent text of a folder: its own, or the built-in one.

    Raises:
        AffectlineError: The folder's own text cannot be used.
    """
    own = folder / OWN_TEXT
    try:
        text = own.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ConsentText(version=VERSION, text=TEXT)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise AffectlineError(f"{own}: {reason}", "write it again, or remove it") from error
    if not 0 < len(text) <= TEXT_MAX_CHARS:
        raise AffectlineError(
            f"{own} has {len(text)} characters", f"a consent text has 1 to {TEXT_MAX_CHARS}"
        )
    return ConsentText(version=f"own-{hashlib.sha256(text.encode()).hexdigest()[:12]}", text=text)


def extend_consent(
    earlier: ConsentRecord | None, person: str, form: ConsentText, now_ns: int
) -> ConsentRecord:
    """Add a text to what a person has agreed to."""
    new = ConsentAnswers(version=form.version, time=iso(now_ns), time_ns=now_ns, text=form.text)
    return ConsentRecord(person=person, agreed=(*(earlier.agreed if earlier else ()), new))


def serialise_consent(consent: ConsentRecord) -> bytes:
    """Convert a record to the content of a file."""
    plain: Any = consent.model_dump(mode="json")
    return json.dumps(plain, indent=2, ensure_ascii=False).encode() + b"\n"


def read_consent(path: Path) -> ConsentRecord | None:
    """A person's record; None if there is none.

    Raises:
        AffectlineError: The file is damaged.
    """
    try:
        return ConsentRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, OSError) as error:
        raise AffectlineError(f"{path} is damaged", "restore it, or delete the person") from error
