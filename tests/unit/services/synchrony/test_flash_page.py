"""The page of flashes: what it takes from a browser, and from others."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.services.synchrony.flash_page import MAX_BODY, FlashPage


@pytest.fixture
def page() -> Iterator[FlashPage]:
    page = FlashPage([1.0, 1.5])
    yield page
    page.close()


def post(page: FlashPage, body: bytes, name: str = "change") -> int:
    request = urllib.request.Request(page.address + name, data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bytes(answer.read())


def test_changes_are_taken_in_their_order(page: FlashPage) -> None:
    now_ms = now_ns() // 1_000_000
    for at, light in ((now_ms + 500, False), (now_ms, True)):
        assert post(page, json.dumps({"at": at, "light": light}).encode()) == 200
    assert post(page, b'{"error": 0.25}') == 200
    assert post(page, b'{"end": true}') == 200
    changes = page.flash(lambda: False)
    assert [round(change.at / 1e6) for change in changes] == [now_ms, now_ms + 500]
    assert [change.is_light for change in changes] == [True, False]
    assert page.clock_error_ms == 0.25


def test_the_clock_and_the_moments_are_told(page: FlashPage) -> None:
    assert b"square" in get(page.address)
    assert json.loads(get(page.address + "moments")) == [1.0, 1.5]
    assert abs(json.loads(get(page.address + "clock")) * 1e6 - now_ns()) < 5e9


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"7", b'"at"', b'{"at": "x", "light": true}', b'{"at": null}',
        b'{"at": 1, "light": true}', b'{"at": 1e999, "light": true}', b'{"error": "x"}',
        b'{"error": -1}', b'{"error": NaN}', b"[" * 1000, b"\xff\xfe",
    ],
)  # fmt: skip
def test_nonsense_is_refused(page: FlashPage, body: bytes) -> None:
    assert post(page, body) == 400


def test_too_much_is_refused(page: FlashPage) -> None:
    assert post(page, b" " * (MAX_BODY + 1)) == 413
    answers = [post(page, b'{"error": 1}') for _ in range(20)]
    assert answers.count(200) == 12
    assert answers[-1] == 400


@pytest.mark.parametrize("path", ["/", "/change", "/x/clock", "//", "/%00", "/\u00e4"])
def test_whoever_has_not_the_secret_gets_nothing(page: FlashPage, path: str) -> None:
    parts = urlsplit(page.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_a_page_that_nobody_opens_is_waited_for_until_told_otherwise(page: FlashPage) -> None:
    is_over = threading.Event()
    threading.Timer(0.5, is_over.set).start()
    assert page.flash(is_over.is_set) == []


def test_an_address_of_others_cannot_be_listened_on() -> None:
    with pytest.raises(AffectlineError, match=r"--bind 192\.0\.2\.1:80: "):
        FlashPage([], "192.0.2.1", 80)
