"""Writes the report of a recording."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file
from affectline.services.report.page import MARKER, render_page
from affectline.services.report.pdf import PDF_MARKER, Paper, find_browser, print_pdf
from affectline.services.report.section import ReportData, make_sections
from affectline.services.report.sections.narrative import describe_session
from affectline.services.sessions.completeness import describe_completeness
from affectline.services.sessions.edits import read_edits
from affectline.services.sessions.recording import open_recording, session_folder
from affectline.services.sessions.timeseries import read_series


class WrittenReport(NamedTuple):
    """Result of writing a report."""

    lead: str
    """The results in sentences, one per line."""
    problems: tuple[str, ...]
    """Parts of the recording that could not be read."""


def write_report(
    recording: Path,
    file: Path,
    options: Mapping[str, Mapping[str, object]] | None = None,
    paper: Paper | None = None,
) -> WrittenReport:
    """Write the report of a recording.

    Args:
        recording: The file, or its session folder.
        file: The HTML or PDF file, new or an earlier report.
        options: Settings of the sections, by section and name.
        paper: Print a PDF of this paper size; None: write HTML.

    Raises:
        AffectlineError: The path is not a recording, or the file cannot be written, or is there and
            is not a report.
    """
    check_output_file("--out", file, "a report", MARKER if paper is None else PDF_MARKER)
    if paper is not None:
        find_browser()  # fail before reading everything
    sections = make_sections(options)
    problems: dict[str, None] = {}
    opened = open_recording(recording, lambda _, problem: problems.setdefault(problem))
    start = opened.about.get("session_start")
    with _no_collections():
        session = read_series(opened.read(), start if isinstance(start, int) else None)
    remarks = describe_completeness(recording, session.zero, scan=bool(problems))
    annotations = read_edits(session_folder(recording)).annotations
    data = ReportData(opened, session, tuple(problems), tuple(remarks), annotations)
    html = render_page(data, sections)
    if paper is None:
        _write_page(file, html)
    else:
        print_pdf(html, file, paper)
    return WrittenReport("\n".join(describe_session(session)), data.problems)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Disable garbage collection: it would slow down reading and find hardly any garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_page(page: Path, html: str) -> None:
    try:
        with file_access.as_the_session(page.parent):
            atomic_file.write_text(page, html)
    except OSError as error:
        raise AffectlineError(
            f"cannot write --out {page} ({error.strerror})", "make room, or name another file"
        ) from error
