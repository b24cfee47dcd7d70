"""Decodes pictures in a separate process, and starts a new one when that dies."""

import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.clock import monotonic

WORKER: Final = (sys.executable, "-P", "-m", "affectline.services.capture.picture_worker")
PATIENCE_S: Final = 60.0
"""A decoder that takes longer for a picture counts as hung."""
HEADER: Final = struct.Struct("<?II")
"""Header of an answer: whether it is a picture; its height and width, or 0 and the length of the
reason in bytes. The picture's rows, or the reason, follow."""


class PictureDecoder:
    """Decodes pictures one after the other, each ahead of time.

    Args:
        worker: The command of the decoding process.
    """

    def __init__(self, worker: tuple[str, ...] = WORKER) -> None:
        self._worker = worker
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, path: Path) -> None:
        """Start decoding a picture; fetch its result before you request another one."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._worker,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        assert self._process.stdin  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError):  # it has died: `result` will report it
            self._process.stdin.write(os.fsencode(path) + b"\0")

    def result(self) -> NDArray[np.uint8] | str:
        """The requested picture: ``(H, W, 3) uint8`` BGR, or the reason why there is none."""
        try:
            is_picture, height, width = self._read_header()
            if not is_picture:
                return self._read(width).tobytes().decode("utf-8", "replace")
            return self._read(height * width * 3).reshape(height, width, 3)
        except TimeoutError:
            self.close()
            return f"took longer than {PATIENCE_S:g} s to decode"
        except EOFError:
            return f"crashed the decoder ({_name_of_exit(self.close())})"
        except MemoryError:
            self.close()
            return "too large for memory"

    def close(self) -> int:
        """End the process; return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin  # noqa: S101 - for the type checker
        assert process.stdout  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _read_header(self) -> tuple[bool, int, int]:
        is_picture, height, width = HEADER.unpack(self._read(HEADER.size).tobytes())
        return is_picture, height, width

    def _read(self, size: int) -> NDArray[np.uint8]:
        data = np.empty(size, np.uint8)
        view = memoryview(data)  # type: ignore[arg-type]
        deadline = monotonic() + PATIENCE_S
        assert self._process  # noqa: S101 - for the type checker
        assert self._process.stdout  # noqa: S101 - for the type checker
        file = self._process.stdout.fileno()
        got = 0
        while got < size:
            if not select.select([file], [], [], max(0.0, deadline - monotonic()))[0]:
                raise TimeoutError
            count = os.readv(file, [view[got:]])
            if not count:
                raise EOFError
            got += count
        return data


def _name_of_exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
