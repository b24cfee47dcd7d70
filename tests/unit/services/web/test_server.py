"""The pages' server, without a socket: what its process finds out about it."""

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from affectline.common.errors import AffectlineError
from affectline.services.web.server import WebServer


def server(failure: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """A server that serves pages of a hub whose listener has failed, or not."""
    made = WebServer.__new__(WebServer)
    threading.Thread.__init__(made, daemon=True)
    made.failure, made._is_open = None, True
    hub = SimpleNamespace(failure=failure)
    made._backend = SimpleNamespace(hub_client=lambda feed: hub if feed == "live" else None)
    monkeypatch.setattr(made, "is_alive", lambda: True)
    return made


def test_pages_that_receive_nothing_any_more_end_their_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server(None, monkeypatch).check()
    with pytest.raises(AffectlineError, match=r"nothing any more \(ZeroDivisionError: oh\)"):
        server(ZeroDivisionError("oh"), monkeypatch).check()
    refusal = AffectlineError("no keys for this hub", "affectline keys new")
    with pytest.raises(AffectlineError) as found:
        server(refusal, monkeypatch).check()
    assert found.value is refusal


def test_before_the_hub_is_listened_to_there_is_nothing_to_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = server(ZeroDivisionError(), monkeypatch)
    made._is_open = False
    made.check()


def test_a_server_that_has_ended_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = server(None, monkeypatch)
    monkeypatch.setattr(made, "is_alive", lambda: False)
    with pytest.raises(AffectlineError, match="the web server stopped"):
        made.check()
