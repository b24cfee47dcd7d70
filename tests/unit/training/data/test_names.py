"""Names of pictures and people in one form."""

import os

import pytest

from affectline.training.data import names


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("happy/1.png", "happy/1.png"),
        ("./happy/1.png", "happy/1.png"),
        ("happy\\1.png", "happy/1.png"),
        (".\\happy\\.\\1.png", "happy/1.png"),
        ("happy//1.png", "happy/1.png"),
        ("", ""),
    ],
)
def test_a_path_has_one_form(written: str, wanted: str) -> None:
    assert names.normalise_path(written) == wanted
    assert names.normalise_path(wanted) == wanted


@pytest.mark.parametrize("raw", [b"plain.png", b"caf\xe9.png", b"\xff\x80\xe9", "é ü".encode()])
def test_bytes_that_are_no_text_are_escaped_and_restored(raw: bytes) -> None:
    name = os.fsdecode(raw)
    escaped = names.escape_bytes(name)
    escaped.encode()  # any file can hold it
    assert names.escape_bytes(escaped) == escaped
    assert os.fsencode(names.restore_bytes(escaped)) == raw


def test_one_person_in_several_spellings_is_found() -> None:
    given = ["p07", "P07", "p 07", "p08", "p07", "Zo\u00eb", "Zoe\u0308"]
    assert names.find_alike(given) == [("P07", "p 07", "p07"), ("Zoe\u0308", "Zo\u00eb")]
    assert names.find_alike(["p07", "p08"]) == []
