"""The ways in which a pipeline runs while something goes wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.browsers import free_web_port

STREAM: Final = "film"
TABLE: Final = "sensors.csv"


@dataclass(frozen=True)
class Mode:
    """One way to run.

    Attributes:
        name: Short.
        summary: What it is, for the page.
        processes: Kinds of its processes.
        is_lossless: Every frame has to have a row, and where it records, a place in the recording.
        records: It writes ``session.mcap``.
        shows_numbers: The recorded pictures are those of the film.
        has_page: It serves a page, which somebody looks at.
        has_table: A table of sensors belongs to it.
    """

    name: str
    summary: str
    processes: tuple[str, ...]
    is_lossless: bool = True
    records: bool = False
    shows_numbers: bool = True
    has_page: bool = False
    has_table: bool = False

    def settings(self, folder: Path, film: Path) -> dict[str, Any]:
        """Settings of such a run.

        Args:
            folder: Where its table is, and what else it needs.
            film: What is analysed.
        """
        made: dict[str, Any] = {
            "sources": [{"name": STREAM, "source": str(film)}],
            "delivery": "lossless" if self.is_lossless else "live",
            "pace": "realtime",
            "recording": {"record": self.records},
        }
        if self.name == "blurred":
            made["recording"]["privacy"] = "blurred"
        if self.has_table:
            made["biometrics"] = [
                {
                    "driver": "csv", "subject": "anna", "file": str(folder / TABLE),
                    "time_column": "time_s",
                    "columns": {
                        "heart_rate_bpm": {"signal": "heart_rate", "unit": "/min"},
                        "eda_us": {"signal": "skin_conductance", "unit": "uS"},
                    },
                }
            ]  # fmt: skip
        if self.has_page:
            made["biometrics"] = [{"driver": "synthetic", "subject": "anna"}]
            made["sink"] = {"display": "browser"}
            made["dashboard"] = {"port": free_web_port(), "sessions": str(folder / "sessions")}
        return made


ANALYSIS: Final = ("hub", "sink", "detector", "classifier")
MODES: Final = {
    mode.name: mode
    for mode in (
        Mode("live", "a film, live delivery", (*ANALYSIS, "capture"), is_lossless=False),
        Mode("lossless", "a film, lossless delivery", (*ANALYSIS, "capture")),
        Mode(
            "record",
            "a film and a table of sensors, lossless, recorded",
            (*ANALYSIS, "capture", "recorder", "fusion", "biometrics"),
            records=True,
            has_table=True,
        ),
        Mode(
            "blurred",
            "a film, lossless, recorded with privacy `blurred`",
            (*ANALYSIS, "capture", "recorder"),
            records=True,
            shows_numbers=False,
        ),
        Mode(
            "replay",
            "a recording, replayed at its own speed and recorded again",
            ("hub", "sink", "recorder", "replay"),
            records=True,
        ),
        Mode(
            "page",
            "a film and a simulated sensor, live, recorded, with a page that somebody looks at",
            (*ANALYSIS, "capture", "recorder", "fusion", "biometrics", "dashboard"),
            is_lossless=False,
            records=True,
            has_page=True,
        ),
    )
}


def write_settings(path: Path, settings: dict[str, Any]) -> Path:
    """Write a settings file."""
    path.write_text(yaml.safe_dump(settings))
    return path
