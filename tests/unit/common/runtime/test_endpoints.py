"""Where a hub is reached."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.runtime.endpoints import LocalSockets, is_on_this_machine, reach
from affectline.common.settings.hub import HubSettings
from tests.pipelines import free_port


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rt") as place:  # short: it is part of the addresses
        monkeypatch.setenv("XDG_RUNTIME_DIR", place)
        yield Path(place)


def test_the_own_hub_is_reached_through_unix_sockets_before_it_is_there(folder: Path) -> None:
    hub = HubSettings(port=free_port())
    found = reach(hub)
    assert found.is_local
    assert found.bus.address == f"ipc://{folder}/affectline/{hub.port}/bus"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_both_sides_find_the_same_folder_by_the_port(folder: Path, host: str) -> None:
    hub = HubSettings(host=host, port=free_port())
    sockets = LocalSockets(hub)
    assert reach(hub) == sockets.endpoints
    assert (sockets.folder.stat().st_mode & 0o777) == 0o700
    sockets.close()


def test_a_hub_without_unix_sockets_is_reached_by_tcp(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hub = HubSettings(port=server.getsockname()[1])
        found = reach(hub)
    assert not found.is_local
    assert found.ingress.address == f"tcp://127.0.0.1:{hub.port}"


def test_what_a_dead_hub_left_behind_leads_nowhere(folder: Path) -> None:
    """Its file is there, nobody listens on it, and something else listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        hub = HubSettings(port=server.getsockname()[1])
        sockets = LocalSockets(hub)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(sockets.folder / "ingress"))
        assert not reach(hub).is_local
        sockets.close()


def test_another_machine_is_reached_by_tcp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_KEYS", str(folder / "keys"))
    assert not is_on_this_machine("192.0.2.1")
    assert not reach(HubSettings(host="192.0.2.1", security="off")).is_local
    with pytest.raises(AffectlineError, match="requires keys"):
        reach(HubSettings(host="192.0.2.1"))


def test_one_hub_at_a_time_uses_the_folder(folder: Path) -> None:
    hub = HubSettings(port=free_port())
    first = LocalSockets(hub)
    with pytest.raises(AffectlineError, match="another hub of yours listens on port"):
        LocalSockets(hub)
    first.close()
    LocalSockets(hub).close()


def test_a_folder_that_others_may_open_is_refused(folder: Path) -> None:
    hub = HubSettings(port=free_port())
    place = folder / "affectline" / str(hub.port)
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    place.chmod(0o755)
    with pytest.raises(AffectlineError, match="nobody else may open"):
        LocalSockets(hub)


def test_a_link_to_a_folder_is_none(folder: Path) -> None:
    hub = HubSettings(port=free_port())
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / "affectline").symlink_to(folder / "elsewhere")
    with pytest.raises(AffectlineError, match="nobody else may open"):
        LocalSockets(hub)


def test_a_folder_of_somebody_else_is_refused(folder: Path, as_root: None) -> None:
    hub = HubSettings(port=free_port())
    place = folder / "affectline"
    place.mkdir(mode=0o700)
    os.chown(place, 12345, 12345)
    with pytest.raises(AffectlineError, match="nobody else may open"):
        LocalSockets(hub)


def test_a_long_path_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = folder / ("x" * 120)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    address = reach(HubSettings(port=free_port())).ingress.address
    assert "xxx" not in address
    assert len(address) < 107
