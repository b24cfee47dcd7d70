"""Every package that runs with Affectline is listed with its licence, and the licence will do."""

import pytest
from packaging.licenses import canonicalize_license_expression

from affectline.services.cli.reference import write_parts
from tests.supply.licences import (
    BY_FILE,
    COPYLEFT,
    PAGE,
    PARTS,
    PERMISSIVE,
    Licence,
    complete,
    declared,
    listed,
    used,
)
from tests.supply.locks import ROOT

LIST = listed()
by_name = pytest.mark.parametrize("name", LIST)


def test_every_package_of_the_run_time_locks_is_listed_and_no_other() -> None:
    assert set(LIST) == set(used())


@by_name
def test_a_licence_is_an_spdx_expression(name: str) -> None:
    expression = LIST[name].expression
    assert str(canonicalize_license_expression(expression)) == expression


@by_name
def test_a_licence_is_one_that_will_do(name: str) -> None:
    """A package under the GPL comes with the one extra that is named after it, and no other."""
    if name in COPYLEFT:
        licence, extra = COPYLEFT[name]
        assert LIST[name].expression == licence
        assert used()[name] == [extra]
        return
    assert LIST[name].names <= PERMISSIVE | BY_FILE


@by_name
def test_a_package_says_what_it_said_when_it_was_listed(name: str) -> None:
    assert declared(name) in (None, LIST[name].says), "its licence has changed: look it up"


def test_who_wants_a_package_is_said() -> None:
    assert used()["pyzmq"] == ["runtime"]
    assert used()["plotly"] == ["report"]
    assert used()["pandas"] == ["analysis", "offline", "reproduce", "shimmer", "training"]


def test_the_page_shows_the_list() -> None:
    text = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    assert write_parts(PAGE, text, PARTS) == text, "run: make docs"


def test_the_libraries_of_films_are_under_the_gpl() -> None:
    """What PyAV's wheels bring is said where an image is passed on."""
    assert "x264 and x265 (GPL-2.0-or-later)" in LIST["av"].brings


def test_what_is_new_is_added_and_what_is_unclear_is_asked() -> None:
    known = dict(LIST)
    known.pop("pyzmq")
    known.pop("rich")
    known["left-pad"] = Licence("MIT", "MIT")
    known["typer"] = Licence("BSD-3-Clause", "BSD-3-Clause")
    done, missing = complete(known)
    assert done["pyzmq"].expression == "BSD-3-Clause"
    assert "left-pad" not in done
    assert done["typer"].expression == "MIT"
    assert missing == ["rich says MIT License"]
