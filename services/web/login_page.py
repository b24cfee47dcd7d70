"""The login form for the token. It needs no scripts and nothing from the pages behind it."""

from html import escape
from math import ceil
from typing import Final

from starlette.responses import HTMLResponse

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Affectline</title>
<style>
:root {{ color-scheme: light dark }}
body {{ max-width: 26rem; margin: 20vh auto; padding: 0 1rem;
  font: 1rem/1.5 system-ui, sans-serif }}
input, button {{ font: inherit; padding: .6rem .8rem; width: 100%; box-sizing: border-box }}
button {{ margin-top: .6rem }}
[role=alert] {{ color: light-dark(#b33a00, #ff9a62); font-weight: 600 }}
</style>
<h1>Affectline</h1>
{problem}<form method="post" action="/enter">
<p><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Open</button>
</form>
<p>There is one for operators and one for viewers. Both were printed when the server first started,
and are stored in the files named there.
"""


def login_page(problem: str = "", wait_s: float = 0.0, *, is_early: bool = False) -> HTMLResponse:
    """The form.

    Args:
        problem: What was wrong with the last attempt.
        wait_s: How long tokens are not checked.
        is_early: The last attempt came too early and was not checked.
    """
    headers = {"cache-control": "no-store", "content-security-policy": POLICY}
    if wait_s:
        headers["retry-after"] = str(ceil(wait_s))
        problem = f"{problem} The next attempt is checked in {ceil(wait_s)} s."
    shown = f'<p role="alert">{escape(problem.strip())}</p>\n' if problem else ""
    return HTMLResponse(PAGE.format(problem=shown), 429 if is_early else 401, headers=headers)
