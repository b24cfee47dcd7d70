"""The delay from glass to stamp, on pictures of which it is known."""

import random

import numpy as np
import numpy.typing as npt
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.synchrony.flash_delay import (
    GRID,
    Change,
    FlashDelay,
    _spread,
    measure_delay,
)
from affectline.services.synchrony.flash_plan import LONGEST_S, SHORTEST_S, plan_changes

START = 1_764_000_000_000_000_000


class SyntheticCamera:
    """Pictures of a square that flashes, by a camera of which everything is known.

    Args:
        delay_s: From the middle of a picture's exposure to its stamp.
        rate: Pictures a second.
        exposure_s: How long a picture collects light.
        jitter_s: SD of the delay.
        noise: SD of a cell's brightness.
        contrast: Of the square, in steps of brightness.
        drift: By how much the ambient light changes over the film.
        readout_s: From the exposure of the first row to that of the last.
        lost: Share of the pictures that are lost.
    """

    def __init__(self, **values: float) -> None:
        self.delay_s = values.get("delay_s", 0.1)
        self.rate = values.get("rate", 30.0)
        self.exposure_s = values.get("exposure_s", 0.01)
        self.jitter_s = values.get("jitter_s", 0.0)
        self.noise = values.get("noise", 2.0)
        self.contrast = values.get("contrast", 80.0)
        self.drift = values.get("drift", 0.0)
        self.readout_s = values.get("readout_s", 0.0)
        self.lost = values.get("lost", 0.0)

    def film(
        self, moments: list[float], seed: int = 1
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], list[Change]]:
        """Stamps, pictures and what was shown."""
        chance = np.random.default_rng(seed)
        middles = np.arange(0, moments[-1] + 4, 1 / self.rate) + chance.uniform(0, 1 / self.rate)
        middles = middles[chance.random(len(middles)) >= self.lost]
        stamps = middles + np.maximum(
            0.001, chance.normal(self.delay_s, self.jitter_s, len(middles))
        )
        stamps = np.maximum.accumulate(stamps)
        pictures = np.empty((len(middles), *GRID), dtype=np.uint8)
        rows = np.arange(GRID[0])[12:24]
        at = middles[:, None] + self.readout_s * (rows / GRID[0] - 0.5)
        lit = self._light(at, moments)[:, :, None]
        for picture, middle, row_light in zip(pictures, middles, lit, strict=True):
            scene = np.full(GRID, 70.0) + self.drift * np.sin(middle / 3)
            scene[12:24, 20:36] += self.contrast * row_light
            scene += chance.normal(0, self.noise, GRID)
            picture[:] = np.clip(scene, 0, 255)
        order = np.argsort(stamps, kind="stable")
        changes = [
            Change(START + round(moment * 1e9), k % 2 == 0) for k, moment in enumerate(moments)
        ]
        return START + (stamps[order] * 1e9).astype(np.int64), pictures[order], changes

    def _light(
        self, middles: npt.NDArray[np.float64], moments: list[float]
    ) -> npt.NDArray[np.float64]:
        """The share of each exposure in which the square is light."""
        edges = np.array([0.0, *moments, moments[-1] + 10])
        light = np.arange(len(edges) - 1) % 2  # dark before the first moment
        so_far = np.concatenate([[0.0], np.cumsum(np.diff(edges) * light)])
        ends = [np.interp(middles + side * self.exposure_s / 2, edges, so_far) for side in (-1, 1)]
        return np.asarray((ends[1] - ends[0]) / self.exposure_s)


def measured(moments: list[float], **camera: float) -> FlashDelay:
    return measure_delay(*SyntheticCamera(**camera).film(moments))


@pytest.fixture(scope="module")
def moments() -> list[float]:
    return plan_changes(40, seed=3)


@pytest.mark.parametrize(
    "camera",
    [
        {"delay_s": 0.02, "rate": 60},
        {"delay_s": 0.1},
        {"delay_s": 0.1, "exposure_s": 1 / 30},
        {"delay_s": 0.75, "rate": 25},
        {"delay_s": 1.9},
        {"delay_s": 0.2, "noise": 12, "contrast": 20},
        {"delay_s": 0.2, "drift": 60},
        {"delay_s": 0.2, "readout_s": 0.025},
        {"delay_s": 0.2, "lost": 0.2},
        {"delay_s": 0.3, "rate": 10},
    ],
)
def test_the_mean_delay_is_found(moments: list[float], camera: dict[str, float]) -> None:
    found = measured(moments, **camera)
    assert len(found.seen) >= 0.8 * found.changes
    error_ms = abs(found.delay.mean - camera["delay_s"] * 1e3)
    assert error_ms < 3 * found.mean_error_ms + 0.5, found
    assert found.mean_error_ms < 5
    # Shown with the next picture only: half a picture later in the mean
    assert found.first.mean > found.delay.mean


