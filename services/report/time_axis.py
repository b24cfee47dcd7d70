"""Figures over the time of a session: their axis, their curves, and how they get into the page."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.services.sessions.timeseries import Series, SessionSeries

POINTS: Final = 4000
"""Longer curves are reduced to about this number of points, with every peak kept."""
GAP_S: Final = 3.0
"""Values further apart are not joined by a line."""
CLOCK_S: Final = 600.0
"""From this length on the axis shows hours, minutes and seconds: nobody reads 4237 s."""
AXIS_TITLE: Final = "time of the session"
HATCH: Final[dict[str, Any]] = {
    "fill": "toself", "mode": "none", "fillcolor": "rgba(255,255,255,0.25)", "hoverinfo": "skip",
    "fillpattern": {
        "shape": "/", "size": 7, "solidity": 0.3, "fgcolor": "#1c2024", "fillmode": "replace",
        "bgcolor": "rgba(255,255,255,0.25)",
    },
}  # fmt: skip
"""Style of plotly's scatter for what is hatched: it shows without colours too."""


def load_plotly() -> Any:
    """Plotly's module of traces.

    Raises:
        AffectlineError: It is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise AffectlineError(
            "a report needs plotly, which is not installed", "pip install 'affectline[report]'"
        ) from error
    return go


def to_html(figure: Any) -> str:
    """A figure as HTML for a page that has `plotly_script`."""
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False}
    )
    return html


def plotly_script() -> str:
    """What a page with figures needs once, before the first of them."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def hatched(
    stretches: list[tuple[int, int]], session: SessionSeries, top: float = 1.0
) -> tuple[list[Any], list[float | None]]:
    """Corners of hatched areas from 0 to ``top``: x and y of one trace, with gaps between.

    Args:
        stretches: Start and end of each, in ns since the Unix epoch.
        session: Whose start is zero.
        top: Upper edge on the row's axis.
    """
    xs: list[Any] = []
    ys: list[float | None] = []
    for start, end in stretches:
        left, right = elapsed(np.array([start, end], np.int64), session)
        xs += [left, left, right, right, left, None]
        ys += [0.0, top, top, 0.0, 0.0, None]
    return xs, ys


def downsample(
    series: Series, breaks: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Reduce a series to about ``POINTS`` points; gaps get a NaN.

    Of each stretch the lowest and the highest value are kept, so that no peak is lost.

    Args:
        series: It.
        breaks: Where there is a gap before a value although it follows soon, ``(N,)``.
    """
    times, values = series.times, series.values
    is_late = np.concatenate([[False], np.diff(times) > GAP_S * 1e9])
    stretch = np.cumsum(is_late if breaks is None else is_late | breaks)
    if len(times) > POINTS:
        size = -(-len(times) * 2 // POINTS)
        parts = (slice(i, i + size) for i in range(0, len(times), size))
        ends = [(p.start + values[p].argmin(), p.start + values[p].argmax()) for p in parts]
        kept = np.unique(np.array(ends))
        times, values, stretch = times[kept], values[kept], stretch[kept]
    gaps = np.flatnonzero(np.diff(stretch)) + 1
    return np.insert(times, gaps, times[gaps - 1] + 1), np.insert(values, gaps, np.nan)


def uses_clock(session: SessionSeries) -> bool:
    """Whether the axis shows hours, minutes and seconds rather than seconds."""
    first, last = session.first or 0, session.last or 0
    # plotly has no dates before zero, such as of a sensor that was on before the film began
    return last - session.zero >= CLOCK_S * 1e9 and first >= session.zero


def axis_format(session: SessionSeries) -> dict[str, str]:
    """What plotly's time axes need."""
    if uses_clock(session):
        return {"tickformat": "%H:%M:%S", "hoverformat": "%H:%M:%S.%L"}
    return {"tickformat": "~f", "hoverformat": ".3f", "ticksuffix": " s"}


def elapsed(times: NDArray[np.int64], session: SessionSeries) -> list[str] | list[float]:
    """Times of the session as plotly draws them.

    Seconds; in a long session dates, which plotly formats as hours, minutes and seconds.

    Args:
        times: Nanoseconds since the Unix epoch.
        session: Whose start is zero.
    """
    since = times - session.zero
    if not uses_clock(session):
        seconds: list[float] = np.round(since / 1e9, 6).tolist()
        return seconds
    texts = np.datetime_as_string(since.astype("datetime64[ns]"), unit="ms")
    return [str(text) for text in texts]
