"""Certificates: the user's own, or one that is made once and kept from others."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="certificates need the dashboard extra")

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from affectline.common.errors import AffectlineError
from affectline.services.web import certificate as module
from affectline.services.web import self_signed
from affectline.services.web.certificate import choose, load, load_or_make


def names_of(file: Path) -> set[str]:
    read = x509.load_pem_x509_certificate(file.read_bytes())
    found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in found.value}


def test_one_is_made_once_and_its_owner_alone_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = load_or_make(folder, ("0.0.0.0", "Lab.example", "192.0.2.7"))
    assert made.is_new
    assert len(made.fingerprint) == 95
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    public = folder / "tls-certificate.pem"
    assert {"localhost", "127.0.0.1", "lab.example", "192.0.2.7"} <= names_of(public)
    assert "0.0.0.0" not in names_of(public)
    assert b"PRIVATE" not in public.read_bytes()
    assert load_or_make(folder, ("lab.example",)) == made._replace(is_new=False)
    assert load_or_make(folder, ("lab.example",), anew=True).fingerprint != made.fingerprint


@pytest.mark.parametrize("why", ["other name", "readable", "ends soon", "damaged", "link"])
def test_one_that_does_not_serve_is_replaced(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_or_make(tmp_path, ())
    file = tmp_path / "tls.pem"
    if why == "readable":
        file.chmod(0o644)
    if why == "damaged":
        file.write_text("nothing")
    if why == "ends soon":
        monkeypatch.setattr(module, "RENEWED_DAYS", self_signed.VALID_DAYS)
    if why == "link":
        file.symlink_to(file.rename(tmp_path / "elsewhere"))
    second = load_or_make(tmp_path, ("lab.example",) if why == "other name" else ())
    assert second.is_new
    assert second.fingerprint != first.fingerprint
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_valid_for_about_a_year() -> None:
    made = x509.load_pem_x509_certificate(self_signed.make(()).certificate)
    assert 396 <= (made.not_valid_after_utc - datetime.now(UTC)).days <= 397


def test_the_users_own_in_one_file_or_two(tmp_path: Path) -> None:
    pair = self_signed.make(("lab.example",))
    one, key = tmp_path / "lab.pem", tmp_path / "lab.key"
    one.write_bytes(pair.certificate)
    key.write_bytes(pair.private_key)
    assert choose(one, key, ()).key == key
    with pytest.raises(AffectlineError, match=r"the certificate .*lab.pem cannot be used"):
        load(one)
    with pytest.raises(AffectlineError, match="cannot be used"):
        load(tmp_path / "missing.pem")
    key.write_bytes(self_signed.make(()).private_key)
    with pytest.raises(AffectlineError, match="cannot be used"):
        load(one, key)
    loaded = serialization.load_pem_private_key(pair.private_key, None)
    secret = serialization.BestAvailableEncryption(b"word")
    key.write_bytes(
        loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    with pytest.raises(AffectlineError, match="is encrypted"):
        load(one, key)


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_KEYS", str(tmp_path / "own"))
    assert choose(None, None, ()).file == tmp_path / "own" / "tls.pem"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AFFECTLINE_KEYS", str(tmp_path / "file"))
    with pytest.raises(AffectlineError, match="cannot be written"):
        choose(None, None, ())
