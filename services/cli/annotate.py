"""``affectline annotate`` and ``affectline tracks``: labels and names added afterwards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.services.cli.options import SessionFile

if TYPE_CHECKING:
    from affectline.services.sessions.edits import SessionEdits


def annotate(
    file: SessionFile,
    label: Annotated[
        str | None, typer.Argument(help="Label of a part; without one, all annotations are listed.")
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Start of the part, e.g. 30s or 1m30s."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End of the part, e.g. 45s or 1m45s.")
    ] = None,
    exclude: Annotated[
        bool, typer.Option("--exclude", help="Exclude this part from studies.")
    ] = False,
    remove: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Remove the annotation with this number."),
    ] = None,
) -> None:
    """Annotate a part of a session, or list its annotations.

    They are kept beside the session, in edits.json; recording and tables are never changed.

    Example: affectline annotate sessions/drive "phone rang" --from 1m30s --to 1m45s --exclude
    """
    from affectline.services.sessions.edits import (
        LABEL_MAX,
        Annotation,
        read_edits,
        write_edits,
    )

    folder = _folder_of(file)
    edits = read_edits(folder)
    if remove is not None and label is not None:
        raise AffectlineError(f"{label!r} and --remove {remove}", "remove one or add one, not both")
    if label is None and (begin is not None or end is not None or exclude):
        given = "--from" if begin is not None else "--to" if end is not None else "--exclude"
        raise AffectlineError(
            f"{given} without a label", f'give the part a label: affectline annotate {file} "LABEL"'
        )
    if remove is not None:
        if remove > len(edits.annotations):
            raise AffectlineError(
                f"--remove {remove}: {file} has {len(edits.annotations)} annotations",
                f"see affectline annotate {file}",
            )
        edits = edits.without(remove)
        write_edits(folder, edits)
    elif label is not None:
        if begin is None or end is None:
            raise AffectlineError(
                f"{label!r} without {'--from' if begin is None else '--to'}",
                "give both its start and its end, as in --from 30s --to 45s",
            )
        if not 1 <= len(label.strip()) <= LABEL_MAX:
            raise AffectlineError(
                f"LABEL {label[:40]!r}: {len(label.strip())} characters",
                f"a label has from 1 to {LABEL_MAX}",
            )
        try:
            annotation = Annotation(
                begin_s=_seconds(begin, "--from"), end_s=_seconds(end, "--to"), label=label,
                is_excluded=exclude,
            )  # fmt: skip
        except ValidationError as error:
            first = error.errors()[0]
            raise AffectlineError(
                f"{label!r}: {first['msg'].removeprefix('Value error, ')}", "put --from before --to"
            ) from error
        _check_length(folder, file, annotation.begin_s, begin)
        edits = edits.annotated(annotation)
        write_edits(folder, edits)
    _print_annotations(edits)


def tracks(
    file: SessionFile,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK=NAME", help="Name the person that a track shows. Repeatable."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACK=TRACK", help="Count the first track as part of the second. Repeatable."
        ),
    ] = None,
    undo: Annotated[
        list[int] | None,
        typer.Option(metavar="TRACK", help="Undo the naming or merging of this track."),
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="Stream of the tracks, if there are several.")
    ] = None,
) -> None:
    """Name or merge the faces of a session, or list them.

    Kept beside the session, in edits.json; recording and tables are never changed.

    Example: affectline tracks sessions/drive --name 1=driver --merge 3=1
    """
    from affectline.services.sessions.edits import TrackEdit, read_edits, write_edits
    from affectline.services.sessions.face_measures import FaceMeasures
    from affectline.services.sessions.recording import open_recording

    folder = _folder_of(file)
    edits = read_edits(folder)
    recording = open_recording(file)
    rows = FaceMeasures(recording.session_start).add_all(recording.read()).rows()
    known = {(row["stream"], row["track"]) for row in rows if row["track"] is not None}
    changes: list[tuple[int, dict[str, Any]]] = [
        (number, {"name": text}) for number, text in _pairs(name, "--name")
    ]
    changes += [
        (number, {"merged_into": _number(text, "--merge")})
        for number, text in _pairs(merge, "--merge")
    ]
    changes += [(number, {}) for number in undo or ()]
    for number, change in changes:
        of = stream or _only_stream(known)
        for one in (number, change.get("merged_into", number)):
            if (of, one) not in known:
                raise AffectlineError(
                    f"track {one}: no such face in stream {of}", f"see affectline tracks {file}"
                )
        into = change.get("merged_into")
        if into is not None and edits.track_of(of, into) == number:
            raise AffectlineError(
                f"--merge {number}={into}: track {into} is already part of track {number}",
                f"undo that first, with --undo {into}" if into != number else "name another track",
            )
        old = next((e for e in edits.tracks if (e.stream, e.track) == (of, number)), None)
        fields = old.model_dump() if old and change else {"stream": of, "track": number}
        edits = edits.with_track(TrackEdit.model_validate(fields | change))
    if changes:
        write_edits(folder, edits)
    _print_tracks(rows, edits)


def _folder_of(file: Path) -> Path:
    """The folder of a session; raises if it is not one."""
    from affectline.services.sessions.recording import open_recording, session_folder

    open_recording(file)
    return session_folder(file)


def _check_length(folder: Path, file: Path, begin_s: float, given: str) -> None:
    """Reject a part that begins after the end of the session, if its length is known."""
    from affectline.services.sessions.run_summary import read_session

    if not (folder / "session.json").is_file():
        return
    length = read_session(folder).get("seconds")
    if isinstance(length, int | float) and begin_s >= length:
        raise AffectlineError(
            f"--from {given}: {file} ends at {length:.1f} s", "times count from the session's start"
        )


def _seconds(text: str, option: str) -> float:
    from affectline.services.supervisor.replay_plan import parse_time

    try:
        return parse_time(text)
    except AffectlineError as error:
        raise AffectlineError(
            f"{option} {text}: not a time", "30s or 1m30s, for example"
        ) from error


def _pairs(texts: list[str] | None, option: str) -> list[tuple[int, str]]:
    found = []
    for text in texts or ():
        left, equals, right = text.partition("=")
        if not equals or not right.strip():
            raise AffectlineError(f"{option} {text}: not TRACK=...", f"as in {option} 3=1")
        found.append((_number(left, option), right.strip()))
    return found


def _number(text: str, option: str) -> int:
    if not (text.strip().isdecimal() and int(text)):
        raise AffectlineError(
            f"{option} {text}: not the number of a track", "see affectline tracks"
        )
    return int(text)


def _only_stream(known: set[tuple[str, int]]) -> str:
    streams = {stream for stream, _ in known}
    if len(streams) != 1:
        raise AffectlineError(
            f"the session has faces in {len(streams)} streams",
            f"name one with --stream ({', '.join(sorted(streams))})",
        )
    return streams.pop()


def _print_annotations(edits: "SessionEdits") -> None:
    from rich.console import Console

    from affectline.common.text_table import text_table

    table = text_table("", "from", "to", "label", "", figures=("from", "to"))
    for number, one in enumerate(edits.annotations, start=1):
        left_out = "left out" if one.is_excluded else ""
        table.add_row(
            str(number), f"{one.begin_s:g} s", f"{one.end_s:g} s", one.label, left_out
        )  # fmt: skip
    console = Console(markup=False, emoji=False)
    console.print(table if edits.annotations else "no annotations")


def _print_tracks(rows: list[dict[str, object]], edits: "SessionEdits") -> None:
    from rich.console import Console

    from affectline.common.text_table import text_table

    table = text_table(
        "stream", "track", "frames", "from", "to", "name", "counts as",
        figures=("track", "frames", "from", "to"),
    )  # fmt: skip
    for row in rows:
        stream, track = str(row["stream"]), row["track"]
        if not isinstance(track, int):
            continue
        merged = edits.track_of(stream, track)
        table.add_row(
            stream, str(track), str(row["faces"]), f"{row['first_s']:.1f} s",
            f"{row['last_s']:.1f} s", edits.name_of(stream, track) or "",
            "" if merged == track else str(merged),
        )  # fmt: skip
    Console(markup=False, emoji=False).print(table)
