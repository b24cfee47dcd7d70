"""The interface of exporters: a recorded session in, files in another format out.

An exporter is a module in `affectline.services.export.exporters`, or a class that another
distribution registers in the entry-point group ``affectline.exporters`` (docs/extending.md).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.registry import FamilySettings, Registry
from affectline.services.sessions.recording import Recording

EXPORTERS: Final = Registry(
    "exporter", "affectline.services.export.exporters", "affectline.exporters"
)


class ExportSettings(FamilySettings):
    """Settings of an exporter; each exporter has its own model that extends this one."""

    registry = EXPORTERS

    exporter: str


class Requirement(NamedTuple):
    """A package that an exporter needs and that is not always installed."""

    module: str
    extra: str
    """The extra of Affectline that installs it."""


class Exporter(ABC):
    """Writes a recorded session in one format.

    Args:
        settings: The exporter's settings, an instance of `settings_model`.
    """

    settings_model: ClassVar[type[ExportSettings]]
    summary: ClassVar[str]
    """What it writes, in a few words."""
    files: ClassVar[str]
    """Names of the files it writes, with ``<...>`` for variable parts."""
    requires: ClassVar[Requirement | None] = None
    joins_sessions: ClassVar[bool] = False
    """Several sessions can go into one folder, where their files have different names."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def export(self, recording: Recording, folder: Path) -> list[Path]:
        """Write files to an existing folder, replacing those of an earlier export.

        Returns:
            The files; none if the recording has no data for this format.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """


def make_exporter(name: str, options: Mapping[str, object] | None = None) -> Exporter:
    """Make an exporter from the values of its settings.

    Raises:
        AffectlineError: The exporter does not exist, or needs a package that is not installed.
        ValidationError: A setting is unknown or has an invalid value.
    """
    found: type[Exporter] = EXPORTERS.load(name)
    settings = EXPORTERS.parse({**(options or {}), "exporter": name})
    needed = found.requires
    if needed and find_spec(needed.module) is None:
        raise AffectlineError(
            f"--to {name} needs {needed.module}, which is not installed",
            f"pip install 'affectline[{needed.extra}]', or use --to csv",
        )
    return found(settings)
