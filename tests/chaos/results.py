"""What the cells of the matrix showed, as stored in ``docs/reliability.json``."""

from typing import Literal

from pydantic import BaseModel

Verdict = Literal["kept", "broken", "undecided", "left out"]


class Footprint(BaseModel):
    """What the processes of a pipeline hold."""

    memory_mb: float = 0.0
    """PSS of all together: memory that they share counts once."""
    descriptors: int = 0


class CellResult(BaseModel):
    """What one cell showed. Counts of frames are of different frames."""

    name: str
    mode: str
    fault: str
    """``SIGKILL``, ``SIGSTOP``, or in words."""
    target: str
    """The processes that it was done to, or what else."""
    verdict: Verdict = "kept"
    broken: list[str] = []
    """What was promised and not kept, or why the cell was left out or is undecided."""
    seconds: float = 0.0
    other_cores: float = 0.0
    """Cores that were busy with other work until frames flowed again."""

    pause_s: float | None = None
    """The longest time without the answer to a new frame, from the fault on."""
    hung_s: float | None = None
    """Seconds from SIGSTOP until the process that hangs had been killed."""
    back_s: float | None = None
    """Seconds until each process that the fault hit has reported its health."""
    page_pause_s: float | None = None
    """The longest time without a new picture on the page."""

    sent: int | None = None
    """Frames that there were to analyse."""
    rows: int | None = None
    """Frames that have a row with a result."""
    lost: int | None = None
    """Frames that the run counts as lost."""
    skipped: int | None = None
    """Frames that the run counts as not analysed, for another reason."""
    unaccounted: int | None = None
    """Frames that were sent and neither have a row nor are counted."""
    recorded: int | None = None
    """Frames in the recording."""
    answers: int | None = None
    """Answers in the recording."""
    unsaid: int | None = None
    """Frames and answers that the recording lacks and ``affectline check`` does not name."""
    samples: int | None = None
    """Samples of the table that have a row."""
    resent: int = 0
    """Frames that the source sent again."""
    said: str = ""
    """Where the run ended with an error: what it said."""

    before: Footprint = Footprint()
    """Of the processes that were not hit, just before the fault."""
    after: Footprint = Footprint()
    """Of the same ones, when frames were flowing again."""


class ProcessGrowth(BaseModel):
    """How one process grew during the soak."""

    process: str
    first: Footprint
    """After the warm-up."""
    last: Footprint
    mb_per_hour: float
    """Slope of its memory by least squares, after the warm-up."""
    descriptors_per_hour: float


class SoakResult(BaseModel):
    """The long run with everything on."""

    seconds: float
    processes: list[ProcessGrowth]
    cell: CellResult


class Matrix(BaseModel):
    """All results of one run."""

    date: str
    commit: str
    machine: str
    seconds: float
    lanes: int
    is_whole: bool
    """All cells were run."""
    cells: list[CellResult]
    soak: SoakResult | None = None
