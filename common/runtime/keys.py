"""Keys of hubs and their clients (ZeroMQ's CURVE).

A folder holds the keys of one user of a machine:

    hub.key_secret      the hub's own key pair, on the hub's machine only
    hub.key             the hub's public key
    allowed/NAME.key    a public key that the hub allows, with its role
    clients/NAME/       the folder of keys for another machine, with a key pair made here
    client.key_secret   the key pair of this user's processes as clients of a hub
    known_hubs          the keys of hubs that were reached, by address

Key files are certificates in the format of ``zmq.auth`` (ZPL, `RFC 4 of ZeroMQ
<https://rfc.zeromq.org/spec/4/>`_). Files are 0600, folders 0700.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

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
"""What a key allows. ``pipeline``: everything, as a process of the pipeline. ``sensor``: publish
samples of named subjects, and markers. ``listener``: subscribe. ``operator``: subscribe, set
markers, start and stop recordings."""
PUBLIC, SECRET = ".key", ".key_secret"
HUB, CLIENT = "hub", "client"
KEY_BYTES: Final = 32
LONGEST_FILE: Final = 1 << 14
MOST_KEYS: Final = 1000
"""Maximum number of keys that a hub allows."""
SECTIONS: Final = ("metadata", "curve")
_LINE: Final = re.compile(r"\s+([a-z-]{1,32}) = \"([^\"\n]{0,4000})\"\s*")
_PUBLIC_KEY: Final = r"^[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}$"


def is_key(text: str) -> bool:
    """Whether a text is 32 bytes as Z85: not all texts of 40 such characters can be decoded."""
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
    """A key that a hub allows, and what it is allowed to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    public_key: PublicKey
    role: KeyRole
    services: tuple[Name, ...] = ()
    """Kinds of services as which a pipeline's process may publish; empty: all."""
    subjects: tuple[Name, ...] = ()
    """Subjects for which a sensor may publish; empty: all."""
    prefixes: tuple[Prefix, ...] = ()
    """Prefixes of the topics that a listener may receive; empty: all but images."""


class CurvePair(BaseModel):
    """A public key and its secret key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_key: PublicKey
    secret_key: Annotated[PublicKey, Field(repr=False)]
    role: KeyRole = "pipeline"
    """The role of a client's key."""

    @classmethod
    def new(cls, role: KeyRole = "pipeline") -> "CurvePair":
        """Generate a new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public_key=public.decode(), secret_key=secret.decode(), role=role)


class Credentials(BaseModel):
    """A client's key pair, and the key by which it recognizes the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hub_key: PublicKey
    pair: CurvePair
    address: str
    """Address of the hub: ``HOST:PORT``."""


