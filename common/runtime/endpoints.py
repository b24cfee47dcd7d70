"""Endpoints of a hub: Unix sockets on its own machine, TCP from elsewhere.

The pipeline's own processes and tools of the same user reach the hub through a private folder.
Nobody else may open that folder, so peers there need no keys. All others use TCP, where the hub's
settings or their key define what they may do (``docs/security.md``).

Both sides find the folder by the hub's port, so one address (``127.0.0.1:5555``) names both ways. A
hub without such a folder, such as one in a container, is reached through TCP.
"""

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.runtime.keys import Credentials, KeyRole, KeyStore
from affectline.common.settings.hub import HubSettings, check_ipv4

LONGEST_PATH: Final = 100
"""Maximum length of a Unix socket's path in bytes: the kernel allows 107 (macOS: 103)."""
INSECURE: Final = (
    "no keys on %s: anyone who reaches it on the network sees and controls everything; "
    "affectline keys new makes keys"
)
"""Warning of processes that run without keys."""
CONNECT_S: Final = 0.5
LOCK: Final = "lock"
RUN_LOCK: Final = "run.lock"
FIX: Final = "remove it, or set XDG_RUNTIME_DIR to a folder that only you can open"


class Endpoint(NamedTuple):
    """One socket of a hub."""

    address: str
    credentials: Credentials | None = None
    """None: no keys are required."""

    @property
    def is_tcp(self) -> bool:
        return self.address.startswith("tcp://")


class HubEndpoints(NamedTuple):
    """The sockets of a hub, through Unix sockets or through TCP."""

    ingress: Endpoint
    """Publishers connect here."""
    outlet: Endpoint
    """Tools subscribe here; it drops messages for slow readers."""
    bus: Endpoint
    """The pipeline's consumers subscribe here."""
    work_in: Endpoint
    """Detectors push face crops here."""
    work_out: Endpoint
    """Classifiers pull face crops here."""
    clock: Endpoint
    """Processes on other hosts request the time here."""
    is_local: bool
    """Whether these are Unix sockets."""
    is_open_to_everybody: bool = False
    """Whether anyone on the network has the same access: there are no keys, beyond this machine."""

    @property
    def role(self) -> KeyRole | None:
        """The role of the key with which this process connects; None: it has none."""
        credentials = self.ingress.credentials
        return credentials.pair.role if credentials else None

    @property
    def is_for_a_sensor(self) -> bool:
        """Whether this process has a sensor's key, which allows only samples and markers."""
        return self.role == "sensor"


def tcp_endpoints(hub: HubSettings, credentials: Credentials | None = None) -> HubEndpoints:
    """The TCP sockets of a hub.

    Args:
        hub: The hub's address.
        credentials: The keys to connect with; None: no keys.
    """
    return HubEndpoints(
        ingress=Endpoint(hub.ingress, credentials),
        outlet=Endpoint(hub.outlet, credentials),
        bus=Endpoint(hub.bus, credentials),
        work_in=Endpoint(hub.work_in, credentials),
        work_out=Endpoint(hub.work_out, credentials),
        clock=Endpoint(hub.clock, credentials),
        is_local=not hub.ingress.startswith("tcp://"),
    )


def local_endpoints(hub: HubSettings, folder: Path) -> HubEndpoints:
    """The Unix sockets of a hub in its folder; the clock remains at its TCP address."""
    return HubEndpoints(
        ingress=Endpoint(f"ipc://{folder / 'ingress'}"),
        outlet=Endpoint(f"ipc://{folder / 'outlet'}"),
        bus=Endpoint(f"ipc://{folder / 'bus'}"),
        work_in=Endpoint(f"ipc://{folder / 'work-in'}"),
        work_out=Endpoint(f"ipc://{folder / 'work-out'}"),
        clock=Endpoint(hub.clock),
        is_local=True,
    )


def reach(hub: HubSettings) -> HubEndpoints:
    """The endpoints by which this process reaches a hub.

    Unix sockets, if the hub is on this machine and belongs to the same user, or has not started
    yet. TCP, if it is elsewhere, or its port is open and it has no such sockets.

    Raises:
        AffectlineError: The hub requires keys, and there are none.
    """
    by_tcp = tcp_endpoints(hub)
    if by_tcp.is_local or not is_on_this_machine(hub.host):
        return _with_keys(by_tcp, hub)
    if by_sockets := _own_hub(hub):
        return by_sockets
    if _listens(hub):
        # A hub binds its Unix sockets first: it may have started since they were looked for
        return _own_hub(hub) or _with_keys(by_tcp, hub)
    return local_endpoints(hub, _socket_folders(hub)[0])


def require_role(hub: HubSettings, what: str, roles: Iterable[KeyRole]) -> None:
    """Check that this process's key, if it needs one, allows what it is about to publish.

    The hub drops what a key does not allow, and does not answer.

    Args:
        hub: The hub to publish to.
        what: The command that publishes, as errors name it.
        roles: The roles of keys that allow it.

    Raises:
        AffectlineError: The key has another role, or the hub requires keys, and there are none.
    """
    role = reach(hub).role
    if role is not None and role not in (allowed := tuple(roles)):
        raise AffectlineError(
            f"{what}: this key's role, {role}, does not allow it",
            f"use a key with the role {' or '.join(allowed)}: affectline keys new NAME --role "
            f"{allowed[0]}, on the hub's machine",
        )


