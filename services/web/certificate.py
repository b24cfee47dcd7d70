"""The certificate of the servers that speak TLS: the user's own, or one that is made here.

One that is made here is signed by itself. A browser asks whether it is to be trusted; the
fingerprint that is printed at the start is what to compare with what the browser shows.
"""

import ipaddress
import os
import ssl
import stat
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError, first_line
from affectline.common.runtime.keys import VARIABLE, default_folder

OWN_FILE: Final = "tls.pem"
"""The key and the certificate that are made here, in one file, so that they always match."""
PUBLIC_FILE: Final = "tls-certificate.pem"
"""The certificate alone, for clients that are to trust it."""
RENEWED_DAYS: Final = 7
"""A certificate that ends within so many days is replaced when a server starts."""
BEGIN: Final = "-----BEGIN CERTIFICATE-----"
END: Final = "-----END CERTIFICATE-----"


class Certificate(NamedTuple):
    """Files that a server presents itself with."""

    file: Path
    key: Path | None
    """None: the key is in the same file."""
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal, as browsers show it."""
    is_new: bool = False
    """It was made just now."""


def choose(certificate: Path | None, private_key: Path | None, names: Iterable[str]) -> Certificate:
    """The user's certificate, or else the one in the folder of keys, which is made if need be.

    Args:
        certificate: The user's, in PEM, with those of its authorities.
        private_key: Its key, if that is in a file of its own.
        names: Host names and addresses by which clients call the server.

    Raises:
        AffectlineError: It cannot be used.
    """
    if certificate is None:
        return load_or_make(default_folder().absolute(), names)
    return load(certificate, private_key)


def load(file: Path, key: Path | None = None) -> Certificate:
    """Read a certificate, and check that its key belongs to it.

    Raises:
        AffectlineError: It cannot be used.
    """

    def refuse() -> str:
        raise AffectlineError(
            f"the private key of {file} is encrypted", "name a key without a password"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, refuse)
        der = ssl.PEM_cert_to_DER_cert(_first_certificate(file))
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise AffectlineError(
            f"the certificate {file} cannot be used ({first_line(error)})",
            "name a certificate in PEM and its private key",
        ) from error
    digits = sha256(der).hexdigest().upper()
    return Certificate(file, key, ":".join(digits[i : i + 2] for i in range(0, 64, 2)))


def load_or_make(folder: Path, names: Iterable[str], *, anew: bool = False) -> Certificate:
    """Read the certificate of a folder, or make one.

    One that others may have read, that ends soon, or that lacks one of the names is replaced.

    Args:
        folder: Where it is kept.
        names: Host names and addresses that it is to be for, besides this machine's own.
        anew: Replace it in any case.

    Raises:
        AffectlineError: It can be neither read nor written.
    """
    try:
        from affectline.services.web import self_signed
    except ImportError as error:
        raise AffectlineError(
            f"making a certificate needs cryptography ({error})",
            "pip install 'affectline[dashboard]', or name a certificate of your own",
        ) from error
    file, wanted = folder / OWN_FILE, [name for name in names if name and not _is_any(name)]
    try:
        if not anew and _is_private(file):
            with suppress(AffectlineError, ValueError):
                known = load(file)
                public = _first_certificate(file).encode()
                if not self_signed.lacks(public, wanted, RENEWED_DAYS):
                    return known
        made = self_signed.make(wanted)
        file_access.make_folder(folder, file_access.OWNER)
        _write(file, made.private_key + made.certificate)
        _write(folder / PUBLIC_FILE, made.certificate)
    except OSError as error:
        raise AffectlineError(
            f"the certificate {file} cannot be written ({error.strerror})",
            f"name another folder in {VARIABLE}, or a certificate of your own",
        ) from error
    return load(file)._replace(is_new=True)


def _first_certificate(file: Path) -> str:
    text = file.read_text()
    begin = text.index(BEGIN)
    return text[begin : text.index(END, begin) + len(END)] + "\n"


def _write(path: Path, data: bytes) -> None:
    """Replace a file as a whole; only its owner can read it, from its first byte on."""
    with atomic_file.atomic_write(path, shared=True) as partial:
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)


def _is_private(file: Path) -> bool:
    """Whether nobody else can have read or written a file; False where there is none."""
    with suppress(FileNotFoundError):
        about = file.lstat()
        is_own = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
        return is_own and not about.st_mode & 0o077
    return False


def _is_any(name: str) -> bool:
    """Whether a server that listens there listens on all of its machine's addresses."""
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_unspecified
    return False
