"""The certificate of the TLS servers: the user's own, or one generated here.

A generated certificate is self-signed. A browser asks whether to trust it; users can compare the
fingerprint that the browser shows with the one printed at the start.
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
"""The generated key and certificate, in one file so that they always match."""
PUBLIC_FILE: Final = "tls-certificate.pem"
"""Only the certificate, for clients that should trust it."""
RENEWED_DAYS: Final = 7
"""A generated certificate that expires within this many days is replaced when a server starts."""
BEGIN: Final = "-----BEGIN CERTIFICATE-----"
END: Final = "-----END CERTIFICATE-----"


class Certificate(NamedTuple):
    """A server's certificate and key files."""

    file: Path
    key: Path | None
    """None: the key is in the same file."""
    fingerprint: str
    """SHA-256 of the certificate in hexadecimal, as browsers show it."""
    is_new: bool = False
    """It was just generated."""


def choose(certificate: Path | None, private_key: Path | None, names: Iterable[str]) -> Certificate:
    """The user's certificate, else the one in the key folder, which is generated if needed.

    Args:
        certificate: The user's certificate in PEM, with those of its authorities.
        private_key: Its key, if in a separate file.
        names: Host names and addresses that clients use for the server.

    Raises:
        AffectlineError: The certificate cannot be used.
    """
    if certificate is None:
        return load_or_make(default_folder().absolute(), names)
    return load(certificate, private_key)


def load(file: Path, key: Path | None = None) -> Certificate:
    """Read a certificate, and check that its key matches.

    Raises:
        AffectlineError: The certificate cannot be used.
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
    """Read the certificate in a folder, or generate one.

    A certificate is replaced if others may have read it, if it expires soon, or if it lacks one of
    the names.

    Args:
        folder: Folder of the certificate.
        names: Host names and addresses that it must cover, besides this machine's own.
        anew: Replace it in any case.

    Raises:
        AffectlineError: The certificate can be neither read nor written.
    """
    try:
        from affectline.services.web import self_signed
    except ImportError as error:
        raise AffectlineError(
            f"making a certificate needs cryptography ({error})",
            "pip install 'affectline[dashboard]', or name your own certificate",
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
            f"name another folder in {VARIABLE}, or your own certificate",
        ) from error
    return load(file)._replace(is_new=True)


def _first_certificate(file: Path) -> str:
    text = file.read_text()
    begin = text.index(BEGIN)
    return text[begin : text.index(END, begin) + len(END)] + "\n"


def _write(path: Path, data: bytes) -> None:
    """Replace a file atomically; only its owner can ever read it."""
    with atomic_file.atomic_write(path, shared=True) as partial:
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)


def _is_private(file: Path) -> bool:
    """Whether nobody else can have read or written a file; False if it does not exist."""
    with suppress(FileNotFoundError):
        about = file.lstat()
        is_own = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
        return is_own and not about.st_mode & 0o077
    return False


def _is_any(name: str) -> bool:
    """Whether an address stands for all addresses of the machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_unspecified
    return False