def test_pictures_alone_explain_the_spread_of_a_steady_camera(moments: list[float]) -> None:
    found = measured(moments, exposure_s=0.001)
    assert found.delay.sd == pytest.approx(found.picture_ms / 12**0.5, rel=0.25)
    assert found.jitter_ms < 6
    assert found.first.mean == pytest.approx(100 + found.picture_ms / 2, abs=4)


def test_an_exposure_as_long_as_a_picture_leaves_no_doubt(moments: list[float]) -> None:
    assert measured(moments, exposure_s=1 / 30, noise=1).delay.sd < 3.5


def test_jitter_is_told(moments: list[float]) -> None:
    found = measured(moments, delay_s=0.15, jitter_s=0.015)
    assert found.jitter_ms == pytest.approx(15, rel=0.3)


def test_the_square_is_placed(moments: list[float]) -> None:
    left, top, right, bottom = measured(moments).square
    assert (left, right) == (20 / 64, 36 / 64)
    assert (top, bottom) == (12 / 36, 24 / 36)


def test_clocks_that_are_not_in_step_give_negative_delays(moments: list[float]) -> None:
    stamps, pictures, changes = SyntheticCamera(delay_s=0.05).film(moments)
    found = measure_delay(stamps - 150_000_000, pictures, changes)
    assert found.delay.mean == pytest.approx(-100, abs=6)


def test_where_there_is_no_square_it_is_said(moments: list[float]) -> None:
    with pytest.raises(AffectlineError, match="square was not found"):
        measured(moments, contrast=0.0)


def test_a_face_before_the_camera_is_no_square(moments: list[float]) -> None:
    stamps, pictures, changes = SyntheticCamera(contrast=0.0).film(moments)
    moving = 60 * np.sin(np.arange(len(stamps))[:, None, None] / 11)
    pictures = np.clip(pictures.astype(float) + moving, 0, 255).astype(np.uint8)
    with pytest.raises(AffectlineError, match="square was not found"):
        measure_delay(stamps, pictures, changes)


def test_cells_that_wander_are_no_square() -> None:
    moments = plan_changes(10, seed=2)
    stamps, pictures, changes = SyntheticCamera(contrast=0.0).film(moments)
    chance = np.random.default_rng(2)
    wandering = np.cumsum(chance.normal(0, 3, pictures.shape), axis=0)
    pictures = np.clip(100 + wandering, 0, 255).astype(np.uint8)
    with pytest.raises(AffectlineError, match="square was not found"):
        measure_delay(stamps, pictures, changes)


def test_too_little_is_said(moments: list[float]) -> None:
    stamps, pictures, changes = SyntheticCamera().film(moments)
    with pytest.raises(AffectlineError, match="40 frames"):
        measure_delay(stamps[:40], pictures[:40], changes)
    with pytest.raises(AffectlineError, match="3 flashes are too few"):
        measure_delay(stamps, pictures, changes[:3])


def test_a_picture_that_stays_the_same_is_no_square(moments: list[float]) -> None:
    stamps, pictures, changes = SyntheticCamera().film(moments)
    with pytest.raises(AffectlineError, match="square was not found"):
        measure_delay(stamps, np.full_like(pictures, 7), changes)


def test_flashes_come_at_irregular_distances_and_never_fast() -> None:
    moments = plan_changes(60, seed=random.randrange(1000))
    distances = np.diff(moments)
    assert distances.min() >= SHORTEST_S
    assert distances.max() <= LONGEST_S
    assert distances.std() > 0.05
    assert moments[-1] < 60


def test_a_spread_is_of_all_values() -> None:
    spread = _spread([float(value) for value in range(1, 102)])
    assert (spread.mean, spread.p5, spread.median, spread.p95) == (51, 6, 51, 96)
