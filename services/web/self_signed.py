"""Generates self-signed certificates."""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS: Final = 397
"""Not longer than browsers accept from a public authority."""


class KeyPair(NamedTuple):
    """A certificate and its key, in PEM."""

    certificate: bytes
    private_key: bytes


def make(names: Iterable[str]) -> KeyPair:
    """Make a certificate.

    Args:
        names: Host names and addresses that it covers, besides this machine's own.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Affectline")])
    now = datetime.now(UTC)
    wanted = sorted({*own_names(), *(name.lower() for name in names)})
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in wanted]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(usage, False)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = builder.sign(key, hashes.SHA256())
    return KeyPair(signed.public_bytes(serialization.Encoding.PEM), private)


def lacks(pem: bytes, names: Iterable[str], for_days: float) -> bool:
    """Whether a certificate lacks one of the names, or expires within a number of days."""
    certificate = x509.load_pem_x509_certificate(pem)
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    known = {str(name.value) for name in extension.value}
    ends_soon = certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=for_days)
    return ends_soon or not {str(_general_name(name.lower()).value) for name in names} <= known


def own_names() -> set[str]:
    """Names and addresses of this machine, as far as known."""
    host = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1", host, socket.getfqdn().lower()}
    with suppress(OSError):
        names |= {str(one[4][0]).partition("%")[0] for one in socket.getaddrinfo(host, None)}
    return names


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name.encode("idna").decode() if not name.isascii() else name)
