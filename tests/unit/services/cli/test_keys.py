"""``affectline keys``: what it says, and what it leaves in the folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keys import CurvePair, KeyStore
from affectline.services.cli.keys import keys


@pytest.fixture
def call(tmp_path: Path) -> Any:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(keys, [*arguments, "--folder", str(tmp_path)])
        if done.exception:
            raise done.exception
        return done.output

    return run


def test_the_list_tells_what_each_key_is_for(call: Any) -> None:
    call("new", "lab2", "--role", "pipeline")
    call("new", "strap", "--role", "sensor", "--subject", "anna")
    call("new", "straps", "--role", "sensor")
    call("new", "wall")
    call("new", "bars", "--prefix", "emotion/")
    rows = [line.split("\u2502") for line in call("list").splitlines() if "\u2502" in line]
    assert {row[1].strip(): row[3].strip() for row in rows} == {
        "lab2": "everything", "strap": "anna", "straps": "anybody", "wall": "all but frames",
        "bars": "emotion/",
    }  # fmt: skip


def test_new_keys_of_the_hub_reach_the_folders_that_are_still_here(
    call: Any, tmp_path: Path
) -> None:
    call("new", "wall")
    said = call("new", "hub")
    assert "every other machine needs" in said
    pair = KeyStore(tmp_path).hub_pair()
    assert pair
    credentials = KeyStore(tmp_path / "clients" / "wall").credentials("lab:5555")
    assert credentials.hub_key == pair.public_key


def test_the_first_keys_of_the_hub_change_nothing_for_others(call: Any) -> None:
    assert "other machine" not in call("new", "hub")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("new", "../x"), "name '../x': not a name or topic"),
        (("new", "x", "--prefix", "a b"), "prefixes 'a b': not a name or topic"),
        (("allow", "x", "nothing"), "KEY nothing: neither a file nor a public key"),
        (("revoke", "x"), "x: no such key is allowed"),
        (("forget", "lab:5555"), "lab:5555: no hub is known there"),
        (("new", "x", "--role", "sensor", "--prefix", "a/"), "a sensor has no choice of topics"),
        (("new", "x", "--subject", "anna"), "only sensors have subjects"),
    ],
)
def test_what_is_wrong_is_said_plainly(call: Any, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(AffectlineError) as said:
        call(*arguments)
    assert said.value.problem.endswith(problem)
    assert "pattern" not in str(said.value)


def test_a_key_that_was_made_elsewhere_is_let_in(call: Any, tmp_path: Path) -> None:
    pair = CurvePair.new()
    call("allow", "wall", pair.public_key, "--role", "operator")
    assert KeyStore(tmp_path).holders()["wall"].role == "operator"
    with pytest.raises(AffectlineError, match="allowed as wall"):
        call("allow", "desk", pair.public_key)


def test_files_that_cannot_be_read_are_named_by_every_command(call: Any, tmp_path: Path) -> None:
    call("new", "wall")
    (tmp_path / "allowed" / "broken.key").write_text("rubbish")
    warning = f"broken is not allowed: {tmp_path / 'allowed' / 'broken.key'} is not a key"
    for words in (("list",), ("allow", "desk", CurvePair.new().public_key), ("revoke", "wall")):
        assert warning in call(*words), words
    assert "broken" in json.loads(call("list", "--json"))["unreadable"]
    with pytest.raises(AffectlineError, match="there is already a key of that name"):
        call("new", "broken")
    told = call("revoke", "broken")
    assert "broken is no longer allowed: its file, now removed, was not readable" in told
    assert "is not allowed" not in told
