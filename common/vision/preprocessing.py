"""Preprocessing of images for models, the same for training and serving."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

FER_SIZE: Final = 48
"""Side of a FER2013 image in pixels."""

VGG_MEAN_BGR: Final = (103.939, 116.779, 123.68)
"""ImageNet channel means in BGR order, the zero-centring of Simonyan & Zisserman (2014)."""

Preprocessing = Literal["vgg16", "raw", "unit"]
"""Preprocessing of pixels before inference: ``vgg16`` converts to BGR and subtracts the ImageNet
means, ``raw`` keeps 0 to 255, ``unit`` scales to 0 to 1."""


def to_square(gray: NDArray[np.uint8], size: int = FER_SIZE) -> NDArray[np.uint8]:
    """Scale a face crop to the input size of a model.

    Args:
        gray: ``(H, W) uint8`` grayscale image of a face.
        size: Side of the result in pixels.

    Returns:
        ``(size, size) uint8``; area-averaged when shrinking, bilinear when enlarging.
    """
    if gray.shape == (size, size):
        return gray
    import cv2  # 40 MB, never needed by a classifier of 48x48 faces

    shrinking = gray.shape[0] >= size and gray.shape[1] >= size
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, (size, size), interpolation=how), dtype=np.uint8)


def to_three_channels(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat grayscale images in three channels, as input of a network for colour images.

    Args:
        gray: ``(N, H, W) uint8``.

    Returns:
        ``(N, H, W, 3) uint8``, all channels equal.
    """
    return np.repeat(gray[..., np.newaxis], 3, axis=-1)


def to_vgg16(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Zero-centre images as VGG16's ImageNet weights expect (Keras' ``caffe`` mode).

    Args:
        pictures: ``(..., 3) uint8`` in RGB order (for grayscale all channels are equal).

    Returns:
        ``(..., 3) float32`` in BGR order, ImageNet means subtracted, not scaled:
        -123.68 to 151.061.
    """
    mean = np.asarray(VGG_MEAN_BGR, dtype=np.float32)
    return pictures[..., ::-1].astype(np.float32) - mean


def prepare(pictures: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Preprocess images ``(..., 3) uint8`` to ``float32``."""
    if preprocessing == "vgg16":
        return to_vgg16(pictures)
    scale = np.float32(255 if preprocessing == "unit" else 1)
    return pictures.astype(np.float32) / scale


def prepare_faces(faces: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Preprocess gray faces ``(N, H, W) uint8`` to a model's input ``(N, H, W, 3) float32``."""
    return prepare(to_three_channels(faces), preprocessing)
