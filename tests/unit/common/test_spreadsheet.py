"""Rows of CSV files: no text in them is a formula, and every text comes back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.spreadsheet import escape_text, row_writer, unescape_text

HOSTILE = st.text(st.sampled_from("=+-@\t\r\n' ;,\"\uff1d1a"), max_size=8) | st.text()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("hard braking", "hard braking"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_formula_gets_an_apostrophe_and_nothing_else_does(text: str, written: str) -> None:
    assert escape_text(text) == written
    assert unescape_text(written) == text


@given(HOSTILE)
def test_every_text_comes_back_and_none_is_a_formula(text: str) -> None:
    written = escape_text(text)
    assert written.lstrip(" ")[:1] not in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert unescape_text(written) == text


@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=4), min_size=1, max_size=4))
def test_rows_are_read_back_whatever_their_cells_hold(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    row_writer(file).writerows(rows)
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == rows


def test_rows_end_with_a_line_feed() -> None:
    file = io.StringIO(newline="")
    row_writer(file, ";").writerow(("a", 1, None, "b\rc"))
    assert file.getvalue() == 'a;1;;"b\rc"\n'
