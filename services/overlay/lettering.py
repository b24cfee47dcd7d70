"""Text on images: Roboto, drawn by FreeType and cached."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

FONT: Final = Path(__file__).with_name("font") / "Roboto-Medium.ttf"
INK: Final = (240, 240, 240)
"""BGR."""
ELLIPSIS: Final = "…"


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Basic layout: with libraqm installed, the default would come out a pixel wider
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=384)
def text_page(text: str, size: int) -> Pixels:
    """A line of light text on black.

    Args:
        text: Any text; characters that are not printable are left out.
        size: Size of the font in pixels, from one line to the next.

    Returns:
        ``(H, W, 3) uint8``. H is the same for every text of a size.
    """
    font = _font(size)
    shown = "".join(character for character in text if character.isprintable())
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(shown)) + 1)
    page = Image.new("L", (width, ascent + descent))
    ImageDraw.Draw(page).text((0, ascent), shown, fill=INK[0], font=font, anchor="ls")
    return np.ascontiguousarray(np.repeat(np.asarray(page)[:, :, None], 3, axis=2))


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height of a line of text in pixels."""
    height, width = text_page(text, size).shape[:2]
    return width, height


def shorten(text: str, size: int, width: int) -> str:
    """A text shortened to a width in pixels: if it is too long, only its end is kept."""
    if text_size(text, size)[0] <= width:
        return text
    kept = text
    while kept and text_size(ELLIPSIS + kept, size)[0] > width:
        kept = kept[1:]
    return ELLIPSIS + kept if kept else ""


def write(image: Pixels, text: str, at: tuple[int, int], size: int) -> None:
    """Write a line of light text onto a dark part of an image, clipped to the image.

    Every pixel becomes the lighter one of image and text, which on a dark background looks like
    blending, but takes a tenth of the time.

    Args:
        image: ``(H, W, 3) uint8`` BGR, changed in place.
        text: One line.
        at: Left and top of the text in pixels.
        size: Size of the font in pixels.
    """
    left, top = at
    page = text_page(text, size)
    page = page[max(0, -top) : image.shape[0] - top, max(0, -left) : image.shape[1] - left]
    left, top = max(0, left), max(0, top)
    covered = image[top : top + page.shape[0], left : left + page.shape[1]]
    if covered.size:
        covered[:] = cv2.max(covered, page)
