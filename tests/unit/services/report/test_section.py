from typing import Literal

import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.services.report.page import render_page
from affectline.services.report.section import (
    SECTIONS,
    ReportData,
    Section,
    SectionSettings,
    make_sections,
)
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import read_series
from tests.recordings import recording


class NoteSettings(SectionSettings):
    section: Literal["note"] = "note"
    text: str


class Note(Section):
    settings_model = NoteSettings
    order = 25

    def render(self, data: ReportData) -> str:
        return f"<p id=note>{self.settings.text}</p>"


def test_sections_are_in_order() -> None:
    names = [section.settings.section for section in make_sections()]
    assert names == [
        "narrative", "expressions", "markers", "responses", "pictures", "chart", "head_and_eyes",
        "about",
    ]  # fmt: skip
    assert sorted(names) == SECTIONS.names()


def test_a_section_can_be_left_out() -> None:
    names = [s.settings.section for s in make_sections({"markers": {"enabled": "false"}})]
    assert "markers" not in names
    assert "responses" in names


def test_settings_are_checked() -> None:
    (responses,) = [
        section
        for section in make_sections({"responses": {"before_s": 5}})
        if section.settings.section == "responses"
    ]
    assert responses.settings.before_s == 5
    with pytest.raises(ValidationError, match="before_s"):
        make_sections({"responses": {"before_s": 0}})
    with pytest.raises(AffectlineError, match="there is no section 'music'"):
        make_sections({"music": {}})


def test_a_section_is_one_class() -> None:
    packets = recording()
    data = ReportData(Recording("drive", lambda: packets), read_series(packets))
    html = render_page(data, [Note(NoteSettings(text="windy"))])
    assert "<main>\n<section class=s-note>\n<p id=note>windy</p>\n</section>\n</main>" in html


def test_what_could_not_be_read_is_in_the_page() -> None:
    packets = recording()
    data = ReportData(Recording("x", lambda: packets), read_series(packets), ("<9> bytes lost",))
    (narrative, *_) = make_sections()
    assert (
        "<p class=warning>The recording is incomplete: &lt;9&gt; bytes lost."
        in narrative.render(data)
    )
