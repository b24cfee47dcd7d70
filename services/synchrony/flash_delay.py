"""Finds a flashing square in frames, and measures the delay from each flash to the time stamps.

Delay: a frame stamped T shows, in the middle of its exposure, the moment T - delay.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from affectline.common.errors import AffectlineError

GRID: Final = (36, 64)
"""Rows and columns that frames are averaged to before the search for the square."""
EARLIEST_S: Final = -0.2
LATEST_S: Final = 2.5
"""Range of the search for the delay, in s. Negative delays mean that the clocks disagree."""
STEP_S: Final = 0.01
"""Step of the first search, in s."""
MIN_CORRELATION: Final = 0.75
"""Minimum correlation of the square's brightness, averaged over its cells, with the flashes.
Measured: a moving film without a square reaches 0.44 by chance with 7 s of flashes and 0.26 with
30 s, cells that wander at random 0.71 and 0.46; a square with a contrast of two thirds of a cell's
noise reaches 0.83."""
SQUARE_SHARE: Final = 0.8
"""A cell belongs to the square if its correlation is at least this share of the best cell's."""
MIN_PICTURES: Final = 50
MIN_CHANGES: Final = 8
MIN_STEP_SHARE: Final = 0.4
"""A change is seen if brightness changes by at least this share of the usual step."""
DEAD_ZONE: Final = 0.1
"""Share of the step that is noise: below it a frame is dark, above 1 minus it light."""


class Change(NamedTuple):
    """A moment at which the square became light or dark."""

    at: int
    """Time in ns since the Unix epoch."""
    is_light: bool


class SeenChange(NamedTuple):
    """A change that the frames show."""

    at: int
    """When it was shown, in ns since the Unix epoch."""
    delay_ms: float
    """From the change to the stamp that a frame of exactly this moment would have."""
    first_ms: float
    """From the change to the stamp of the first frame that shows more than half of it."""


class Spread(NamedTuple):
    """Distribution of delays, in ms."""

    mean: float
    sd: float
    p5: float
    median: float
    p95: float


class FlashDelay(NamedTuple):
    """Result of the measurement."""

    changes: int
    """Changes shown, without the first and the last."""
    seen: tuple[SeenChange, ...]
    pictures: int
    picture_ms: float
    """Median interval between the frames' stamps, in ms."""
    delay: Spread
    """From a change to the stamp of a frame of this moment."""
    first: Spread
    """From a change to the stamp of the first frame that shows it, which is up to a frame later."""
    mean_error_ms: float
    """Standard error of the mean delay, in ms."""
    jitter_ms: float
    """SD of the delay of single frames, in ms; 0 if the frame interval explains how much `first`
    varies. Lost frames count as late ones."""
    square: tuple[float, float, float, float]
    """Left, top, right and bottom of the square, as shares of the frame."""


def measure_delay(
    stamps: npt.NDArray[np.int64], pictures: npt.NDArray[Any], changes: list[Change]
) -> FlashDelay:
    """Find the square and measure the delay of each change.

    Args:
        stamps: Time stamp of each frame, in ns since the Unix epoch, increasing; shape (n,).
        pictures: The frames' brightness, averaged to `GRID`; shape (n, rows, columns).
        changes: The changes shown, in order, alternately light and dark.

    Raises:
        AffectlineError: There is too little data.
    """
    if len(stamps) < MIN_PICTURES or len(changes) < MIN_CHANGES:
        raise AffectlineError(
            f"{len(stamps)} frames and {len(changes)} flashes are too few to measure a delay",
            f"at least {MIN_PICTURES} and {MIN_CHANGES} are needed: check that the camera sends "
            f"frames, and run longer (--seconds)",
        )
    rows, columns = pictures.shape[1:]
    times = (stamps - changes[0].at) / 1e9
    shown = np.array([(change.at - changes[0].at) / 1e9 for change in changes])
    light = np.array([change.is_light for change in changes])
    cells = _without_ambient_light(pictures.reshape(len(stamps), -1).astype(np.float32), times)
    rough_s, correlations, expected = _find(cells, times, shown, light)
    is_square = correlations >= max(SQUARE_SHARE * correlations.max(), 1e-6)
    best = _correlation(cells[:, is_square].sum(axis=1), expected)
    if not best >= MIN_CORRELATION:
        raise AffectlineError(
            f"the flashing square was not found in {len(stamps)} frames (best correlation "
            f"{best:.2f} of 1)",
            "show the camera the square large and sharp, without glare, and turn off automatic "
            "exposure; --seconds 60 helps if the square is small",
        )
    brightness = pictures.reshape(len(stamps), -1)[:, is_square].mean(axis=1, dtype=np.float64)
    seen = _see_all(brightness, times, shown, light, rough_s, changes)
    if len(seen) < MIN_CHANGES:
        raise AffectlineError(
            f"{len(seen)} of {len(changes)} flashes can be recognized in the frames",
            f"{MIN_CHANGES} are needed: make the square fill more of the frame, or run longer",
        )
    picture_s = float(np.median(np.diff(times)))
    delay, first = _spread([one.delay_ms for one in seen]), _spread([one.first_ms for one in seen])
    # A change waits for the first frame whose exposure has its middle after the change. The wait
    # is uniformly distributed up to the frame interval, which gives its variance
    unexplained = first.sd**2 - (picture_s * 1e3) ** 2 / 12
    return FlashDelay(
        changes=len(changes) - 2,
        seen=tuple(seen),
        pictures=len(stamps),
        picture_ms=picture_s * 1e3,
        delay=delay,
        first=first,
        mean_error_ms=delay.sd / len(seen) ** 0.5,
        jitter_ms=max(0.0, unexplained) ** 0.5,
        square=_bounds(is_square.reshape(rows, columns)),
    )


