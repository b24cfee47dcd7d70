"""The panels that the page is made of.

A panel is one module in ``affectline.services.dashboard.panels`` with a class that is decorated
with `register`. Nothing else has to know it.
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
"""Scripts and styles of the panels; to scripts it is the module ``affectline-dashboard``."""
Area = Literal["tools", "main"]
P = TypeVar("P", bound="Panel")


class PageView:
    """The page as one browser shows it.

    Args:
        state: What all browsers share.
        visitor: Who has opened it.
    """

    def __init__(self, state: AppState, visitor: Visitor = LOCAL) -> None:
        self.state, self.visitor = state, visitor
        self.actions = DashboardActions(state, visitor)
        """All that panels do to what browsers share goes through here."""
        self.feed = "live"
        """The hub that it shows."""
        self._refreshers: list[Callable[[], None]] = []

    def on_refresh(self, refresh: Callable[[], None]) -> None:
        """Have a function called regularly."""
        self._refreshers.append(refresh)

    def refresh(self) -> None:
        """Show what has changed."""
        for refresh in self._refreshers:
            refresh()


class Panel(ABC):
    """One part of the page, for one browser; made anew for each.

    Subclasses add their NiceGUI elements in `build`, which is called inside of the card, and
    describe themselves with the class variables.

    Args:
        view: The page that the panel is on.
    """

    area: ClassVar[Area] = "main"
    """``tools``: in the bar at the top. ``main``: below it."""
    title: ClassVar[str] = ""
    """Heading of its card; a panel without one draws its own frame."""
    order: ClassVar[int]
    """Place among the panels of its area, the smallest first."""
    is_wide: ClassVar[bool] = False
    """Whether its card takes the whole width. Others stand side by side on a wide screen; their
    titles are for screen readers."""
    for_operators: ClassVar[bool] = False
    """Whether the pages of viewers lack it."""
    aggregator: ClassVar[Callable[[], Aggregator] | None] = None
    """Makes what turns a hub's messages into updates for the panel's script, one for each hub."""

    def __init__(self, view: PageView) -> None:
        self.view = view

    @abstractmethod
    def build(self) -> None:
        """Add the panel's elements to the page."""


_registered: Final[list[type[Panel]]] = []


def register(panel: type[P]) -> type[P]:
    """Class decorator: have the panel shown on every page."""
    _registered.append(panel)
    return panel


def load_panels() -> Sequence[type[Panel]]:
    """All registered panels in the order in which they are shown."""
    from affectline.services.dashboard import panels

    for module in pkgutil.iter_modules(panels.__path__, f"{panels.__name__}."):
        importlib.import_module(module.name)
    return tuple(sorted(_registered, key=lambda panel: (panel.order, panel.__name__)))
