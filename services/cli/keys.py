"""``affectline keys``: the keys of a hub on a network."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keys import (
    KeyHolder,
    KeyRole,
    KeyStore,
    default_folder,
    fingerprint,
    is_key,
    parse_key_file,
)
from affectline.common.text_table import text_table
from affectline.services.cli.options import AsJson
from affectline.services.registry import SPECS

keys = typer.Typer(
    help="Manage the keys of a hub on a network: new, list, allow, revoke, forget; certificate "
    "for web pages.",
    no_args_is_help=True,
)
HUB_NAME = "hub"
HolderName = Annotated[str, typer.Argument(metavar="NAME", help="Name for the key, such as lab2.")]
Role = Annotated[
    KeyRole,
    typer.Option(
        help="pipeline: a part of it, may do everything. sensor: publish samples and markers. "
        "listener: "
        "subscribe. operator: subscribe, set markers, start and stop recordings."
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        help="Kind of process that a pipeline's key is limited to, such as classifier. "
        "Repeatable.  [default: any]",
    ),
]
Subjects = Annotated[
    list[str] | None,
    typer.Option(
        "--subject", help="Subject that a sensor measures. Repeatable.  [default: anybody]"
    ),
]
Prefixes = Annotated[
    list[str] | None,
    typer.Option(
        "--prefix",
        help="Topics that a listener or operator receives, such as emotion/ or frame/. "
        "Repeatable.  [default: all but frames]",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", help="Folder of keys.  [default: AFFECTLINE_KEYS, or ~/.config/affectline/keys]"
    ),
]


@keys.command()
def new(
    name: HolderName,
    role: Role = "listener",
    service: Services = None,
    subject: Subjects = None,
    prefix: Prefixes = None,
    folder: Folder = None,
) -> None:
    """Make the keys of a machine or tool, and allow them.

    A running hub accepts them within a second or two. The first call makes the hub's own keys as
    well. The name hub replaces those: every other machine then needs the new hub.key.

    Example: affectline keys new wall --role listener --prefix emotion/
    """
    store = KeyStore(folder)
    if name == HUB_NAME:
        had_one = store.hub_pair() is not None
        pair = store.make_hub_pair()
        typer.echo(f"the hub's key: {fingerprint(pair.public_key)}")
        if had_one:
            typer.echo(
                f"every other machine needs {store.folder / 'hub.key'} in its folder of keys, and "
                "affectline keys forget HOST:PORT there"
            )
        return
    allowed = store.allowed()
    if name in allowed.holders or name in allowed.unreadable:
        raise AffectlineError(
            f"{name}: there is already a key of that name", f"affectline keys revoke {name} first"
        )
    holder = _holder(
        name, "0" * 40, role, service, subject, prefix
    )  # nothing is made for a wrong name
    pair, place = store.make_client(name, role)
    store.allow(holder.model_copy(update={"public_key": pair.public_key}))
    typer.echo(
        f"{name} is allowed as {role}: {fingerprint(pair.public_key)}\n"
        f"its keys: {place}\n"
        "copy that folder to the other machine, as ~/.config/affectline/keys, or name it there "
        "in AFFECTLINE_KEYS; then remove it here"
    )
    _warn_of_unreadable(store)


@keys.command("list")
def list_keys(folder: Folder = None, as_json: AsJson = False) -> None:
    """List the allowed keys and the known hubs.

    Example: affectline keys list
    """
    store = KeyStore(folder)
    pair, allowed, known = store.hub_pair(), store.allowed(), store.known_hubs()
    holders = allowed.holders.values()
    hub = fingerprint(pair.public_key) if pair else None
    if as_json:
        rows = [
            holder.model_dump() | {"fingerprint": fingerprint(holder.public_key)}
            for holder in holders
        ]
        hubs = {address: fingerprint(key) for address, key in known.items()}
        found = {"hub": hub, "keys": rows, "unreadable": allowed.unreadable, "known_hubs": hubs}
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"keys in {store.folder}\nthe hub's key: {hub or 'none'}")
    if holders:
        table = text_table("name", "role", "for", "fingerprint")
        for holder in holders:
            table.add_row(
                holder.name, holder.role, _describe(holder), fingerprint(holder.public_key)
            )
        Console().print(table)
    for address, key in known.items():
        typer.echo(f"known hub {address}: {fingerprint(key)}")
    _warn_of_unreadable(store)


@keys.command()
def allow(
    name: HolderName,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="A public key (40 characters), or its file.")
    ],
    role: Role = "listener",
    service: Services = None,
    subject: Subjects = None,
    prefix: Prefixes = None,
    folder: Folder = None,
) -> None:
    """Allow a key that was made elsewhere.

    Or change the role of an allowed key.

    Example: affectline keys allow wall wall.key --role listener
    """
    public_key = key
    if Path(key).is_file():
        try:
            public_key = parse_key_file(Path(key).read_text(encoding="ascii"))["public-key"]
        except (OSError, ValueError) as error:
            raise AffectlineError(f"KEY {key}: {error}", "name a file of zmq.auth") from error
    if not is_key(public_key):
        raise AffectlineError(
            f"KEY {key}: neither a file nor a public key", "that has 40 characters of Z85"
        )
    holder = _holder(name, public_key, role, service, subject, prefix)
    store = KeyStore(folder)
    store.allow(holder)
    typer.echo(f"{name} is allowed as {role}: {fingerprint(public_key)}")
    _warn_of_unreadable(store)


@keys.command()
def revoke(name: HolderName, folder: Folder = None) -> None:
    """Revoke a key.

    A running hub disconnects it within a second or two.

    Example: affectline keys revoke wall
    """
    store = KeyStore(folder)
    holder = store.revoke(name)
    told = fingerprint(holder.public_key) if holder else "its file, now removed, was not readable"
    typer.echo(f"{name} is no longer allowed: {told}")
    _warn_of_unreadable(store)


@keys.command()
def forget(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Address of the hub.")],
    folder: Folder = None,
) -> None:
    """Forget the known key of a hub.

    Use it after the hub's keys were changed on purpose.

    Example: affectline keys forget 192.168.1.20:5555
    """
    if not KeyStore(folder).forget_hub(address):
        raise AffectlineError(f"{address}: no hub is known there", "see affectline keys list")
    typer.echo(f"{address} is forgotten")


@keys.command()
def certificate(
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="Another name or address of this machine, as browsers call it. Repeatable."
        ),
    ] = None,
    anew: Annotated[
        bool,
        typer.Option(
            "--new",
            help="Replace the existing certificate, for instance because its key has leaked.",
        ),
    ] = False,
    folder: Folder = None,
) -> None:
    """Make the certificate for --tls, or show it.

    Pages are encrypted with it; compare the printed fingerprint with the browser's.

    Example: affectline keys certificate --name lab.example
    """
    from affectline.services.web.certificate import PUBLIC_FILE, load_or_make

    place = (folder or default_folder()).absolute()
    made = load_or_make(place, name or (), anew=anew)
    typer.echo(
        f"the certificate{' that was made' if made.is_new else ''}: {made.file}\n"
        f"SHA-256 fingerprint: {made.fingerprint}\n"
        f"clients that should trust it need {place / PUBLIC_FILE}"
    )


def _warn_of_unreadable(store: KeyStore) -> None:
    """Say which keys are not allowed because their files cannot be read."""
    for name, problem in store.allowed().unreadable.items():
        typer.echo(
            f"{name} is not allowed: {problem}: make its key again, or affectline keys revoke "
            f"{name}",
            err=True,
        )


def _describe(holder: KeyHolder) -> str:
    """The permissions of a key in a few words."""
    match holder.role:
        case "pipeline":
            return ", ".join(holder.services) or "everything"
        case "sensor":
            return ", ".join(holder.subjects) or "anybody"
        case _:
            return ", ".join(holder.prefixes) or "all but frames"


def _holder(
    name: str,
    public_key: str,
    role: KeyRole,
    services: list[str] | None,
    subjects: list[str] | None,
    prefixes: list[str] | None,
) -> KeyHolder:
    """A key with its permissions.

    Raises:
        AffectlineError: Something of it is wrong.
    """
    if subjects and role != "sensor":
        raise AffectlineError(f"--subject with --role {role}: only sensors have subjects", "")
    if services and role != "pipeline":
        raise AffectlineError(f"--service with --role {role}: it is for --role pipeline", "")
    if unknown := set(services or ()) - SPECS.keys():
        raise AffectlineError(
            f"--service {', '.join(sorted(unknown))}: no such service",
            f"there are: {', '.join(sorted(SPECS.keys() - {'hub'}))}",
        )
    if prefixes and role not in ("listener", "operator"):
        raise AffectlineError(f"--prefix with --role {role}: a {role} has no choice of topics", "")
    try:
        return KeyHolder(
            name=name,
            public_key=public_key,
            role=role,
            services=tuple(services or ()),
            subjects=tuple(subjects or ()),
            prefixes=tuple(prefixes or ()),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise AffectlineError(
            f"{first['loc'][0]} {first['input']!r}: not a name or topic",
            "64 letters, digits, '.', '_' and '-' at most, the first a letter or digit; topics "
            "also have '/'",
        ) from error
