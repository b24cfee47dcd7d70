"""ZIP files that a page offers: packed into an unnamed file, which ends with the download."""

import errno
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response, StreamingResponse

CHUNK: Final = 1 << 20


def pack(files: Iterable[tuple[Path, str]], near: Path) -> IO[bytes]:
    """Pack files into an unnamed ZIP file, which leaves no copy on the disk.

    Args:
        files: The files, and their names in the ZIP file.
        near: A folder on the disk that has the files, if it can be written to: the temporary folder
            may be small, as that of a container is.

    Raises:
        OSError: The disk is full, or a file cannot be read.
    """
    folder = near if os.access(near, os.W_OK) else None
    packed = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed when it has been sent
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, name in files:
                archive.write(path, name)
        packed.seek(0)
    except BaseException:
        packed.close()
        raise
    return packed


def send(packed: IO[bytes], name: str) -> Response:
    """A response that downloads a packed file under a name, and closes it at its end."""
    size = packed.seek(0, os.SEEK_END)
    packed.seek(0)
    return StreamingResponse(
        iter(lambda: packed.read(CHUNK), b""),
        media_type="application/zip",
        headers={
            "cache-control": "no-store",
            "content-length": str(size),
            "content-disposition": f'attachment; filename="{name}.zip"',
        },
        background=BackgroundTask(packed.close),
    )


def explain(error: OSError) -> Response:
    """A response that says why nothing could be packed."""
    text = f"The ZIP file could not be made ({error.strerror or error})."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PlainTextResponse(f"{text} Make room, and try again.", 507)
    return PlainTextResponse(text, 500)
