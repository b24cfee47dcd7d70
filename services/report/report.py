"""Writing the report of a recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.services.report.page import render_page
from affectline.services.report.section import ReportData, make_sections
from affectline.services.report.sections.narrative import describe_session
from affectline.services.sessions.completeness import describe_completeness
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.timeseries import read_series


class WrittenReport(NamedTuple):
    """A report that was written."""

    lead: str
    """Its first paragraph."""
    problems: tuple[str, ...]
    """What could not be read of the recording."""


def write_report(
    recording: Path, page: Path, options: Mapping[str, Mapping[str, object]] | None = None
) -> WrittenReport:
    """Write the report of a recording.

    Args:
        recording: The file, or its session folder.
        page: The HTML file; its folder is made if need be.
        options: Settings of the sections, by section and name.

    Raises:
        AffectlineError: It is no recording, or the page cannot be written.
    """
    sections = make_sections(options)
    problems: dict[str, None] = {}
    opened = open_recording(recording, lambda _, problem: problems.setdefault(problem))
    start = opened.about.get("session_start")
    session = read_series(opened.read(), start if isinstance(start, int) else None)
    remarks = describe_completeness(recording, session.zero, scan=bool(problems))
    data = ReportData(opened, session, tuple(problems), tuple(remarks))
    html = render_page(data, sections)
    try:
        with file_access.as_the_session(page.parent):
            file_access.make_folder(page.parent)
            atomic_file.write_text(page, html)
    except OSError as error:
        raise AffectlineError(
            f"cannot write --out {page} ({error.strerror})", "make room, or name another"
        ) from error
    return WrittenReport(describe_session(session)[0], data.problems)
