"""The interface of report sections: a recorded session in, a piece of HTML out.

A section is a module in `affectline.services.report.sections`, or a class that another distribution
registers in the entry-point group ``affectline.report_sections`` (docs/extending.md).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from affectline.common.registry import FamilySettings, Registry
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import SessionSeries

SECTIONS: Final = Registry(
    "section", "affectline.services.report.sections", "affectline.report_sections"
)


class SectionSettings(FamilySettings):
    """Settings of a section; each section has its own model that extends this one."""

    registry = SECTIONS

    section: str
    enabled: bool = True
    """Include the section in the report."""


@dataclass(frozen=True)
class ReportData:
    """The data that sections are made from.

    Attributes:
        recording: The session; each pass over it takes time proportional to its size.
        session: Its time series.
        problems: Parts of the recording that could not be read.
        annotations: Its annotations.
        remarks: What the recording lacks and why, and when the clock was set: sentences without
            a full stop.
    """

    recording: Recording
    session: SessionSeries
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()


class Section(ABC):
    """Writes one section of a report.

    Args:
        settings: The section's settings, an instance of `settings_model`.
    """

    settings_model: ClassVar[type[SectionSettings]]
    order: ClassVar[int]
    """Sections with lower numbers come first: narrative 10, expressions 15, markers 17,
    responses 19, pictures 20, chart 25, head_and_eyes 30, about 90."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def render(self, data: ReportData) -> str:
        """Return the section as HTML; empty if the session has no data for it.

        Text from the session must be escaped, and the page must work without a network.
        """


def make_sections(options: Mapping[str, Mapping[str, object]] | None = None) -> list[Section]:
    """Make all enabled sections, in order.

    Args:
        options: Values of settings, by section.

    Raises:
        AffectlineError: A section does not exist.
        ValidationError: A setting is unknown or has an invalid value.
    """
    options = options or {}
    sections: list[Section] = []
    for name in dict.fromkeys((*SECTIONS.names(), *options)):
        found: type[Section] = SECTIONS.load(name)
        settings = SECTIONS.parse({**options.get(name, {}), "section": name})
        if isinstance(settings, SectionSettings) and settings.enabled:
            sections.append(found(settings))
    return sorted(sections, key=lambda section: section.order)
