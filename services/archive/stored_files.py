"""Films and results in object stores, such as ``s3://bucket/folder``, through fsspec.

The environment gives a store's endpoint and credentials, in the same variables that the store's own
tools read: ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` for ``s3://``.
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
"""Concurrent requests to a store: each takes about ten milliseconds, and there are many films."""


class StoredFile(NamedTuple):
    """A store's information about a file."""

    address: str
    size: int
    """Size in bytes."""
    modified: int | None
    """Modification time in ns since the Unix epoch, if the store gives it."""


class StoredFolder:
    """A folder in a store. Stores cannot rename, but each file is written completely or not at all.

    Args:
        address: Address of the folder, which need not exist yet.

    Raises:
        AffectlineError: The package for such addresses is missing, or the store does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        with _explained(self.address):
            self._files, self._root = _open_store(self.address)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""
        with _explained(f"{self.address}/{name}"):
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The content of many files at once, without missing ones."""
        with _explained(self.address):
            paths = {f"{self._root}/{name}": name for name in names}
            found = self._files.cat(list(paths), on_error="omit") if paths else {}
        return {paths[path]: bytes(content) for path, content in found.items()}

    def write(self, name: str, path: Path) -> None:
        """Upload a file, replacing any existing one."""
        with _explained(f"{self.address}/{name}"):
            self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), f"{self._root}/{name}")

    def find(self, name: str) -> list[str]:
        """The files with a name, one level below, as ``folder/name``."""
        with _explained(self.address):
            self._files.invalidate_cache()
            found = self._files.glob(f"{self._root}/*/{name}")
        return sorted("/".join(PurePosixPath(path).parts[-2:]) for path in found)

    @property
    def is_empty(self) -> bool:
        """Whether the folder is empty or does not exist."""
        with _explained(self.address):
            self._files.invalidate_cache()
            return not self._files.find(self._root, maxdepth=1)

    def upload(self, folder: Path, *, last: str) -> None:
        """Upload a whole folder, replacing existing content.

        Args:
            folder: The local folder.
            last: The file that marks the folder as complete: it is removed first and written last.
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
    """A store's information about a file.

    Raises:
        AffectlineError: The file does not exist, or the store does not answer.
    """
    with _explained(address):
        files, path = _open_store(address)
        return _stored(files, files.info(path))


def stat_files(addresses: Sequence[str]) -> list[StoredFile | None]:
    """Information about many files, requested concurrently; None for missing files."""

    def stat(address: str) -> StoredFile | None:
        with suppress(AffectlineError):
            return stat_file(address)
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(stat, addresses))


def read_file(address: str) -> bytes:
    """The content of a small file.

    Raises:
        AffectlineError: The file does not exist, or the store does not answer.
    """
    with _explained(address):
        files, path = _open_store(address)
        return bytes(files.cat_file(path))


def list_files(address: str) -> list[str]:
    """The files that an address names: itself, all below a folder, or matches of a pattern.

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
        raise AffectlineError(f"{address}: no files found", "check the name")
    return [files.unstrip_protocol(one) for one in sorted(found)]


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Yield a local copy of a file, which is removed afterwards.

    Args:
        address: Address of the file. The copy is in the temporary folder (``TMPDIR``).

    Raises:
        AffectlineError: The file does not exist, the store does not answer, or the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="affectline-") as folder:
        local = Path(folder) / (PurePosixPath(address).name or "film")
        size, free = stat_file(address).size, shutil.disk_usage(folder).free
        if size > free:
            raise AffectlineError(
                f"{address}: {size / 1e9:.1f} GB, but {folder} has only {free / 1e9:.1f} GB free",
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

    # No cached listings, because other processes write to the store too
    files, path = fsspec.url_to_fs(address, use_listings_cache=False)
    return files, str(path)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn a store's own errors into one line."""
    try:
        yield
    except AffectlineError:
        raise
    except FileNotFoundError as error:
        raise AffectlineError(f"{address}: not found", "check the name") from error
    except ImportError as error:
        raise AffectlineError(
            f"{address}: {first_line(error)}",
            "install the package for such addresses: s3fs for s3://",
        ) from error
    except Exception as error:
        what = first_line(error) or type(error).__name__
        raise AffectlineError(
            f"{address}: {what}",
            "check the address, the network and the credentials, for s3:// AWS_ENDPOINT_URL, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
