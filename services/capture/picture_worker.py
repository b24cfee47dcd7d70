"""Decodes pictures in a separate process, because a picture may crash the decoder.

``python -m affectline.services.capture.picture_worker`` reads paths from standard input, each
terminated by a zero byte, and answers each on standard output: a header
(`picture_decoder.HEADER`), followed by the picture's rows, or the reason why there are none.
"""

import os
import signal
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(2**28)
"""The largest cameras have 200 megapixels. A file that claims more is not a photograph."""

import cv2  # noqa: E402 - OpenCV reads the limit when it is loaded
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from affectline.services.capture.picture_check import find_damage  # noqa: E402
from affectline.services.capture.picture_decoder import HEADER  # noqa: E402

_DAMAGE: Final = (b"Corrupt JPEG data", b"Premature end", b"CRC error")
"""What decoders print about damaged pictures that they do not reject."""


def decode_picture(path: Path, said: BinaryIO) -> NDArray[np.uint8] | str:
    """Decode a file, upright according to its EXIF orientation.

    Args:
        path: The file.
        said: The file that decoders print to.

    Returns:
        ``(H, W, 3) uint8`` BGR, or the reason why there is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return (error.strerror or "unreadable").lower()
    if damage := find_damage(data):
        return damage
    if not data:
        return "empty"
    said.seek(0)
    said.truncate()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        return "claims to be too large" if "PIXELS" in str(error) else "not a picture"
    except MemoryError:
        return "too large for memory"
    said.seek(0)
    if image is None:
        return "not a picture that can be decoded"
    printed = said.read()
    if any(text in printed for text in _DAMAGE):
        return "damaged"
    return np.asarray(image, dtype=np.uint8)


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process
    cv2.setNumThreads(1)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may be written between the answers
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        request = b""
        while piece := os.read(0, 1 << 16):
            *complete, request = (request + piece).split(b"\0")
            for name in complete:
                answer(decode_picture(Path(os.fsdecode(name)), said), answers)


def answer(result: NDArray[np.uint8] | str, answers: BinaryIO) -> None:
    """Write a result."""
    if isinstance(result, str):
        reason = result.encode("utf-8", "backslashreplace")
        answers.write(HEADER.pack(False, 0, len(reason)) + reason)
    else:
        height, width = result.shape[:2]
        answers.write(HEADER.pack(True, height, width))
        answers.write(np.ascontiguousarray(result).data)
    answers.flush()


if __name__ == "__main__":
    main()
