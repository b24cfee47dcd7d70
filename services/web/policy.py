"""Security headers of every response, such as where its scripts may come from."""

import secrets
from typing import Final

from starlette.types import Message, Send

NONCE_KEY: Final = "affectline.nonce"
"""Key of a request's nonce, which marks the scripts in its page."""
NONCE_BYTES: Final = 18
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Inline scripts run only if they have the nonce, as those of NiceGUI's template do.

NiceGUI's Vue compiles templates in the browser, and NiceGUI calls ``eval`` for handlers, hence
``unsafe-eval``. Elements have their own styles, hence ``unsafe-inline`` for styles. Nothing is
loaded from other hosts.
"""
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    # With no-referrer, browsers would send forms with the origin "null"
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def make_nonce() -> str:
    """An unguessable nonce for one response."""
    return secrets.token_urlsafe(NONCE_BYTES)


def with_security_headers(send: Send, nonce: str) -> Send:
    """Add the headers to a response, unless it has its own."""
    wanted = {"content-security-policy": POLICY.format(nonce=nonce), **HEADERS}

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in wanted.items()
                if name.encode() not in present
            ]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers
