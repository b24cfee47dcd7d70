"""Printing by a browser: found or missed, failing, hanging, or none of these."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file
from affectline.services.report import pdf


def browser(folder: Path, script: str, name: str = "chromium") -> Path:
    """A program that takes a browser's options."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which browsers are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(pdf, "PLACES", {})
    monkeypatch.setattr(shutil, "which", lambda name: _find(folder, name))
    return folder


def _find(folder: Path, name: str) -> str | None:
    file = folder / name
    return str(file) if os.access(file, os.X_OK) else None


COPY = r"""
for one in "$@"; do
  case "$one" in
    --print-to-pdf=*) out="${one#--print-to-pdf=}" ;;
    --user-data-dir=*) profile="${one#--user-data-dir=}" ;;
    file://*) page="${one#file://}" ;;
  esac
done
mkdir "$profile" && cp "$page" "$out"
"""


def test_the_page_is_printed_on_the_paper_that_was_asked_for(path: Path, tmp_path: Path) -> None:
    browser(path, COPY)
    for paper, size in (("a4", "A4"), ("letter", "letter")):
        out = tmp_path / paper / "report.pdf"
        out.parent.mkdir()
        pdf.print_pdf("<html><head></head><body>x</body></html>", out, paper)  # type: ignore[arg-type]
        assert f"@page {{ size: {size} }}" in out.read_text()
        check_output_file("--out", out, "a report", pdf.PDF_MARKER)
        assert sorted(one.name for one in out.parent.iterdir()) == ["report.pdf"]


def test_other_browsers_do_as_well(path: Path) -> None:
    edge = browser(path, COPY, "microsoft-edge")
    assert pdf.find_browser() == str(edge)


def test_without_a_browser_it_says_what_to_install(path: Path, tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="Chromium, Chrome or Edge, and none") as raised:
        pdf.print_pdf("<head></head>", tmp_path / "report.pdf")
    assert "apt-get install chromium" in str(raised.value)
    assert not (tmp_path / "report.pdf").exists()


def test_a_browser_that_fails_is_quoted(path: Path, tmp_path: Path) -> None:
    browser(path, "echo 'no room' >&2; exit 3")
    with pytest.raises(AffectlineError, match="did not print the report: no room"):
        pdf.print_pdf("<head></head>", tmp_path / "report.pdf")
    browser(path, "exit 0")
    with pytest.raises(AffectlineError, match="did not print the report: 0"):
        pdf.print_pdf("<head></head>", tmp_path / "report.pdf")


def test_a_browser_that_hangs_is_ended(path: Path, tmp_path: Path) -> None:
    browser(path, "exec tail -f /dev/null")
    with pytest.raises(AffectlineError, match="within 1 s"):
        pdf.print_pdf("<head></head>", tmp_path / "report.pdf", timeout_s=1.0)


def test_a_browser_that_cannot_be_run_is_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser(path, COPY)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(8, "Exec format error")

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(AffectlineError, match=r"cannot be run \(Exec format error\)"):
        pdf.print_pdf("<head></head>", tmp_path / "report.pdf")


def test_a_place_that_cannot_be_written_is_named(path: Path, tmp_path: Path) -> None:
    browser(path, COPY)
    (tmp_path / "file").write_text("")
    with pytest.raises(AffectlineError, match="cannot write"):
        pdf.print_pdf("<head></head>", tmp_path / "file" / "report.pdf")
