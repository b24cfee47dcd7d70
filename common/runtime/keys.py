"""Keys of hubs and of those who may reach them (CURVE, as ZeroMQ has it).

A folder holds what one user of a machine has:

    hub.key_secret      the hub's own pair, on the hub's machine only
    hub.key             the hub's public key
    allowed/NAME.key    a public key that the hub lets in, and what for
    clients/NAME/       a pair that was made here for another machine: its folder of keys
    client.key_secret   the pair by which this user's processes reach a hub
    known_hubs          the keys of the hubs that were reached, by their address

Key files are certificates as ``zmq.auth`` reads and writes them (ZPL, `RFC 4 of ZeroMQ
<https://rfc.zeromq.org/spec/4/>`_). Files are 0600, folders 0700.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import zmq
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from zmq.utils import z85

from affectline.common.atomic_file import atomic_write
from affectline.common.errors import AffectlineError
from affectline.common.file_access import OWNER, make_folder
from affectline.common.identifiers import Name

VARIABLE: Final = "AFFECTLINE_KEYS"
"""Environment variable: the folder of keys."""
KeyRole = Literal["pipeline", "sensor", "listener", "operator"]
"""What a key is for. ``pipeline``: everything, as a part of it. ``sensor``: publish samples of
named subjects, and markers. ``listener``: subscribe. ``operator``: subscribe, set markers, start
and stop recordings."""
PUBLIC, SECRET = ".key", ".key_secret"
HUB, CLIENT = "hub", "client"
KEY_BYTES: Final = 32
LONGEST_FILE: Final = 1 << 14
MOST_KEYS: Final = 1000
"""Keys that a hub lets in."""
SECTIONS: Final = ("metadata", "curve")
_LINE: Final = re.compile(r"\s+([a-z-]{1,32}) = \"([^\"\n]{0,4000})\"\s*")
_PUBLIC_KEY: Final = r"^[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}$"


def is_key(text: str) -> bool:
    """Whether a text is the 32 bytes of a key as Z85: five characters may be more than four."""
    if not re.fullmatch(_PUBLIC_KEY, text):
        return False
    try:
        return len(z85.decode(text)) == KEY_BYTES
    except struct.error:
        return False


def _check_key(text: str) -> str:
    if not is_key(text):
        raise ValueError("not 40 characters of Z85")
    return text


PublicKey = Annotated[str, Field(pattern=_PUBLIC_KEY), AfterValidator(_check_key)]
"""40 characters of Z85."""
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9/._-]{1,128}$")]


class KeyHolder(BaseModel):
    """A key that a hub lets in, and what for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    public_key: PublicKey
    role: KeyRole
    services: tuple[Name, ...] = ()
    """Kinds of services as which a part of the pipeline may publish; none: all."""
    subjects: tuple[Name, ...] = ()
    """Whom a sensor measures; none: anybody."""
    prefixes: tuple[Prefix, ...] = ()
    """Topics that a listener hears; none: all but the pictures."""


class CurvePair(BaseModel):
    """A public key with its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_key: PublicKey
    secret_key: Annotated[PublicKey, Field(repr=False)]
    role: KeyRole = "pipeline"
    """That of a client."""

    @classmethod
    def new(cls, role: KeyRole = "pipeline") -> "CurvePair":
        """A pair that there has not been before."""
        public, secret = zmq.curve_keypair()
        return cls(public_key=public.decode(), secret_key=secret.decode(), role=role)


class Credentials(BaseModel):
    """How a client proves who it is, and knows the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hub_key: PublicKey
    pair: CurvePair
    address: str
    """Of the hub: ``HOST:PORT``."""


def fingerprint(public_key: str) -> str:
    """The fingerprint of a public key: eight groups of four hexadecimal digits."""
    digest = hashlib.sha256(z85.decode(public_key)).hexdigest()[:32]
    return "-".join(digest[i : i + 4] for i in range(0, 32, 4))


