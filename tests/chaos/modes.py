"""The modes in which a pipeline runs when a fault is injected."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.browsers import free_web_port

STREAM: Final = "film"
TABLE: Final = "sensors.csv"


@dataclass(frozen=True)
class Mode:
    """One way to run a pipeline.

    Attributes:
        name: A short name.
        summary: A description, for the page.
        processes: The kinds of its processes.
        is_lossless: Every frame must have a row, and be in the recording if there is one.
        records: The run writes ``session.mcap``.
        shows_numbers: Recorded images are not pixelated, so frame numbers can be read.
        has_page: The run serves a page, which a viewer watches.
        has_table: The run also reads a table of sensors.
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
        """Return the settings of such a run.

        Args:
            folder: The folder of its table and other files.
            film: The film to analyse.
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
            "a film and a simulated sensor, live, recorded, with an open page",
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
