"""Files of keys."""

import contextlib
import os
from pathlib import Path

import pytest
import zmq.auth
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keys import (
    CurvePair,
    KeyHolder,
    KeyStore,
    fingerprint,
    parse_key_file,
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_keys_that_are_made_are_let_in_and_nobody_else_reads_them(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    pair, place = store.make_client("wall", "listener")
    holder = KeyHolder(
        name="wall", public_key=pair.public_key, role="listener", prefixes=("emotion/", "bio/anna/")
    )
    store.allow(holder)
    assert store.holders() == {"wall": holder}
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {mode(path) for path in files} == {0o600}
    folders = [store.folder, *(path for path in store.folder.rglob("*") if path.is_dir())]
    assert {mode(path) for path in folders} == {0o700}
    client = KeyStore(place)
    credentials = client.credentials("lab:5555")
    assert credentials.pair == pair
    hub = store.hub_pair()
    assert hub
    assert credentials.hub_key == hub.public_key


def test_they_are_certificates_of_zmq_auth(tmp_path: Path) -> None:
    pair, place = KeyStore(tmp_path).make_client("wall", "listener")
    public, secret = zmq.auth.load_certificate(place / "client.key_secret")
    assert (public.decode(), secret and secret.decode()) == (pair.public_key, pair.secret_key)
    zmq.auth.create_certificates(tmp_path, "made")
    made = parse_key_file((tmp_path / "made.key").read_text())
    assert zmq.auth.load_certificate(tmp_path / "made.key")[0] == made["public-key"].encode()


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.make_hub_pair()
    (tmp_path / "hub.key_secret").chmod(0o640)
    with pytest.raises(AffectlineError, match="other users can read this secret key"):
        store.hub_pair()


def test_the_secret_of_somebody_else_is_what_a_container_is_handed(
    tmp_path: Path, as_root: None
) -> None:
    store = KeyStore(tmp_path)
    store.make_hub_pair()
    secret = tmp_path / "hub.key_secret"
    secret.chmod(0o440)
    os.chown(secret, 12345, 0)
    assert store.hub_pair()


def test_a_hub_that_has_another_key_than_before_is_not_reached(tmp_path: Path) -> None:
    hub = KeyStore(tmp_path / "hub")
    _, place = hub.make_client("wall", "listener")
    client = KeyStore(place)
    client.remember_hub(client.credentials("lab:5555"))
    before = client.known_hubs()["lab:5555"]
    new = hub.make_hub_pair()
    (place / "hub.key").write_bytes((hub.folder / "hub.key").read_bytes())
    with pytest.raises(AffectlineError) as error:
        client.credentials("lab:5555")
    assert fingerprint(before) in str(error.value)
    assert fingerprint(new.public_key) in str(error.value)
    assert client.credentials("other:5555"), "another hub is another matter"
    assert client.forget_hub("lab:5555")
    assert client.credentials("lab:5555").hub_key == new.public_key


def test_without_keys_the_error_tells_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="affectline keys new NAME"):
        KeyStore(tmp_path / "none").credentials("lab:5555")


def test_a_key_is_let_in_under_one_name(tmp_path: Path) -> None:
    store, key = KeyStore(tmp_path), CurvePair.new().public_key
    store.allow(KeyHolder(name="a", public_key=key, role="listener"))
    store.allow(KeyHolder(name="a", public_key=key, role="operator"))
    assert store.holders()["a"].role == "operator"
    with pytest.raises(AffectlineError, match="allowed as a"):
        store.allow(KeyHolder(name="b", public_key=key, role="pipeline"))
    revoked = store.revoke("a")
    assert revoked
    assert revoked.public_key == key
    assert store.holders() == {}
    with pytest.raises(AffectlineError, match="no such key"):
        store.revoke("a")


@pytest.mark.parametrize(
    "text",
    [
        "", "curve\n", 'curve\n    public-key = "short"\n', "\0", "x" * 100_000,
        'metadata\n    role = "king"\ncurve\n    public-key = "' + "0" * 40 + '"\n',
        'metadata\n    prefixes = "a b"\ncurve\n    public-key = "' + "0" * 40 + '"\n',
    ],
)  # fmt: skip
def test_what_is_no_key_allows_nobody_and_changes_nothing_for_others(
    tmp_path: Path, text: str
) -> None:
    store, key = KeyStore(tmp_path), CurvePair.new().public_key
    store.allow(KeyHolder(name="wall", public_key=key, role="listener"))
    (tmp_path / "allowed" / "a.key").write_text(text)
    (tmp_path / "allowed" / "z.key").mkdir()
    allowed = store.allowed()
    assert allowed.holders.keys() == {"wall"}
    assert "is not a key" in allowed.unreadable["a"]
    assert "z.key: Is a directory" in allowed.unreadable["z"]
    store.allow(KeyHolder(name="desk", public_key=CurvePair.new().public_key, role="operator"))
    assert store.revoke("wall")
    assert store.revoke("a") is None
    assert store.holders().keys() == {"desk"}
    assert store.allowed().unreadable.keys() == {"z"}


def test_a_change_of_permissions_is_a_change(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.allow(KeyHolder(name="a", public_key=CurvePair.new().public_key, role="listener"))
    before = store.changed_at()
    (tmp_path / "allowed" / "a.key").chmod(0o000)
    assert store.changed_at() != before


@given(st.text(max_size=300) | st.text(alphabet='pc \n="-key', max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert "public-key" in parse_key_file(text)


def test_forty_characters_that_are_no_key(tmp_path: Path) -> None:
    too_large = "#" * 40  # five of them are more than four bytes hold
    (tmp_path / "known_hubs").write_text(f"hub:5555 {too_large}\n")
    (tmp_path / "hub.key").write_text(f'curve\n    public-key = "{too_large}"\n')
    store = KeyStore(tmp_path)
    store.make_hub_pair()
    assert not store.known_hubs()
    _, place = store.make_client("a", "pipeline")
    (place / "client.key_secret").rename(tmp_path / "client.key_secret")
    (tmp_path / "hub.key").write_text(f'curve\n    public-key = "{too_large}"\n')
    with pytest.raises(AffectlineError, match="not a key: public-key"):
        store.credentials("hub:5555")
    with pytest.raises(ValueError, match="Z85"):
        KeyHolder(name="a", public_key=too_large, role="listener")
