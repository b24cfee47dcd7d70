"""A sample: one face of one person showing one emotion, and the tables that list them."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.labels import LABELS
from affectline.common.spreadsheet import escape_text, row_writer, unescape_text
from affectline.common.wire.base import Count, Nanoseconds
from affectline.services.collect.quality_checks import FaceCrop, Rejection

Label = Annotated[str, Field(pattern="^(" + "|".join(LABELS) + ")$")]
NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]*"
PicturePath = Annotated[str, Field(pattern=rf"^people/{NAME}/{NAME}\.png$")]
"""Path of an image, relative to the collection's folder."""


class TableRow(BaseModel):
    """Base of the rows of both tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(TableRow):
    """A row of ``manifest.csv``. Its fields are the columns, in this order."""

    file: PicturePath
    """The face in colour, upright, at its size in the frame."""
    label: Label
    person: Name
    time: str
    """Capture time of the frame: UTC, ISO 8601, to the nanosecond."""
    time_ns: Nanoseconds
    """The same time, since the Unix epoch."""
    stream: Name
    epoch: Count
    seq: Count
    track: Count
    size: Annotated[int, Field(ge=1)]
    """Side of the face in pixels."""
    blur: Annotated[float, Field(ge=0)]
    brightness: Annotated[float, Field(ge=0, le=1)]
    status: Literal["new", "kept"] = "new"
    """``kept``: reviewed and kept. Rejected and deleted samples have no row here, because training
    uses everything that is listed."""
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
        """Name of the sample, unique for the person."""
        return self.file.rpartition("/")[2].removesuffix(".png")


class RejectedSample(TableRow):
    """A row of ``left_out.csv``: a sample without images."""

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
    """Format a time as ISO 8601 in UTC, to the nanosecond."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def check_label(label: str) -> str:
    """Check that a label is one of the seven.

    Raises:
        AffectlineError: It is not.
    """
    if label not in LABELS:
        raise AffectlineError(f"{label[:40]!r}: no such label", f"one of {', '.join(LABELS)}")
    return label


def write_table(kind: type[TableRow], rows: Iterable[TableRow]) -> bytes:
    """Convert rows to a CSV file."""
    text = io.StringIO(newline="")
    writer = row_writer(text)
    writer.writerow(kind.model_fields)
    for row in rows:
        cells = row.model_dump().values()
        writer.writerow(escape_text(cell) if isinstance(cell, str) else cell for cell in cells)
    return text.getvalue().encode()


def read_table(kind: type[T], data: bytes, name: str) -> list[T]:
    """Parse rows of a table written by `write_table`.

    Raises:
        AffectlineError: The table is malformed.
    """
    rows: list[T] = []
    try:
        reader: Any = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        if list(reader.fieldnames or ()) != list(kind.model_fields):
            raise AffectlineError(
                f"{name} is not a table of a collection",
                f"its columns are {', '.join(kind.model_fields)}; choose another folder",
            )
        rows += (
            kind.model_validate({name: _plain(cell) for name, cell in fields.items()})
            for fields in reader
        )
    except (ValidationError, UnicodeDecodeError, csv.Error) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error)}
        where = f" {what['loc'][0]}" if what.get("loc") else ""
        raise AffectlineError(
            f"{name}: row {len(rows) + 1}{where}: {what['msg']}",
            "correct it, or restore the file",
        ) from error
    return rows


def _plain(cell: Any) -> Any:
    """A cell unescaped; rows of the wrong length contain lists and None, which stay."""
    return unescape_text(cell) if isinstance(cell, str) else cell


def make_sample(person: str, label: str, face_crop: FaceCrop) -> Sample:
    """Make the row of a face about to be stored."""
    emotion = face_crop.emotion
    stamp = iso(emotion.captured_at).replace("-", "").replace(":", "")
    stem = f"people/{person}/{stamp}-{face_crop.track}"
    return Sample(
        file=stem + NATIVE, label=label, person=person, time=iso(emotion.captured_at),
        time_ns=emotion.captured_at, stream=emotion.stream, epoch=emotion.epoch, seq=emotion.seq,
        track=face_crop.track, size=face_crop.size, blur=face_crop.blur,
        brightness=face_crop.brightness,
        file_48=stem + GRAY_48,
    )  # fmt: skip


def rejected_row(person: str, label: str, at_ns: int, rejection: Rejection) -> RejectedSample:
    """Make the row of a frame that did not pass the checks."""
    return RejectedSample(
        time=iso(at_ns), time_ns=at_ns, person=person, label=label, status="refused",
        reason=rejection.reason, size=rejection.size, blur=rejection.blur,
        brightness=rejection.brightness,
    )  # fmt: skip


def deleted_row(sample: Sample, now_ns: int) -> RejectedSample:
    """Make the row of a sample that was just deleted."""
    return RejectedSample(
        time=sample.time, time_ns=sample.time_ns, person=sample.person, label=sample.label,
        status="deleted", reason=f"deleted at {iso(now_ns)}", size=sample.size, blur=sample.blur,
        brightness=sample.brightness,
    )  # fmt: skip