def default_folder() -> Path:
    """The user's folder of keys."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path.home() / ".config" / "affectline" / "keys"


class KeyStore:
    """A folder of keys.

    Args:
        folder: The folder; None: `default_folder`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    # What a hub needs

    def hub_pair(self) -> CurvePair | None:
        """The hub's own keys; None where there are none.

        Raises:
            AffectlineError: They cannot be read, or others can read them.
        """
        return _read_pair(self.folder / f"{HUB}{SECRET}")

    def make_hub_pair(self) -> CurvePair:
        """Make keys for the hub; those of before are replaced, also for clients that are here."""
        pair = CurvePair.new()
        _write(self.folder / f"{HUB}{SECRET}", _curve(pair), {})
        clients = sorted((self.folder / "clients").glob(f"*/{HUB}{PUBLIC}"))
        for path in (self.folder / f"{HUB}{PUBLIC}", *clients):
            _write(path, {"public-key": pair.public_key}, {})
        return pair

    def holders(self) -> dict[str, KeyHolder]:
        """The keys that the hub lets in, by name.

        Raises:
            AffectlineError: One of the files is no key.
        """
        found = {}
        for path in sorted((self.folder / "allowed").glob(f"*{PUBLIC}"))[:MOST_KEYS]:
            holder = _read_holder(path)
            found[holder.name] = holder
        return found

    def allow(self, holder: KeyHolder) -> None:
        """Let a key in.

        Raises:
            AffectlineError: Another key of that name, or that key under another name, is let in.
        """
        for other in self.holders().values():
            if other.public_key == holder.public_key and other.name != holder.name:
                raise AffectlineError(
                    f"{holder.name}: this key is already allowed as {other.name}",
                    "revoke that first",
                )
        metadata = {
            "name": holder.name,
            "role": holder.role,
            "services": ",".join(holder.services),
            "subjects": ",".join(holder.subjects),
            "prefixes": ",".join(holder.prefixes),
        }
        path = self.folder / "allowed" / f"{holder.name}{PUBLIC}"
        _write(path, {"public-key": holder.public_key}, metadata)

    def revoke(self, name: str) -> KeyHolder:
        """Let a key in no more; it is returned.

        Raises:
            AffectlineError: None of that name is let in.
        """
        path = self.folder / "allowed" / f"{name}{PUBLIC}"
        if not path.is_file():
            known = ", ".join(self.holders()) or "none"
            raise AffectlineError(f"{name}: no such key is allowed", f"there are: {known}")
        holder = _read_holder(path)
        path.unlink()
        return holder

    def make_client(self, holder_name: str, role: KeyRole) -> tuple[CurvePair, Path]:
        """Make the keys of another machine or tool; they are returned with their folder."""
        hub = self.hub_pair() or self.make_hub_pair()
        pair = CurvePair.new(role)
        place = self.folder / "clients" / holder_name
        _write(place / f"{CLIENT}{SECRET}", _curve(pair), {"role": role})
        _write(place / f"{HUB}{PUBLIC}", {"public-key": hub.public_key}, {})
        return pair, place

    def changed_at(self) -> tuple[tuple[str, int, int], ...]:
        """What differs as soon as a key of the hub's, or one that is let in, has changed."""
        allowed = self.folder / "allowed"
        paths = [self.folder / f"{HUB}{SECRET}", *sorted(allowed.glob(f"*{PUBLIC}"))[:MOST_KEYS]]
        return tuple(_states(paths))

    # What a client needs

    def credentials(self, address: str) -> Credentials:
        """The keys by which a hub is reached.

        Args:
            address: ``HOST:PORT`` of the hub.

        Raises:
            AffectlineError: They are not there, or the hub is known by another key.
        """
        pair = _read_pair(self.folder / f"{CLIENT}{SECRET}")
        hub_path = self.folder / f"{HUB}{PUBLIC}"
        if pair is None or not hub_path.is_file():
            raise AffectlineError(
                f"the hub on {address} asks for keys, and there are none in {self.folder}",
                "on the hub's machine: affectline keys new NAME --role pipeline; then copy the "
                f"folder that it names to {self.folder}, or name it in {VARIABLE}",
            )
        hub_key = _read_public_key(hub_path)
        known = self.known_hubs().get(address, hub_key)
        if known != hub_key:
            raise other_hub(address, known, hub_key)
        return Credentials(hub_key=hub_key, pair=pair, address=address)

    def known_hubs(self) -> dict[str, str]:
        """The public keys of hubs that were reached, by address."""
        try:
            lines = (self.folder / "known_hubs").read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        pairs = (line.split() for line in lines[:MOST_KEYS])
        return {p[0]: p[1] for p in pairs if len(p) == 2 and is_key(p[1])}

    def remember_hub(self, credentials: Credentials) -> None:
        """Note down that a hub was reached by its key; nothing where the folder is read-only."""
        known = self.known_hubs()
        if known.get(credentials.address) == credentials.hub_key:
            return
        known[credentials.address] = credentials.hub_key
        self._write_known(known)

    def forget_hub(self, address: str) -> bool:
        """Forget the key of a hub; False where it was not known."""
        known = self.known_hubs()
        if known.pop(address, None) is None:
            return False
        self._write_known(known)
        return True

    def _write_known(self, known: dict[str, str]) -> None:
        text = "".join(f"{address} {key}\n" for address, key in sorted(known.items()))
        try:
            _write_private(self.folder / "known_hubs", text, shared=True)
        except OSError:  # secrets of containers are read-only
            return


