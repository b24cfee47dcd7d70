"""Opening LiteRT files."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from affectline.common.errors import AffectlineError, first_line
from affectline.common.stderr import silence_stderr

_DONTNEED: Final = 4
"""``MADV_DONTNEED`` of Linux: the pages of a mapped file are read again when they are needed."""


def open_interpreter(path: Path, threads: int, way_out: str) -> Any:
    """Open a LiteRT file and allocate its tensors.

    Args:
        path: The file.
        threads: Number of threads that LiteRT may use for one run.
        way_out: How to fix a file that cannot be read, for the error.

    Returns:
        An ``ai_edge_litert`` interpreter.

    Raises:
        AffectlineError: The file is not a LiteRT model.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with silence_stderr():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise AffectlineError(
            f"{path} is not a readable LiteRT model ({first_line(error)})", way_out
        ) from error
    release_file(path)
    return interpreter


def release_file(path: Path) -> None:
    """Give back the memory that holds the pages of a model's file.

    LiteRT maps the file, and XNNPACK copies the weights from there into its own order when tensors
    are allocated. The process then holds them twice, but the file's pages are not read again. Call
    it after every allocation.

    Args:
        path: The file of the model.
    """
    if sys.platform != "linux":
        return
    name = str(path.resolve())
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            if line.endswith(name):
                begin, end = (int(number, 16) for number in line.split()[0].split("-"))
                address, size = ctypes.c_void_p(begin), ctypes.c_size_t(end - begin)
                ctypes.CDLL(None).madvise(address, size, _DONTNEED)