def _without_ambient_light(
    cells: npt.NDArray[np.float32], times: npt.NDArray[np.float64], span_s: float = 4.0
) -> npt.NDArray[np.float32]:
    """Subtract slow changes: the mean of the frames within two seconds."""
    begins = np.searchsorted(times, times - span_s / 2)
    ends = np.searchsorted(times, times + span_s / 2, side="right")
    sums = np.concatenate([np.zeros((1, cells.shape[1])), cells.cumsum(axis=0, dtype=np.float64)])
    means = (sums[ends] - sums[begins]) / (ends - begins)[:, None]
    return np.asarray(cells - means, dtype=np.float32)


def _find(
    cells: npt.NDArray[np.float32],
    times: npt.NDArray[np.float64],
    shown: npt.NDArray[np.float64],
    light: npt.NDArray[np.bool_],
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Find the delay, in s, at which a cell follows the flashes best.

    Also returns each cell's correlation at this delay, and the expected brightness of the square.
    """
    delays = np.arange(EARLIEST_S, LATEST_S, STEP_S)
    levels = np.stack([_level(times - delay, shown, light) for delay in delays], axis=1)
    expected = _without_ambient_light(levels.astype(np.float32), times).T
    expected -= expected.mean(axis=1, keepdims=True)
    centred = cells - cells.mean(axis=0)
    scale = np.outer(np.linalg.norm(expected, axis=1), np.linalg.norm(centred, axis=0))
    correlations = np.divide(
        expected @ centred, scale, out=np.zeros(scale.shape), where=scale > 1e-6
    )
    best = int(np.argmax(correlations.max(axis=1)))
    return float(delays[best]), correlations[best], expected[best]


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Correlation of two series; 0 if one of them is constant."""
    a, b = one - one.mean(), other - other.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 1e-6 else 0.0


def _level(
    times: npt.NDArray[np.float64], shown: npt.NDArray[np.float64], light: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Whether the square was light at given times, as 0 or 1."""
    index = np.searchsorted(shown, times, side="right") - 1
    return np.where(index >= 0, light[np.maximum(index, 0)], ~light[0]).astype(np.float64)


def _see_all(
    brightness: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64],
    shown: npt.NDArray[np.float64],
    light: npt.NDArray[np.bool_],
    rough_s: float,
    changes: list[Change],
) -> list[SeenChange]:
    """All visible changes, without the first and the last."""
    steps = [
        _Step.cut(brightness, times, shown[k - 1 : k + 2] + rough_s, is_light=bool(light[k]))
        for k in range(1, len(shown) - 1)
    ]
    heights = [step.height for step in steps if step]
    usual = float(np.median(heights)) if heights else 0.0
    seen = []
    for k, step in enumerate(steps, start=1):
        if step is None or step.height < MIN_STEP_SHARE * usual or step.height <= 0:
            continue
        moment, first = step.locate()
        if first is not None:
            delay_ms, first_ms = (moment - shown[k]) * 1e3, (first - shown[k]) * 1e3
            seen.append(SeenChange(changes[k].at, float(delay_ms), float(first_ms)))
    return seen


class _Step(NamedTuple):
    """The frames around one change, from half-way to the change before to half-way to the next."""

    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    before: float
    height: float
    """Height of the step in the expected direction."""
    sign: int

    @classmethod
    def cut(
        cls,
        brightness: npt.NDArray[np.float64],
        times: npt.NDArray[np.float64],
        moments: npt.NDArray[np.float64],
        *,
        is_light: bool,
    ) -> "_Step | None":
        """Cut out the frames around a change; None without frames on both sides.

        Args:
            brightness: The square's brightness in each frame.
            times: Times of the frames in s.
            moments: Expected times of the previous change, this one and the next, in s.
            is_light: Whether the square becomes light.
        """
        previous, middle, following = moments
        begin, end = (previous + middle) / 2, (middle + following) / 2
        inside = (times >= begin) & (times <= end)
        at, values = times[inside], brightness[inside]
        # The outer halves of both sides are certainly before and after the change
        first = values[at <= (begin + middle) / 2]
        last = values[at >= (middle + end) / 2]
        if not (len(first) and len(last)):
            return None
        sign = 1 if is_light else -1
        before, after = float(np.median(first)), float(np.median(last))
        return cls(at, values, before, sign * (after - before), sign)

    def locate(self) -> tuple[float, float | None]:
        """The time of the change, and of the first frame that shows it, in s by the stamps' clock.

        Each frame represents the time that is nearer to it than to any other frame. In a frame
        exposed during the change, the share of light shows when the change happened.
        """
        share = np.clip(self.sign * (self.values - self.before) / self.height, 0, 1)
        share = np.where(share < DEAD_ZONE, 0, np.where(share > 1 - DEAD_ZONE, 1, share))
        edges = (self.times[1:] + self.times[:-1]) / 2
        edges = np.concatenate([self.times[:1], edges, self.times[-1:]])
        moment = float(edges[0] + ((1 - share) * np.diff(edges)).sum())
        late = np.flatnonzero(share >= 0.5)
        return moment, float(self.times[late[0]]) if len(late) else None


def _spread(values: list[float]) -> Spread:
    p5, median, p95 = np.percentile(values, (5, 50, 95))
    return Spread(
        float(np.mean(values)), float(np.std(values, ddof=1)), float(p5), float(median), float(p95)
    )


def _bounds(is_square: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(is_square)
    height, width = is_square.shape
    return (
        float(columns.min() / width),
        float(rows.min() / height),
        float((columns.max() + 1) / width),
        float((rows.max() + 1) / height),
    )
