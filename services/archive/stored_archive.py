"""An archive with its results in an object store."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.archive import INDEX, SESSIONS, Archive
from affectline.services.archive.film_list import ListedFilm
from affectline.services.archive.film_task import RESULT
from affectline.services.archive.stored_files import StoredFolder


class StoredArchive(Archive):
    """A folder in a store, with a session folder for each film and tables over all of them.

    What is needed to resume (the index, and the result of each film) is downloaded to a temporary
    folder; session folders are uploaded by the process that makes them.

    Args:
        address: Address of the folder.
        films: As for `Archive`.
        settings: As for `Archive`.
        resume: As for `Archive`.

    Raises:
        AffectlineError: As for `Archive`, or the store does not answer.
    """

    def __init__(
        self,
        address: str,
        films: Iterable[ListedFilm],
        settings: PipelineSettings,
        *,
        resume: bool,
    ) -> None:
        self._store = StoredFolder(address)
        self._scratch = tempfile.TemporaryDirectory(prefix="affectline-")
        folder = Path(self._scratch.name) / "archive"
        self._fetch(folder)
        super().__init__(folder, films, settings, resume=resume)
        self.place = self._store.address
        self.tasks = [
            task.model_copy(update={"upload": f"{self.place}/{SESSIONS}/{task.name}"})
            for task in self.tasks
        ]

    def _fetch(self, folder: Path) -> None:
        if self._store.is_empty:
            return
        folder.mkdir()
        index = self._store.read(INDEX)
        (folder / (INDEX if index else "something")).write_bytes(index or b"")
        sessions = StoredFolder(f"{self._store.address}/{SESSIONS}")
        for name, content in sessions.read_all(sessions.find(RESULT)).items():
            path = folder / SESSIONS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    _is_here = False

    def write_tables(self) -> list[Path]:
        files = super().write_tables()
        for path in files:
            self._store.write(path.name, path)
        return files

    def _write_index(self) -> None:
        super()._write_index()
        self._store.write(INDEX, self.folder / INDEX)
