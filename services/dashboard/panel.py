"""The interface of the page's panels.

A panel is a module in ``affectline.services.dashboard.panels`` with a class decorated with
`register`. No other code refers to it.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal, TypeVar

from affectline.services.dashboard.actions import DashboardActions
from affectline.services.dashboard.app_state import AppState
from affectline.services.web.hub_client import Aggregator
from affectline.services.web.logins import LOCAL, Visitor

STATIC: Final = Path(__file__).parent / "static"
"""Scripts and styles of the panels; scripts import it as ``affectline-dashboard``."""
Area = Literal["tools", "main"]
P = TypeVar("P", bound="Panel")


class PageView:
    """The page in one browser.

    Args:
        state: State shared by all browsers.
        visitor: Who has opened the page.
    """

    def __init__(self, state: AppState, visitor: Visitor = LOCAL) -> None:
        self.state, self.visitor = state, visitor
        self.actions = DashboardActions(state, visitor)
        """Panels change shared state only through these actions."""
        self.feed = "live"
        """The feed that it shows."""
        self._refreshers: list[Callable[[], None]] = []

    def on_refresh(self, refresh: Callable[[], None]) -> None:
        """Call a function regularly."""
        self._refreshers.append(refresh)

    def refresh(self) -> None:
        """Show changes."""
        for refresh in self._refreshers:
            refresh()


class Panel(ABC):
    """One part of the page; every browser gets its own instance.

    Subclasses add their NiceGUI elements in `build`, which is called inside the card, and describe
    themselves with the class variables.

    Args:
        view: The panel's page.
    """

    area: ClassVar[Area] = "main"
    """``tools``: in the top bar. ``main``: below it."""
    title: ClassVar[str] = ""
    """Heading of its card; a panel without one draws its own frame."""
    order: ClassVar[int]
    """Position among the panels of its area, smallest first."""
    is_wide: ClassVar[bool] = False
    """Whether its card takes the whole width. Other cards are side by side on a wide screen; their
    titles are for screen readers."""
    for_operators: ClassVar[bool] = False
    """Whether only operators see it."""
    aggregator: ClassVar[Callable[[], Aggregator] | None] = None
    """Makes an aggregator per hub, which turns messages into updates for the panel's script."""

    def __init__(self, view: PageView) -> None:
        self.view = view

    @abstractmethod
    def build(self) -> None:
        """Add the panel's elements to the page."""


_registered: Final[list[type[Panel]]] = []


def register(panel: type[P]) -> type[P]:
    """Class decorator: show the panel on every page."""
    _registered.append(panel)
    return panel


def load_panels() -> Sequence[type[Panel]]:
    """All registered panels in display order."""
    from affectline.services.dashboard import panels

    for module in pkgutil.iter_modules(panels.__path__, f"{panels.__name__}."):
        importlib.import_module(module.name)
    return tuple(sorted(_registered, key=lambda panel: (panel.order, panel.__name__)))
