"""Random changes to training faces that preserve the expression."""

from typing import Any, Final

import tensorflow as tf

ROTATION: Final = 0.2
"""Largest roll in radians (11.5 degrees)."""
ZOOM: Final = 0.17
"""Largest natural logarithm of the scale: 0.84 to 1.19 times."""
SHEAR: Final = 0.1
SHIFT: Final = 4.0
"""Largest shift in pixels of a 48x48 picture, in each direction."""
CONTRAST: Final = 0.3
"""Largest natural logarithm of the contrast: 0.74 to 1.35 times."""
BRIGHTNESS: Final = 25.0
"""Largest change of brightness in gray levels of 255."""
ERASED: Final = 0.2
"""Share of the pictures in which a rectangle is erased (Zhong et al. 2020)."""


DRAWS: Final = 16
"""Random numbers per face."""


def augment(faces: Any, draws: Any, size: int, strength: float = 1.0) -> Any:
    """Move, turn, flip, relight, blur or sharpen, and partly hide faces.

    All randomness comes from ``draws``: the same draws give the same pictures, however the batch
    is divided.

    Args:
        faces: ``(N, H, W, 1) float32``, 0 to 255.
        draws: Random numbers, ``(N, 16) float32``, uniform from -1 to 1.
        size: Side of the result in pixels. If smaller than the faces, a random window is cropped.
        strength: Strength of the changes, 0 to 1; half of the faces are mirrored at any strength.

    Returns:
        ``(N, size, size, 1) float32``, 0 to 255.
    """
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=faces,
        transforms=_transforms(draws[:, :6], tf.shape(faces)[1], size, strength),
        output_shape=tf.constant([size, size]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    relit = moved + strength * (_relight(moved, draws[:, 6:9]) - moved)
    return _hide(relit, draws[:, 9:16], size, ERASED * strength)


def _transforms(draws: Any, height: Any, size: int, strength: float) -> Any:
    """Projective transforms ``(N, 8)`` from coordinates of the result to those of the face."""
    flip = tf.sign(draws[:, 2])
    draws = draws * strength
    scale = tf.exp(ZOOM * draws[:, 0])
    angle = ROTATION * draws[:, 1]
    shear = SHEAR * draws[:, 3]
    grid = tf.cast(height, tf.float32) / 48.0
    a0, a1 = scale * flip * tf.cos(angle), scale * (shear - tf.sin(angle))
    b0, b1 = scale * flip * tf.sin(angle), scale * tf.cos(angle)
    middle, centre = (size - 1) / 2, (tf.cast(height, tf.float32) - 1) / 2
    a2 = centre + SHIFT * grid * draws[:, 4] - middle * (a0 + a1)
    b2 = centre + SHIFT * grid * draws[:, 5] - middle * (b0 + b1)
    none = tf.zeros_like(scale)
    return tf.stack([a0, a1, a2, b0, b1, b2, none, none], axis=1)


def _relight(faces: Any, draws: Any) -> Any:
    draws = draws[:, :, tf.newaxis, tf.newaxis, tf.newaxis]
    # From half sharpened to fully blurred: crops from other cameras vary as much.
    blurred = tf.nn.avg_pool2d(faces, 3, 1, "SAME")
    faces += (0.25 + 0.75 * draws[:, 2]) * (blurred - faces)
    mean = tf.reduce_mean(faces, axis=(1, 2, 3), keepdims=True)
    faces = mean + (faces - mean) * tf.exp(CONTRAST * draws[:, 0]) + BRIGHTNESS * draws[:, 1]
    return tf.clip_by_value(faces, 0.0, 255.0)


def _hide(faces: Any, draws: Any, size: int, chance: float) -> Any:
    """Paint over a rectangle in one random gray; its sides are 0.1 to 0.4 of the face's."""
    share = (draws + 1) / 2
    places = (tf.range(size, dtype=tf.float32) + 0.5) / size
    down = tf.abs(places - share[:, 0:1]) < 0.05 + 0.15 * share[:, 1:2]
    across = tf.abs(places - share[:, 2:3]) < 0.05 + 0.15 * share[:, 3:4]
    chosen = (share[:, 4] < chance)[:, tf.newaxis, tf.newaxis]
    hidden = down[:, :, tf.newaxis] & across[:, tf.newaxis, :] & chosen
    gray = 255.0 * share[:, 5, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.where(hidden[..., tf.newaxis], gray, faces)
