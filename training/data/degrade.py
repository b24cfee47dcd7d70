"""Random damage to training faces: what live crops have and FER2013's pictures seldom do."""

from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

DRAWS: Final = 8
"""Random numbers per face."""
BLUR: Final = 1.6
"""Largest standard deviation of the blur, in pixels of a 48x48 picture: as soft as a face of about
15 pixels that was enlarged."""
DARK: Final = 2.0
"""Largest loss of light, in stops: down to a quarter."""
NOISE: Final = 8.0
"""Largest standard deviation of the noise, in gray levels of 255."""
LOWEST_QUALITY: Final = 15
HIGHEST_QUALITY: Final = 75
"""Range of the JPEG quality, as libjpeg defines it."""
BLOCK: Final = 8
"""Side of a JPEG block in pixels."""
LUMINANCE: Final[NDArray[np.float32]] = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
"""Steps of the luminance coefficients at quality 50 (ITU-T T.81, table K.1)."""


def degrade(faces: Any, draws: Any, chance: float) -> Any:
    """Blur, darken with noise, and compress some of the faces; each for itself, or in combination.

    All randomness comes from ``draws``: the same draws give the same pictures, however the batch
    is divided.

    Args:
        faces: ``(N, S, S, 1) float32``, 0 to 255.
        draws: Random numbers ``(N, 8) float32``, uniform from -1 to 1.
        chance: Share of the faces, 0 to 1, that each of the three happens to.

    Returns:
        ``(N, S, S, 1) float32``, 0 to 255.
    """
    share = (draws + 1) / 2
    size = faces.shape[1]
    pictures = faces[..., 0]
    blurred = _blur(pictures, BLUR * size / 48 * share[:, 1])
    pictures = _where(share[:, 0] < chance, blurred, pictures)
    dark = pictures * _wide(2.0 ** (-DARK * share[:, 3]))
    noisy = dark + _wide(NOISE * share[:, 4]) * _noise(share[:, 5], size)
    pictures = _where(share[:, 2] < chance, tf.clip_by_value(noisy, 0.0, 255.0), pictures)
    quality = LOWEST_QUALITY + (HIGHEST_QUALITY - LOWEST_QUALITY) * share[:, 7]
    pictures = _where(share[:, 6] < chance, _compress(pictures, quality), pictures)
    return pictures[..., tf.newaxis]


def _wide(values: Any) -> Any:
    return values[:, tf.newaxis, tf.newaxis]


def _where(chosen: Any, changed: Any, pictures: Any) -> Any:
    return tf.where(_wide(chosen), changed, pictures)


def _blur(pictures: Any, spread: Any) -> Any:
    """Gaussian blur by standard deviations ``(N,)`` in pixels: one matrix product per direction."""
    places = tf.range(pictures.shape[1], dtype=tf.float32)
    distance = places[:, tf.newaxis] - places
    weights = tf.exp(-0.5 * (distance / _wide(tf.maximum(spread, 0.1))) ** 2)
    weights /= tf.reduce_sum(weights, axis=2, keepdims=True)
    return weights @ pictures @ tf.transpose(weights, (0, 2, 1))


def _noise(seeds: Any, size: int) -> Any:
    """Noise ``(N, size, size)`` of mean 0 and standard deviation 1, a function of seeds ``(N,)``.

    Sines of large arguments: far from random for a statistician, but not for a network, and equal
    for equal seeds however the batch is divided.
    """
    places = tf.range(size * size, dtype=tf.float32)
    phases = tf.sin(places * 12.9898 + seeds[:, tf.newaxis] * 6283.1853) * 4375.8545
    uniform = tf.reshape(phases - tf.floor(phases), (-1, size, size))
    return (uniform - 0.5) * 12**0.5


def _compress(pictures: Any, quality: Any) -> Any:
    """What JPEG compression by qualities ``(N,)`` of 1 to 100 loses.

    The cosine transform of blocks of 8x8 pixels, rounded to steps (ITU-T T.81, A.3.3 and A.3.4),
    scaled by quality as libjpeg does.
    """
    size = pictures.shape[1]
    blocks = -(-size // BLOCK)
    beyond = blocks * BLOCK - size
    padded = tf.pad(pictures, [[0, 0], [0, beyond], [0, beyond]], "SYMMETRIC") - 128.0
    cosines = tf.constant(_cosines())
    tiles = tf.reshape(padded, (-1, blocks, BLOCK, blocks, BLOCK))
    tiles = tf.transpose(tiles, (0, 1, 3, 2, 4))
    scale = tf.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0)
    steps = tf.maximum(tf.round(LUMINANCE * _wide(scale)), 1.0)[:, tf.newaxis, tf.newaxis]
    coefficients = cosines @ tiles @ tf.transpose(cosines)
    tiles = tf.transpose(cosines) @ (tf.round(coefficients / steps) * steps) @ cosines
    whole = tf.reshape(tf.transpose(tiles, (0, 1, 3, 2, 4)), (-1, blocks * BLOCK, blocks * BLOCK))
    return tf.clip_by_value(whole[:, :size, :size] + 128.0, 0.0, 255.0)


def _cosines() -> NDArray[np.float32]:
    """The orthonormal cosine transform ``(8, 8)`` of eight values."""
    order, place = np.mgrid[:BLOCK, :BLOCK]
    values = np.cos((2 * place + 1) * order * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    values[0] /= np.sqrt(2)
    return values.astype(np.float32)
