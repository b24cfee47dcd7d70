"""Plotly charts of studies, for a page that needs no network."""

from typing import Any

from affectline.common.errors import AffectlineError


def load_plotly() -> Any:
    """Load plotly's module of traces.

    Raises:
        AffectlineError: Plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise AffectlineError(
            "the page of a study needs plotly, which is not installed",
            "pip install 'affectline[report]'",
        ) from error
    return go


def to_html(figure: Any) -> str:
    """A figure as HTML for a page with `plotly_script`."""
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False}
    )
    return html


def plotly_script() -> str:
    """The script that a page with figures needs once, before the first figure."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"
