"""Films and results in object stores, such as ``s3://bucket/folder``, through fsspec.

Where a store is, and who may use it, is said by the environment, as its own tools read it:
``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` for ``s3://``.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from affectline.common.errors import AffectlineError, first_line
from affectline.common.extras import require_extra

AT_ONCE: Final = 16
"""Questions to a store at a time: each takes some ten milliseconds, and there are many films."""


class StoredFile(NamedTuple):
    """What a store says of a file."""

    address: str
    size: int
    """In bytes."""
    modified: int | None
    """In ns since the Unix epoch, where the store tells."""


class StoredFolder:
    """A folder in a store. It has no renaming, so each file is there as a whole or not at all.

    Args:
        address: Of the folder; it need not be there yet.

    Raises:
        AffectlineError: The package for such addresses is missing, or nothing answers there.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        with _explained(self.address):
            self._files, self._root = _open_store(self.address)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where it is not there."""
        with _explained(f"{self.address}/{name}"):
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The content of many files at once; without those that are not there."""
        with _explained(self.address):
            paths = {f"{self._root}/{name}": name for name in names}
            found = self._files.cat(list(paths), on_error="omit") if paths else {}
        return {paths[path]: bytes(content) for path, content in found.items()}

    def write(self, name: str, path: Path) -> None:
        """Put a file there, in place of the one that was."""
        with _explained(f"{self.address}/{name}"):
            self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), f"{self._root}/{name}")

    def find(self, name: str) -> list[str]:
        """The files of such a name one level below, as ``folder/name``."""
        with _explained(self.address):
            self._files.invalidate_cache()
            found = self._files.glob(f"{self._root}/*/{name}")
        return sorted("/".join(PurePosixPath(path).parts[-2:]) for path in found)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        with _explained(self.address):
            self._files.invalidate_cache()
            return not self._files.find(self._root, maxdepth=1)

    def upload(self, folder: Path, *, last: str) -> None:
        """Put a whole folder there, in place of what was.

        Args:
            folder: It.
            last: The file that says that all others are there: it is removed first, and comes last.
        """
        with _explained(self.address):
            if self._files.exists(f"{self._root}/{last}"):
                self._files.rm_file(f"{self._root}/{last}")
            if self._files.exists(self._root):
                self._files.rm(self._root, recursive=True)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == last):
            self.write(str(path.relative_to(folder)), path)


def stat_file(address: str) -> StoredFile:
    """What a store says of a file.

    Raises:
        AffectlineError: It is not there, or the store does not answer.
    """
    with _explained(address):
        files, path = _open_store(address)
        return _stored(files, files.info(path))


def stat_files(addresses: Sequence[str]) -> list[StoredFile | None]:
    """What stores say of many files, asked for at once; None of those that are not there."""

    def stat(address: str) -> StoredFile | None:
        with suppress(AffectlineError):
            return stat_file(address)
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(stat, addresses))


def read_file(address: str) -> bytes:
    """The content of a small file.

    Raises:
        AffectlineError: It is not there, or the store does not answer.
    """
    with _explained(address):
        files, path = _open_store(address)
        return bytes(files.cat_file(path))


def list_files(address: str) -> list[str]:
    """The files that an address means: itself, all below a folder, or those of a pattern.

    Raises:
        AffectlineError: There are none, or the store does not answer.
    """
    with _explained(address):
        files, path = _open_store(address)
        if any(letter in path for letter in "*?["):
            found = [one for one in files.glob(path) if files.isfile(one)]
        elif files.isfile(path):
            found = [path]
        else:
            found = files.find(path)
    if not found:
        raise AffectlineError(f"{address}: nothing is there", "check the name")
    return [files.unstrip_protocol(one) for one in sorted(found)]


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Yield a local copy of a file, which is removed afterwards.

    Args:
        address: Of the file. Its copy is in the folder for temporary files (``TMPDIR``).

    Raises:
        AffectlineError: It is not there, the store does not answer, or there is no room for it.
    """
    with tempfile.TemporaryDirectory(prefix="affectline-") as folder:
        local = Path(folder) / (PurePosixPath(address).name or "film")
        size, free = stat_file(address).size, shutil.disk_usage(folder).free
        if size > free:
            raise AffectlineError(
                f"{address}: {size / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free",
                "set TMPDIR to a folder with more room",
            )
        with _explained(address):
            files, path = _open_store(address)
            files.get_file(path, str(local))
        yield local


def _stored(files: Any, info: dict[str, Any]) -> StoredFile:
    times = [info.get(name) for name in ("LastModified", "mtime", "last_modified", "created")]
    told = next((time for time in times if time is not None), None)
    if isinstance(told, datetime):
        told = told.timestamp()
    modified = round(told * 1e9) if isinstance(told, int | float) else None
    return StoredFile(files.unstrip_protocol(info["name"]), int(info["size"] or 0), modified)


def _open_store(address: str) -> tuple[Any, str]:
    require_extra(f"{address}: an address of a store", "ray", "fsspec")
    import fsspec

    # Not from a listing of before: others write there, too
    files, path = fsspec.url_to_fs(address, use_listings_cache=False)
    return files, str(path)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say what went wrong with a store in one line; every store has errors of its own."""
    try:
        yield
    except AffectlineError:
        raise
    except FileNotFoundError as error:
        raise AffectlineError(f"{address}: not there", "check the name") from error
    except ImportError as error:
        raise AffectlineError(
            f"{address}: {first_line(error)}", "install what reads such addresses: s3fs for s3://"
        ) from error
    except Exception as error:
        what = first_line(error) or type(error).__name__
        raise AffectlineError(
            f"{address}: {what}",
            "check the address, the network and the credentials, for s3:// AWS_ENDPOINT_URL, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
