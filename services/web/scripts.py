"""Marks the scripts of NiceGUI's page with a nonce, so that no other script in a page runs."""

from collections.abc import Callable

import jinja2
from nicegui import client as nicegui_client

from affectline.services.web.policy import NONCE_KEY

MARKED = f'<script nonce="{{{{ request.scope[{NONCE_KEY!r}] }}}}"'


class MarkingLoader(jinja2.BaseLoader):
    """Loads templates and gives each of their script elements the request's nonce.

    Only scripts in the template itself are marked, not content filled in later.

    Args:
        loader: Loads the original templates.
    """

    def __init__(self, loader: jinja2.BaseLoader) -> None:
        self._loader = loader

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, file, is_current = self._loader.get_source(environment, template)
        return source.replace("<script", MARKED), file, is_current


def mark_scripts() -> None:
    """Mark the scripts in all pages of this process."""
    environment = nicegui_client.templates.env
    if environment.loader and not isinstance(environment.loader, MarkingLoader):
        environment.loader = MarkingLoader(environment.loader)