def other_hub(address: str, known: str, met: str) -> AffectlineError:
    """The error of a hub that has another key than before."""
    return AffectlineError(
        f"{address} is known as the hub with the key {fingerprint(known)}, and hub.key is "
        f"{fingerprint(met)}",
        f"if the hub's keys were changed on purpose: affectline keys forget {address}; "
        "otherwise another program answers there",
    )


def _states(paths: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue
        yield path.name, found.st_mtime_ns, found.st_ino


def _curve(pair: CurvePair) -> dict[str, str]:
    return {"public-key": pair.public_key, "secret-key": pair.secret_key}


def _write(path: Path, curve: dict[str, str], metadata: dict[str, str]) -> None:
    lines = ["#   A key of Affectline: docs/security.md", "metadata"]
    lines += [f'    {name} = "{value}"' for name, value in metadata.items() if value]
    lines += ["curve", *(f'    {name} = "{value}"' for name, value in curve.items())]
    try:
        _write_private(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise AffectlineError(
            f"{path}: {error.strerror}", f"name a folder of yours in {VARIABLE}"
        ) from error


def _write_private(path: Path, text: str, *, shared: bool = False) -> None:
    make_folder(path.parent, OWNER)
    with atomic_write(path, shared=shared) as partial:
        opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o600)


def parse_key_file(text: str) -> dict[str, str]:
    """The fields of a certificate: what stands below ``metadata`` and ``curve``.

    Raises:
        ValueError: It is none.
    """
    if len(text) > LONGEST_FILE:
        raise ValueError("it is too long")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#") or line.strip() in SECTIONS:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"a line that does not belong in a key: {line[:40]!r}")
        fields[match[1]] = match[2]
    if "public-key" not in fields:
        raise ValueError("it has no public-key")
    return fields


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="ascii") as file:
            return parse_key_file(file.read(LONGEST_FILE + 1))
    except OSError as error:
        raise AffectlineError(f"{path}: {error.strerror}", "see affectline keys --help") from error
    except ValueError as error:  # also what is not ASCII
        raise _no_key(path, error) from error


def _no_key(path: Path, error: ValueError) -> AffectlineError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        reason = str(error)
    return AffectlineError(f"{path} is not a key: {reason}", "create one with affectline keys new")


def _read_pair(path: Path) -> CurvePair | None:
    if not path.is_file():
        return None
    _check_private(path)
    fields = _read(path)
    role = fields.get("role", "pipeline")
    try:
        return CurvePair(
            public_key=fields["public-key"],
            secret_key=fields.get("secret-key", ""),
            role=role,
        )
    except ValidationError as error:
        raise _no_key(path, error) from error


def _read_public_key(path: Path) -> str:
    key = _read(path)["public-key"]
    if not is_key(key):
        raise _no_key(path, ValueError("public-key: not 40 characters of Z85"))
    return key


def _read_holder(path: Path) -> KeyHolder:
    fields = _read(path)
    try:
        return KeyHolder(
            name=path.name.removesuffix(PUBLIC),
            public_key=fields["public-key"],
            role=fields.get("role", "listener"),
            services=tuple(filter(None, fields.get("services", "").split(","))),
            subjects=tuple(filter(None, fields.get("subjects", "").split(","))),
            prefixes=tuple(filter(None, fields.get("prefixes", "").split(","))),
        )
    except ValidationError as error:
        raise _no_key(path, error) from error


def _check_private(path: Path) -> None:
    """Refuse a secret of ours that others can read; what a container is handed is not ours."""
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        raise AffectlineError(
            f"{path}: other users can read this secret key", f"chmod 600 {path}, or make a new one"
        )
