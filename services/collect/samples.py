"""A take: one face of one person showing one emotion, and the tables that list them."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.labels import LABELS
from affectline.common.wire.base import Count, Nanoseconds
from affectline.services.collect.quality_checks import FaceCrop, Rejection

Label = Annotated[str, Field(pattern="^(" + "|".join(LABELS) + ")$")]
NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]*"
PicturePath = Annotated[str, Field(pattern=rf"^people/{NAME}/{NAME}\.png$")]
"""Where a picture is, from the booth's folder."""


class TableRow(BaseModel):
    """What the rows of both tables share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(TableRow):
    """A row of ``manifest.csv``. Its fields are the columns, in this order."""

    file: PicturePath
    """The face in colour, upright, at the size that it had in the picture."""
    label: Label
    person: Name
    time: str
    """When the picture was taken: UTC, ISO 8601, to the nanosecond."""
    time_ns: Nanoseconds
    """The same, since the Unix epoch."""
    stream: Name
    epoch: Count
    seq: Count
    track: Count
    size: Annotated[int, Field(ge=1)]
    """Side of the face in pixels."""
    blur: Annotated[float, Field(ge=0)]
    brightness: Annotated[float, Field(ge=0, le=1)]
    status: Literal["new", "kept"] = "new"
    """``kept``: somebody has looked at it and kept it. What was refused or deleted has no row here,
    because everything that is listed is learned from."""
    file_48: PicturePath
    """The face in gray at 48x48 pixels."""

    @model_validator(mode="after")
    def _is_with_its_person(self) -> "Sample":
        folder = f"people/{self.person}/"
        if not (self.file.startswith(folder) and self.file_48.startswith(folder)):
            raise ValueError(f"the pictures are not below {folder}")
        return self

    @property
    def id(self) -> str:
        """What the take is called among the person's."""
        return self.file.rpartition("/")[2].removesuffix(".png")


class RejectedSample(TableRow):
    """A row of ``left_out.csv``: a take of which no picture is there."""

    time: str
    time_ns: Nanoseconds
    person: Name
    label: Label
    status: Literal["refused", "deleted"]
    reason: str = ""
    size: Annotated[int, Field(ge=0)] = 0
    blur: Annotated[float, Field(ge=0)] = 0.0
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0


NATIVE: Final = ".png"
GRAY_48: Final = "-48.png"
T = TypeVar("T", bound=TableRow)


def iso(time_ns: int) -> str:
    """A time as ISO 8601 has it, in UTC, with all its nanoseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def check_label(label: str) -> str:
    """One of the seven.

    Raises:
        AffectlineError: It is none of them.
    """
    if label not in LABELS:
        raise AffectlineError(f"{label[:40]!r}: no such label", f"one of {', '.join(LABELS)}")
    return label


def write_table(kind: type[TableRow], rows: Iterable[TableRow]) -> bytes:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(kind.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in rows)
    return text.getvalue().encode()


def read_table(kind: type[T], data: bytes, name: str) -> list[T]:
    """Rows of a table as `write_table` writes it.

    Raises:
        AffectlineError: It is not one.
    """
    rows: list[T] = []
    try:
        reader: Any = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        if list(reader.fieldnames or ()) != list(kind.model_fields):
            raise AffectlineError(
                f"{name} is not a table of the booth's",
                f"its columns are {', '.join(kind.model_fields)}; choose another folder",
            )
        rows += (kind.model_validate(fields) for fields in reader)
    except (ValidationError, UnicodeDecodeError, csv.Error) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error)}
        where = f" {what['loc'][0]}" if what.get("loc") else ""
        raise AffectlineError(
            f"{name}: row {len(rows) + 1}{where}: {what['msg']}",
            "put it right, or restore the file",
        ) from error
    return rows


def make_take(person: str, label: str, shot: FaceCrop) -> Sample:
    """The row of a face that is about to be kept."""
    emotion = shot.emotion
    stamp = iso(emotion.captured_at).replace("-", "").replace(":", "")
    stem = f"people/{person}/{stamp}-{shot.track}"
    return Sample(
        file=stem + NATIVE, label=label, person=person, time=iso(emotion.captured_at),
        time_ns=emotion.captured_at, stream=emotion.stream, epoch=emotion.epoch, seq=emotion.seq,
        track=shot.track, size=shot.size, blur=shot.blur, brightness=shot.brightness,
        file_48=stem + GRAY_48,
    )  # fmt: skip


def refused_row(person: str, label: str, at_ns: int, refused: Rejection) -> RejectedSample:
    """The row of a picture that was not good enough."""
    return RejectedSample(
        time=iso(at_ns), time_ns=at_ns, person=person, label=label, status="refused",
        reason=refused.reason, size=refused.size, blur=refused.blur, brightness=refused.brightness,
    )  # fmt: skip


def deleted_row(take: Sample, now_ns: int) -> RejectedSample:
    """The row of a take that was deleted just now."""
    return RejectedSample(
        time=take.time, time_ns=take.time_ns, person=take.person, label=take.label,
        status="deleted", reason=f"deleted at {iso(now_ns)}", size=take.size, blur=take.blur,
        brightness=take.brightness,
    )  # fmt: skip
