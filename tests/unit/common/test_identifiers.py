"""Names that people type, as names of folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from affectline.common.identifiers import Name, free_name, is_numbered, safe_name

NAMES = TypeAdapter[str](Name)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("drive7", "drive7"),
        ("Anna's 2nd drive / motorway", "Annas-2nd-drive-motorway"),
        ("  Zoë: Straße, łódź  ", "Zoe-Strasse-lodz"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("a/b\\c", "a-b-c"),
        ("test (final)", "test-final"),
        ("C:\\temp", "C-temp"),
        ("ﬁlm ①", "film-1"),
        ("会議 2", "2"),
        ("会議", "session"),
        ("🙂", "session"),
        ("", "session"),
        ("con", "session-con"),
        ("LPT1.txt", "session-LPT1.txt"),
        ("contact", "contact"),
        ("x" * 300, "x" * 64),
        ("a" * 63 + " b", "a" * 63),
    ],
)
def test_what_is_typed_becomes_a_name(typed: str, name: str) -> None:
    assert safe_name(typed) == name


@given(st.text(max_size=300))
def test_it_always_is_one_and_stays_one(typed: str) -> None:
    name = safe_name(typed)
    assert NAMES.validate_python(name) == name
    assert safe_name(name) == name


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = {"drive", "drive-2", "y" * 64}
    assert free_name("ride", taken.__contains__) == "ride"
    assert free_name("drive", taken.__contains__) == "drive-3"
    long = free_name("y" * 64, taken.__contains__)
    assert (long, NAMES.validate_python(long)) == ("y" * 62 + "-2", long)
    for name in ("drive", "drive-3", "drive-12"):
        assert is_numbered(name, of="drive")
    for name in ("drive-x", "drive3", "ride", "drive-"):
        assert not is_numbered(name, of="drive")
    assert is_numbered(long, of="y" * 64)