class AllowedKeys(NamedTuple):
    """The keys in a hub's folder."""

    holders: dict[str, KeyHolder]
    """The keys that the hub allows, by name."""
    unreadable: dict[str, str]
    """Why other files are not read, by the name of their key: none of these keys is allowed."""


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

    # For a hub

    def hub_pair(self) -> CurvePair | None:
        """The hub's own keys; None: there are none.

        Raises:
            AffectlineError: They cannot be read, or others can read them.
        """
        return _read_pair(self.folder / f"{HUB}{SECRET}")

    def make_hub_pair(self) -> CurvePair:
        """Make keys for the hub; replace earlier ones, also in clients' folders here."""
        pair = CurvePair.new()
        _write(self.folder / f"{HUB}{SECRET}", _curve(pair), {})
        clients = sorted((self.folder / "clients").glob(f"*/{HUB}{PUBLIC}"))
        for path in (self.folder / f"{HUB}{PUBLIC}", *clients):
            _write(path, {"public-key": pair.public_key}, {})
        return pair

    def holders(self) -> dict[str, KeyHolder]:
        """The keys that the hub allows, by name."""
        return self.allowed().holders

    def allowed(self) -> AllowedKeys:
        """The keys that the hub allows, and the files that cannot be read.

        A file that cannot be read allows nobody, and changes nothing for other keys.
        """
        found = AllowedKeys({}, {})
        for path in sorted((self.folder / "allowed").glob(f"*{PUBLIC}"))[:MOST_KEYS]:
            name = path.name.removesuffix(PUBLIC)
            try:
                found.holders[name] = _read_holder(path)
            except AffectlineError as error:
                found.unreadable[name] = error.problem
        return found

    def allow(self, holder: KeyHolder) -> None:
        """Allow a key.

        Raises:
            AffectlineError: The same key is already allowed under another name.
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

    def revoke(self, name: str) -> KeyHolder | None:
        """Revoke a key, and return it; None if its file cannot be read, but has been removed.

        Raises:
            AffectlineError: No key of that name is allowed, or its file cannot be removed.
        """
        path = self.folder / "allowed" / f"{name}{PUBLIC}"
        if not path.is_file():
            known = ", ".join(self.holders()) or "none"
            raise AffectlineError(f"{name}: no such key is allowed", f"allowed keys: {known}")
        holder = self.holders().get(name)
        try:
            path.unlink()
        except OSError as error:
            raise AffectlineError(
                f"{name} is still allowed: {path}: {error.strerror}", "remove that file"
            ) from error
        return holder

    def make_client(self, holder_name: str, role: KeyRole) -> tuple[CurvePair, Path]:
        """Make the keys of another machine or tool; return them and their folder."""
        hub = self.hub_pair() or self.make_hub_pair()
        pair = CurvePair.new(role)
        place = self.folder / "clients" / holder_name
        _write(place / f"{CLIENT}{SECRET}", _curve(pair), {"role": role})
        _write(place / f"{HUB}{PUBLIC}", {"public-key": hub.public_key}, {})
        return pair, place

    def changed_at(self) -> tuple[tuple[str, int, int], ...]:
        """A value that changes whenever the hub's key or an allowed key changes."""
        allowed = self.folder / "allowed"
        paths = [self.folder / f"{HUB}{SECRET}", *sorted(allowed.glob(f"*{PUBLIC}"))[:MOST_KEYS]]
        return tuple(_states(paths))

    def added_at(self) -> int:
        """When an allowed key was last added, replaced or removed, in Unix ns; 0: never.

        It costs so little that it can be asked for every unknown key.
        """
        with suppress(OSError):
            return (self.folder / "allowed").stat().st_mtime_ns
        return 0

    # For a client

    def credentials(self, address: str) -> Credentials:
        """The keys to connect to a hub with.

        Args:
            address: ``HOST:PORT`` of the hub.

        Raises:
            AffectlineError: There are none, or the hub is known by another key.
        """
        pair = _read_pair(self.folder / f"{CLIENT}{SECRET}")
        hub_path = self.folder / f"{HUB}{PUBLIC}"
        if pair is None or not hub_path.is_file():
            raise AffectlineError(
                f"the hub on {address} requires keys, and there are none in {self.folder}",
                "on the hub's machine: affectline keys new NAME --role pipeline; then copy the "
                f"folder that it prints to {self.folder}, or set {VARIABLE} to it",
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
        """Store the key by which a hub was reached; do nothing if the folder is read-only."""
        known = self.known_hubs()
        if known.get(credentials.address) == credentials.hub_key:
            return
        known[credentials.address] = credentials.hub_key
        self._write_known(known)

    def forget_hub(self, address: str) -> bool:
        """Forget the key of a hub; False if it was not known."""
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
    """The error for a hub with a different key than before."""
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
        yield path.name, found.st_ctime_ns, found.st_ino  # changes with the permissions, too


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
            f"{path}: {error.strerror}", f"set {VARIABLE} to a folder of yours"
        ) from error


def _write_private(path: Path, text: str, *, shared: bool = False) -> None:
    make_folder(path.parent, OWNER)
    with atomic_write(path, shared=shared) as partial:
        opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o600)


def parse_key_file(text: str) -> dict[str, str]:
    """Parse the fields of a certificate below ``metadata`` and ``curve``.

    Raises:
        ValueError: The text is not a certificate.
    """
    if len(text) > LONGEST_FILE:
        raise ValueError("it is too long")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#") or line.strip() in SECTIONS:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"a line that is not part of a key file: {line[:40]!r}")
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
    """Refuse this user's secret if others can read it; secrets mounted in containers pass."""
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        raise AffectlineError(
            f"{path}: other users can read this secret key", f"chmod 600 {path}, or make a new one"
        )