def is_there(hub: HubSettings) -> bool:
    """Whether `reach` finds a hub now; always true for other machines, which are not checked."""
    if tcp_endpoints(hub).is_local or not is_on_this_machine(hub.host):
        return True
    return _own_hub(hub) is not None or _listens(hub)


def outlet_at(address: str) -> Endpoint:
    """The outlet of a hub, or an equivalent, by its address alone.

    Raises:
        AffectlineError: The hub requires keys, and there are none; or it is an IPv6 address.
    """
    if address.startswith("tcp://"):
        check_ipv4("--address", address)
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not (address.startswith("tcp://") and host and port.isdecimal() and int(port) > 1):
        return Endpoint(address)
    hub = HubSettings(host=host).model_copy(update={"port": int(port) - 1})
    by_sockets = _own_hub(hub) if is_on_this_machine(host) else None
    return (by_sockets or _with_keys(tcp_endpoints(hub), hub)).outlet


def _socket_folders(hub: HubSettings) -> list[Path]:
    """Possible folders of a hub's Unix sockets, the best first."""
    return [folder / str(hub.port) for folder in _runtime_folders()]


def _own_hub(hub: HubSettings) -> HubEndpoints | None:
    """The Unix sockets of this user's hub on this machine; None: there is none."""
    for folder in _socket_folders(hub):
        if _is_private(folder.parent) and _is_private(folder) and _answers(folder / "ingress"):
            return local_endpoints(hub, folder)
    return None


def _with_keys(endpoints: HubEndpoints, hub: HubSettings) -> HubEndpoints:
    """The same endpoints, with the keys that they require."""
    if endpoints.is_local:
        return endpoints
    if hub.network_access != "keys":
        return endpoints._replace(is_open_to_everybody=hub.network_access == "everything")
    credentials = KeyStore().credentials(f"{hub.host}:{hub.port}")
    return tcp_endpoints(hub, credentials)


def is_on_this_machine(host: str) -> bool:
    """Whether a host name or address is one of this machine's."""
    if host == "localhost":
        return True
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


class LocalSockets:
    """The folder of a hub's Unix sockets, locked by one hub at a time.

    Args:
        hub: The hub; its port is the name of the folder.

    Raises:
        AffectlineError: The folder cannot be made, is not private, or another hub uses it.
    """

    def __init__(self, hub: HubSettings) -> None:
        self.folder = _make_socket_folder(hub)
        self.endpoints = local_endpoints(hub, self.folder)
        self._lock = _take_lock(
            self.folder / LOCK,
            f"another hub of yours listens on port {hub.port}",
            "stop it, or choose another port with --bind",
        )

    def close(self) -> None:
        """Release the folder for another hub."""
        self._lock.close()


def claim_hub(hub: HubSettings) -> IO[str]:
    """Reserve a hub's ports for one run of this user before its processes start.

    Of runs that start at the same moment, all find the ports free; the processes of those whose
    hubs then cannot listen would take part in the run of the first.

    Args:
        hub: The hub that the run is about to start.

    Returns:
        A lock that holds until it is closed, or until this process ends.

    Raises:
        AffectlineError: Another run has reserved them, or the lock cannot be made.
    """
    return _take_lock(
        _make_socket_folder(hub) / RUN_LOCK,
        f"cannot listen on port {hub.port}: another run of yours uses it",
        "wait for its end, or choose others with --bind",
    )


def _make_socket_folder(hub: HubSettings) -> Path:
    """Make the folder of a hub's Unix sockets, unless it is there.

    Raises:
        AffectlineError: It cannot be made, or others may open it.
    """
    parent = _runtime_folders()[0]
    made = parent / str(hub.port)
    try:
        for folder in (parent, made):
            folder.mkdir(mode=0o700, parents=folder == parent, exist_ok=True)
    except OSError as error:
        raise AffectlineError(f"{made}: {error.strerror}", FIX) from error
    for folder in (parent, made):
        if not _is_private(folder):
            raise AffectlineError(
                f"{folder}: the hub's sockets need a folder of yours that nobody else may open",
                FIX,
            )
    return made


def _take_lock(path: Path, problem: str, way_out: str) -> IO[str]:
    try:
        lock = path.open("w")
    except OSError as error:
        raise AffectlineError(f"{path}: {error.strerror}", FIX) from error
    if not try_lock(lock):
        lock.close()
        raise AffectlineError(problem, way_out)
    return lock


def _runtime_folders() -> list[Path]:
    """Possible folders of this user's sockets, the best first."""
    user = os.geteuid()
    named = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(named)] if named else []
    places.append(Path(f"/run/user/{user}"))
    ours = [place / "affectline" for place in dict.fromkeys(places) if _is_private(place)]
    everywhere = [*ours, Path(f"/tmp/affectline-{user}")]  # noqa: S108 - checked before use
    return [folder for folder in everywhere if len(os.fsencode(folder)) < LONGEST_PATH - 16]


def _is_private(folder: Path) -> bool:
    """Whether it is a folder of this user that nobody else may open."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_ours = found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and is_ours and not found.st_mode & 0o077


def _answers(path: Path) -> bool:
    """Whether a process listens on a Unix socket; the file of a dead hub stays behind."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _listens(hub: HubSettings) -> bool:
    """Whether a process listens on a hub's port."""
    try:
        socket.create_connection((hub.host, hub.port), CONNECT_S).close()
    except OSError:
        return False
    return True
